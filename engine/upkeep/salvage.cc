#include "upkeep/salvage.h"

#include <algorithm>

#include "base/check.h"
#include "segment/summary_fold.h"

namespace quipu {
namespace {

constexpr std::size_t kCopyBytes = 1u << 20;

Status CopyBytes(Vfs* vfs, const std::string& from, const std::string& to) {
  QUIPU_TRY_ASSIGN(const auto source, vfs->OpenForRead(from));
  QUIPU_TRY_ASSIGN(const auto target, vfs->Create(to));
  std::vector<std::uint8_t> bytes;
  for (std::uint64_t at = 0; at < source->size(); at += bytes.size()) {
    bytes.resize(std::min<std::uint64_t>(kCopyBytes, source->size() - at));
    QUIPU_TRY(source->ReadAt(at, bytes));
    QUIPU_TRY(target->Append(bytes));
  }
  QUIPU_TRY(target->Sync());
  return target->Close();
}

/// One new file on its way; begun with its first row.
class Output {
 public:
  Output(RepairedSegments* out, const SegmentMeta& like, bool has_ids)
      : out_(out), like_(like), has_ids_(has_ids) {}
  Status Append(const RowBatch& rows) {
    if (rows.empty()) return {};
    if (!writer_) {
      QUIPU_TRY_ASSIGN(writer_, out_->Start(like_));
      if (!has_ids_) writer_->DropIdentities({});
    }
    rows_ += rows.size();
    return writer_->Append(rows);
  }
  Status Finish() {
    if (!writer_) return {};
    QUIPU_TRY_ASSIGN(SegmentMeta meta, writer_->Finish());
    out_->Take(std::move(meta), like_);
    return {};
  }
  [[nodiscard]] std::uint64_t rows() const { return rows_; }

 private:
  RepairedSegments* out_;
  const SegmentMeta& like_;
  bool has_ids_;
  std::unique_ptr<SegmentWriter> writer_;
  std::uint64_t rows_ = 0;
};

class Salvage {
 public:
  Salvage(const FoundSegment& segment, const DropRows& drop, RepairedSegments* out,
          LossList* losses)
      : segment_(segment),
        reader_(*segment.reader),
        month_(MonthText(segment.meta.spec.month)),
        drop_(drop),
        out_(out),
        losses_(losses),
        whole_(out, segment.meta, /*has_ids=*/true),
        without_ids_(out, segment.meta, /*has_ids=*/false) {}

  Result<Salvaged> Execute() {
    const auto directory = reader_.directory();
    if (!directory) {
      losses_->Add(segment_.path, month_, "", segment_.meta.totals.rows,
                   "nobody knows whose they are: " +
                       WithoutPlace(segment_.path, std::string(directory.error().message())));
      return Salvaged();
    }
    directory_ = *directory;
    if (segment_.meta.spec.summaries_only) return SaveSummaries();
    LoadKeys();
    for (std::uint32_t first = 0; first < reader_.rows(); first += kRowGroupRows)
      QUIPU_TRY(SaveGroup(first, std::min(kRowGroupRows, reader_.rows() - first)));
    QUIPU_TRY(whole_.Finish());
    QUIPU_TRY(without_ids_.Finish());
    return Salvaged{whole_.rows() + without_ids_.rows(),
                    reader_.has_ids() ? without_ids_.rows() : 0};
  }

 private:
  std::string NameOf(CustomerOrdinal customer) const {
    return std::string(out_->names().Customer(customer));
  }

  /// Rows [first, first + count), by customer.
  void LoseRows(std::uint32_t first, std::uint32_t count, const std::string& why) {
    for (const Run& run : directory_->runs()) {
      const std::uint32_t begin = std::max(first, run.first_row);
      const std::uint32_t end = std::min(first + count, run.first_row + run.rows);
      if (begin < end) losses_->Add(segment_.path, month_, NameOf(run.customer), end - begin, why);
    }
  }

  /// Summaries are a page: it is sound, or all of it is lost.
  Result<Salvaged> SaveSummaries() {
    auto folded = FoldSummaries({&reader_}, [&](CustomerOrdinal customer, ServiceOrdinal) {
      return !NameOf(customer).empty();
    });
    if (!folded) {
      LoseRows(0, static_cast<std::uint32_t>(directory_->rows()),
               "expired events, kept as summaries: " +
                   WithoutPlace(segment_.path, std::string(folded.error().message())));
      return Salvaged();
    }
    const std::uint64_t rows = folded->totals.rows;
    LoseNameless(folded->left.rows);
    if (rows == 0) return Salvaged();
    QUIPU_TRY_ASSIGN(auto writer, out_->Start(segment_.meta));
    QUIPU_TRY(writer->Adopt(*std::move(folded)));
    QUIPU_TRY_ASSIGN(SegmentMeta meta, writer->Finish());
    out_->Take(std::move(meta), segment_.meta);
    return Salvaged{rows, 0};
  }

  void LoseNameless(std::uint64_t rows) {
    if (rows == 0) return;
    losses_->Add(segment_.path, month_, "", rows,
                 "of customers whose names are lost, or whose erasure was under way");
  }

