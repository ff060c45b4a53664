#include "segment/identity_cursor.h"

#include <algorithm>

#include "base/check.h"
#include "segment/segment_reader_state.h"

namespace quipu {
namespace {

/// One input's place in the merge.
struct Stream {
  IdentityCursor cursor;
  std::span<const std::uint32_t> new_rows;
  std::vector<IdentityEntry> entries;
  std::size_t at = 0;

  [[nodiscard]] const IdentityEntry& head() const { return entries[at]; }
  [[nodiscard]] bool done() const { return entries.empty(); }
  // Goes on to the next entry whose row is kept.
  Status Advance() {
    for (;;) {
      while (at < entries.size()) {
        IdentityEntry& e = entries[at];
        if (e.row >= new_rows.size())
          return Status::Internal("identity merge: a row without a new place");
        if (new_rows[e.row] != kRowDropped) {
          e.row = new_rows[e.row];
          return Status();
        }
        ++at;
      }
      at = 0;
      QUIPU_TRY(cursor.Next(&entries));
      if (entries.empty()) return Status();
    }
  }
};

}  // namespace

Status IdentityCursor::Next(std::vector<IdentityEntry>* entries) {
  entries->clear();
  if (!segment_->has_ids() || page_ == IdentityPageCount(segment_->rows(), kIdentityPrefixEntries))
    return Status();
  return segment_->ReadIndexPage(page_++, entries);
}

Status MergeIdentities(std::span<const IdentityInput> inputs, IdentityIndexWriter* writer) {
  std::vector<Stream> streams;
  streams.reserve(inputs.size());
  for (const IdentityInput& input : inputs)
    streams.push_back({IdentityCursor(input.segment), input.new_rows, {}, 0});
  const auto after = [&](std::size_t a, std::size_t b) {
    return streams[b].head().key < streams[a].head().key;
  };
  std::vector<std::size_t> heap;
  for (std::size_t i = 0; i < streams.size(); ++i) {
    QUIPU_TRY(streams[i].Advance());
    if (!streams[i].done()) heap.push_back(i);
  }
  std::make_heap(heap.begin(), heap.end(), after);
  while (!heap.empty()) {
    std::pop_heap(heap.begin(), heap.end(), after);
    Stream& stream = streams[heap.back()];
    QUIPU_TRY(writer->Add(stream.head()));
    ++stream.at;
    QUIPU_TRY(stream.Advance());
    if (stream.done()) {
      heap.pop_back();
    } else {
      std::push_heap(heap.begin(), heap.end(), after);
    }
  }
  return Status();
}

}  // namespace quipu
