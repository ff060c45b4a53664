#include "import/csv.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "cli/try.h"
#include "import/line_reader.h"
#include "output/plain_text.h"

namespace quipu::import {
namespace {

constexpr std::size_t kColumnsMax = 4096;

std::string Names(const std::vector<std::string>& names) {
  constexpr std::size_t kShown = 30;
  std::string text;
  for (std::size_t i = 0; i < std::min(names.size(), kShown); ++i) {
    text += (i == 0 ? "" : ", ") + output::Visible(names[i]);
  }
  if (names.size() > kShown) text += fmt::format(" and {} more", names.size() - kShown);
  return text;
}

/// Joins the lines of a record whose quoted cells hold line breaks.
class RecordJoiner {
 public:
  /// Takes a line and splits the record if it ends here. kOpen = it goes on; an error ends it.
  Result<CsvSplit> Add(std::string_view line, std::vector<std::string_view>* cells,
                       std::string* scratch) {
    std::string_view record = line;
    if (open_) {
      if (pending_.size() + line.size() + 1 > kLineBytesMax) {
        Forget();
        return Status::InvalidArgument(
            "a quoted cell is not closed within 4 MiB; add the missing double quote");
      }
      pending_ += '\n';
      pending_ += line;
      // Inside a quoted cell only an odd number of quotes can close it: no need to split before that.
      if (std::count(line.begin(), line.end(), '"') % 2 == 0) return CsvSplit::kOpen;
      record = pending_;
    }
    auto split = SplitCsv(record, cells, scratch);
    if (split && *split == CsvSplit::kOpen && !open_) pending_.assign(line);
    open_ = split && *split == CsvSplit::kOpen;
    return split;
  }
  [[nodiscard]] bool open() const { return open_; }
  void Forget() {
    open_ = false;
    pending_.clear();
  }

 private:
  std::string pending_;
  bool open_ = false;
};

class CsvParser final : public RecordParser {
 public:
  explicit CsvParser(std::vector<Assignment> map) : map_(std::move(map)) {}

  Result<Taken> Take(std::string_view line, ParsedEvent* out) override {
    if (!joiner_.open() && line.empty()) return Taken::kNothing;
    auto split = joiner_.Add(line, &cells_, &scratch_);
    if (!split) return split.error();
    if (*split == CsvSplit::kOpen) return Taken::kMore;
    if (!has_header_) {
      Status header = TakeHeader();
      unusable_ = !header.ok();
      if (unusable_) return header;
      return Taken::kNothing;
    }
    return TakeRow(out);
  }

  std::unique_ptr<RecordParser> Clone() const override {
    auto other = std::make_unique<CsvParser>(map_);
    other->names_ = names_;
    other->uses_ = uses_;
    other->has_header_ = has_header_;
    return other;
  }
  bool ready() const override { return has_header_; }
  bool EndsRecord(std::string_view line) override {
    if (!joiner_.open() && line.find('"') == std::string_view::npos) return true;
    const auto split = joiner_.Add(line, &cells_, &scratch_);
    return !split || *split == CsvSplit::kComplete;
  }

  Status Finish() override {
    if (!joiner_.open()) return {};
    joiner_.Forget();
    return Status::InvalidArgument(
        "a quoted cell is not closed at the end of the file; add the missing double quote");
  }

  bool unusable() const override { return unusable_; }
  std::string TakeNotice() override { return std::exchange(notice_, {}); }

 private:
  struct Use {
    std::size_t column;
    Target target;
  };

