#include "segment/identity_cursor.h"

#include <algorithm>
#include <optional>

#include "base/check.h"
#include "segment/segment_reader_state.h"

namespace quipu {
namespace {

/// One input's place in the merge.
struct Stream {
  IdentityCursor cursor;
  std::uint32_t first_row;
  std::span<const std::uint32_t> new_rows;
  std::vector<IdentityEntry> entries;  // kept ones, with their new rows
  std::size_t at = 0;

  [[nodiscard]] bool is_empty() const { return at == entries.size(); }
  /// Sees to it that there are entries; after the last ones there are none.
  Status Fill() {
    while (is_empty()) {
      at = 0;
      QUIPU_TRY(cursor.Next(&entries));
      if (entries.empty()) return Status();
      std::size_t kept = 0;
      for (const IdentityEntry& e : entries) {
        const std::uint32_t i =
            e.row - first_row;  // modulo 2^32: rows before the first are far away
        entries[kept] = {e.key, i < new_rows.size() ? new_rows[i] : kRowDropped, e.form};
        kept += entries[kept].row != kRowDropped ? 1u : 0u;
      }
      entries.resize(kept);
    }
    return Status();
  }
};

}  // namespace

Status IdentityCursor::Next(std::vector<IdentityEntry>* entries) {
  entries->clear();
  if (!segment_->has_ids() || page_ == IdentityPageCount(segment_->rows(), kIdentityRowsEntries))
    return Status();
  return segment_->ReadIndexPage(page_++, entries);
}

// In rounds: of what is at hand of each input, everything up to the key where the first of them ends is next. Sorting it anew costs less
// than taking one entry after another from the right input.
Status MergeIdentities(std::span<const IdentityInput> inputs, IdentityIndexWriter* writer) {
  std::vector<Stream> streams;
  streams.reserve(inputs.size());
  for (const IdentityInput& input : inputs)
    streams.push_back({IdentityCursor(input.segment), input.first_row, input.new_rows, {}, 0});
  const auto before = [](const Hash128& key, const IdentityEntry& e) { return key < e.key; };
  std::vector<IdentityEntry> next, scratch;
  for (;;) {
    std::optional<Hash128> bound;
    for (Stream& stream : streams) {
      QUIPU_TRY(stream.Fill());
      if (!stream.is_empty() && (!bound || stream.entries.back().key < *bound))
        bound = stream.entries.back().key;
    }
    if (!bound) return Status();
    next.clear();
    for (Stream& stream : streams) {
      const auto from = stream.entries.begin() + static_cast<std::ptrdiff_t>(stream.at);
      const auto to = std::upper_bound(from, stream.entries.end(), *bound, before);
      next.insert(next.end(), from, to);
      stream.at = static_cast<std::size_t>(to - stream.entries.begin());
    }
    scratch.resize(std::max(scratch.size(), next.size()));
    SortIdentities(next, scratch);
    QUIPU_TRY(writer->Add(next));
  }
}

}  // namespace quipu
