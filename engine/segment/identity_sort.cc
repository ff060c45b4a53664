// Sorting identity entries. Keys look random, so where one belongs can be read off it: entries are dealt into buckets by the upper bits
// of what their keys span, a few thousand buckets at first and then a few entries a bucket, and the few are sorted by insertion. Each entry
// is moved twice, the second time within the first-level cache. (Flashsort, Neubert 1998, with a copy.) What is crowded into one bucket,
// which only made-up ids are, is left to std::sort.
#include <algorithm>
#include <array>
#include <bit>

#include "base/check.h"
#include "segment/identity_index.h"

namespace quipu {
namespace {

constexpr std::size_t kInsertionEntriesMax = 16;
constexpr int kBucketBitsMax = 11;
constexpr std::size_t kEntriesPerBucket = 4;

bool Less(const IdentityEntry& a, const IdentityEntry& b) { return a.key < b.key; }

void InsertionSort(std::span<IdentityEntry> entries) {
  for (std::size_t i = 1; i < entries.size(); ++i) {
    if (!Less(entries[i], entries[i - 1])) continue;
    const IdentityEntry entry = entries[i];
    std::size_t at = i;
    for (; at > 0 && Less(entry, entries[at - 1]); --at) entries[at] = entries[at - 1];
    entries[at] = entry;
  }
}

/// Sorts `entries` into `out`.
void SortInto(std::span<IdentityEntry> entries, std::span<IdentityEntry> out) {
  const std::size_t n = entries.size();
  std::uint64_t low = ~std::uint64_t{0}, high = 0;
  for (const IdentityEntry& e : entries) {
    low = std::min(low, e.key.high);
    high = std::max(high, e.key.high);
  }
  const int span_bits = static_cast<int>(std::bit_width(high - low));
  const int bits = std::min(
      {kBucketBitsMax, span_bits, static_cast<int>(std::bit_width(n / kEntriesPerBucket))});
  const int shift = span_bits - bits;
  const std::size_t buckets = std::size_t{1} << bits;
  std::array<std::uint32_t, (std::size_t{1} << kBucketBitsMax) + 1> ends;
  std::fill_n(ends.begin(), buckets + 1, 0u);
  for (const IdentityEntry& e : entries) ++ends[((e.key.high - low) >> shift) + 1];
  for (std::size_t b = 1; b <= buckets; ++b) ends[b] += ends[b - 1];
  // ends[b] is where bucket b starts, and once it is filled, where it ends.
  for (const IdentityEntry& e : entries) out[ends[(e.key.high - low) >> shift]++] = e;
  std::size_t first = 0;
  for (std::size_t b = 0; b < buckets; first = ends[b++]) {
    const std::size_t count = ends[b] - first;
    const auto bucket = out.subspan(first, count);
    if (count <= kInsertionEntriesMax) {
      InsertionSort(bucket);
    } else if (count > n / 2) {
      std::sort(bucket.begin(), bucket.end(), Less);
    } else {
      const auto spare = entries.subspan(first, count);
      SortInto(bucket, spare);
      std::copy(spare.begin(), spare.end(), bucket.begin());
    }
  }
}

}  // namespace

void SortIdentities(std::span<IdentityEntry> entries, std::span<IdentityEntry> scratch) {
  QUIPU_CHECK(scratch.size() >= entries.size());
  if (entries.size() <= kInsertionEntriesMax) return InsertionSort(entries);
  SortInto(entries, scratch.first(entries.size()));
  std::copy_n(scratch.begin(), entries.size(), entries.begin());
}

}  // namespace quipu