  Status TakeHeader() {
    has_header_ = true;
    if (cells_[0].starts_with("\xef\xbb\xbf")) cells_[0].remove_prefix(3);
    names_.assign(cells_.begin(), cells_.end());
    if (map_.empty()) {
      for (std::size_t i = 0; i < names_.size(); ++i) {
        if (auto target = Target::Parse(names_[i])) uses_.push_back({i, *std::move(target)});
      }
      if (uses_.empty()) {
        return Status::InvalidArgument(
            fmt::format("no column is named like a target; say which is which with --map "
                        "TARGET=COLUMN (columns: {})",
                        Names(names_)));
      }
    }
    for (const Assignment& a : map_) {
      const auto it = std::find(names_.begin(), names_.end(), a.value);
      if (it == names_.end()) {
        return Status::InvalidArgument(
            fmt::format("--map {}={}: the header has no such column; it has {}",
                        a.target.ToString(), output::Visible(a.value), Names(names_)));
      }
      if (std::find(it + 1, names_.end(), a.value) != names_.end()) {
        return Status::InvalidArgument(fmt::format(
            "column {} occurs twice in the header; rename one of them", output::Quoted(a.value)));
      }
      uses_.push_back({static_cast<std::size_t>(it - names_.begin()), a.target});
    }
    NoteUnused();
    return {};
  }

  void NoteUnused() {
    std::vector<std::string> unused;
    for (std::size_t i = 0; i < names_.size(); ++i) {
      const bool used =
          std::any_of(uses_.begin(), uses_.end(), [&](const Use& u) { return u.column == i; });
      if (!used) unused.push_back(names_[i]);
    }
    if (!unused.empty()) notice_ = "columns left out: " + Names(unused);
  }

  Result<Taken> TakeRow(ParsedEvent* out) const {
    if (cells_.size() != names_.size()) {
      return Status::InvalidArgument(
          fmt::format("{} cells where the header has {}; quote cells that contain a comma",
                      cells_.size(), names_.size()));
    }
    for (const Use& use : uses_) {
      const std::string_view cell = cells_[use.column];
      if (!cell.empty()) SERVER_TRY(SetField(use.target, cell, out));
    }
    return Taken::kEvent;
  }

  std::vector<Assignment> map_;
  std::vector<std::string> names_;
  std::vector<Use> uses_;
  std::vector<std::string_view> cells_;
  std::string scratch_, notice_;
  RecordJoiner joiner_;
  bool has_header_ = false, unusable_ = false;
};

}  // namespace

Result<CsvSplit> SplitCsv(std::string_view record, std::vector<std::string_view>* cells,
                          std::string* scratch) {
  cells->clear();
  scratch->clear();
  scratch->reserve(record.size());  // so that views into it stay valid
  std::size_t at = 0;
  for (;;) {
    if (cells->size() == kColumnsMax) {
      return Status::InvalidArgument(fmt::format("more than {} columns", kColumnsMax));
    }
    if (at == record.size() || record[at] != '"') {
      const std::size_t end = std::min(record.find(',', at), record.size());
      const std::string_view cell = record.substr(at, end - at);
      if (cell.find('"') != std::string_view::npos) {
        return Status::InvalidArgument(
            fmt::format("cell {} has a double quote inside; put the whole cell in quotes and "
                        "double the inner ones",
                        cells->size() + 1));
      }
      cells->push_back(cell);
      if (end == record.size()) return CsvSplit::kComplete;
      at = end + 1;
      continue;
    }
    const std::size_t first = scratch->size();
    ++at;
    for (;;) {
      const std::size_t quote = record.find('"', at);
      if (quote == std::string_view::npos) return CsvSplit::kOpen;
      scratch->append(record.substr(at, quote - at));
      at = quote + 1;
      if (at == record.size() || record[at] != '"') break;
      *scratch += '"';
      ++at;
    }
    cells->push_back(std::string_view(*scratch).substr(first));
    if (at == record.size()) return CsvSplit::kComplete;
    if (record[at] != ',') {
      return Status::InvalidArgument(fmt::format(
          "cell {} goes on after its closing quote; double the quotes inside it", cells->size()));
    }
    ++at;
  }
}

std::unique_ptr<RecordParser> MakeCsvParser(std::vector<Assignment> map) {
  return std::make_unique<CsvParser>(std::move(map));
}

}  // namespace quipu::import