  /// 17 bytes a row of the segment. Keys of damaged index pages stay unknown.
  void LoadKeys() {
    if (!reader_.has_ids()) return;
    const std::uint32_t rows = reader_.rows();
    keys_.resize(rows);
    forms_.resize(rows, IdForm::kText);
    known_.resize(rows, false);
    std::vector<IdentityEntry> entries;
    for (std::size_t p = 0; p < IdentityPageCount(rows, kIdentityRowsEntries); ++p) {
      if (!reader_.ReadIndexPage(p, &entries).ok()) continue;  // Verify has said so
      for (const IdentityEntry& e : entries) {
        keys_[e.row] = e.key;
        forms_[e.row] = e.form;
        known_[e.row] = true;
      }
    }
  }

  Status SaveGroup(std::uint32_t first, std::uint32_t count) {
    auto rows = reader_.ReadRows(first, count, RowParts::kWithoutKeys);
    const bool has_ids = rows && reader_.has_ids();
    if (!rows) rows = reader_.ReadRows(first, count, RowParts::kWithoutIds);
    if (!rows) {
      LoseRows(first, count, WithoutPlace(segment_.path, std::string(rows.error().message())));
      return {};
    }
    if (has_ids) AttachKeys(first, &*rows);
    std::vector<RowRef> whole, without_ids;
    std::uint64_t nameless = 0;
    for (std::uint32_t i = 0; i < count; ++i) {
      if (out_->names().Customer(rows->customers[i]).empty()) {
        ++nameless;
      } else if (has_ids && known_[first + i]) {
        whole.push_back({0, i});
      } else {
        without_ids.push_back({0, i});
      }
    }
    LoseNameless(nameless);
    QUIPU_TRY(Save(*rows, whole, &whole_));
    rows->identities.clear();
    rows->id_forms.clear();
    return Save(*rows, without_ids, &without_ids_);
  }

  void AttachKeys(std::uint32_t first, RowBatch* rows) {
    rows->identities.assign(keys_.begin() + first, keys_.begin() + first + rows->size());
    rows->id_forms.assign(forms_.begin() + first, forms_.begin() + first + rows->size());
    for (std::size_t i = 0; i < rows->size(); ++i) {
      const std::string_view text = rows->TextOf(i);
      if (known_[first + i] || text.empty()) continue;
      const Identity identity =
          MakeIdentity(out_->names().Customer(rows->customers[i]), rows->sources.Text(i), text);
      if (identity.form != IdForm::kText) continue;  // needs no text: this is not its id
      rows->identities[i] = identity.key;
      known_[first + i] = true;
    }
  }

  Status Save(const RowBatch& rows, const std::vector<RowRef>& refs, Output* output) {
    if (refs.empty()) return {};
    const RowBatch* const batch = &rows;
    RowBatch saved = Gather({&batch, 1}, refs);
    if (drop_) QUIPU_TRY(drop_(&saved));
    return output->Append(saved);
  }

  const FoundSegment& segment_;
  const SegmentReader& reader_;
  const std::string month_;
  const DropRows& drop_;
  RepairedSegments* out_;
  LossList* losses_;
  const Directory* directory_ = nullptr;
  std::vector<Hash128> keys_;
  std::vector<IdForm> forms_;
  std::vector<bool> known_;
  Output whole_, without_ids_;
};

}  // namespace

RepairedSegments::RepairedSegments(Vfs* vfs, std::string folder, const Hash128& store_id,
                                   const FoundNames* names, std::uint64_t next_id)
    : vfs_(vfs),
      folder_(std::move(folder)),
      store_id_(store_id),
      names_(names),
      next_id_(next_id) {}

Status RepairedSegments::Copy(const FoundSegment& segment) {
  const std::string path = JoinPath(folder_, segment.meta.file_name);
  QUIPU_TRY(CopyBytes(vfs_, segment.path, path + ".tmp"));
  QUIPU_TRY(vfs_->Rename(path + ".tmp", path));
  QUIPU_TRY(vfs_->SyncFolder(folder_));
  SegmentMeta meta = segment.meta;
  meta.archive = 0;
  metas_.push_back(std::move(meta));
  return {};
}

Result<std::unique_ptr<SegmentWriter>> RepairedSegments::Start(const SegmentMeta& like) {
  SegmentSpec spec = like.spec;
  spec.store_id = store_id_;
  spec.segment_id = next_id_++;
  return SegmentWriter::Create(vfs_, folder_, spec, names_);
}

void RepairedSegments::Take(SegmentMeta meta, const SegmentMeta& like) {
  meta.run = meta.spec.segment_id;
  meta.sealed_us = like.sealed_us;
  metas_.push_back(std::move(meta));
}

Result<Salvaged> SalvageSegment(const FoundSegment& segment, const DropRows& drop,
                                RepairedSegments* out, LossList* losses) {
  QUIPU_CHECK(segment.reader != nullptr);
  return Salvage(segment, drop, out, losses).Execute();
}

}  // namespace quipu
