// Sorting rows into segment order. The (customer, service, time) of a batch usually span few bits once each field's minimum is taken
// off (a month of microseconds is 42 bits). The uppermost 33 of them tell nearly all rows apart: they are sorted by radix in three
// steps, 8 bytes a row with the row's number; the few neighbours that are equal so far are then compared in full.
#include <algorithm>
#include <array>
#include <bit>
#include <numeric>
#include <utility>

#include "base/check.h"
#include "batch/row_batch.h"

namespace quipu {
namespace {

constexpr std::size_t kRadixRowsMin = 2048;  // below, comparing is faster than counting
constexpr int kDigitBits = 11;
constexpr int kDigits = 3;
constexpr std::size_t kDigitValues = std::size_t{1} << kDigitBits;
constexpr int kPrefixBits = kDigits * kDigitBits;
constexpr int kRowBits = 64 - kPrefixBits;

template <class T>
struct Span {
  T low;
  int bits;
};

template <class T>
Span<T> SpanOf(const std::vector<T>& values) {
  const auto [low, high] = std::minmax_element(values.begin(), values.end());
  const auto range = static_cast<std::uint64_t>(*high) - static_cast<std::uint64_t>(*low);
  return {*low, static_cast<int>(std::bit_width(range))};
}

// Per row the uppermost bits of its key, at most kPrefixBits, and its number below.
template <class Key>
std::vector<std::uint64_t> MakeEntries(const RowBatch& batch,
                                       const Span<CustomerOrdinal>& customers,
                                       const Span<ServiceOrdinal>& services,
                                       const Span<TimeUs>& times) {
  // Shifts by the full width of a field only happen when the field above it spans no bits at all, so they are done in steps.
  const auto shifted = [](Key key, int bits) {
    return bits == 0 ? key : static_cast<Key>(static_cast<Key>(key << (bits - 1)) << 1);
  };
  const int dropped = std::max(0, customers.bits + services.bits + times.bits - kPrefixBits);
  std::vector<std::uint64_t> entries(batch.size());
  for (std::size_t i = 0; i < entries.size(); ++i) {
    Key key = batch.customers[i] - customers.low;
    key = shifted(key, services.bits) | (batch.services[i] - services.low);
    key = shifted(key, times.bits) |
          (static_cast<std::uint64_t>(batch.times[i]) - static_cast<std::uint64_t>(times.low));
    entries[i] = static_cast<std::uint64_t>(key >> dropped) << kRowBits | i;
  }
  return entries;
}

// Least significant digit first; a stable counting sort per digit, digits that all rows share are skipped.
void RadixSort(std::vector<std::uint64_t>* entries) {
  constexpr std::uint64_t kMask = kDigitValues - 1;
  const auto shift_of = [](std::size_t digit) {
    return kRowBits + static_cast<int>(digit) * kDigitBits;
  };
  std::array<std::array<std::uint32_t, kDigitValues>, kDigits> starts{};
  for (const std::uint64_t e : *entries) {
    for (std::size_t digit = 0; digit < kDigits; ++digit)
      ++starts[digit][(e >> shift_of(digit)) & kMask];
  }
  std::vector<std::uint64_t> other(entries->size());
  for (std::size_t digit = 0; digit < kDigits; ++digit) {
    std::uint32_t* const next = starts[digit].data();
    const int shift = shift_of(digit);
    if (next[(entries->front() >> shift) & kMask] == entries->size()) continue;
    std::exclusive_scan(next, next + kDigitValues, next, std::uint32_t{0});
    std::uint64_t* const to = other.data();
    for (const std::uint64_t e : *entries) to[next[(e >> shift) & kMask]++] = e;
    entries->swap(other);
  }
}

void SortEntries(std::vector<std::uint64_t>* entries) {
  if (std::is_sorted(entries->begin(), entries->end())) return;
  if (entries->size() < kRadixRowsMin) {
    std::sort(entries->begin(), entries->end());
  } else {
    RadixSort(entries);
  }
}

// Rows of equal prefix stand in order of arrival so far.
void SortWithinPrefixes(const RowBatch& batch, const std::vector<std::uint64_t>& entries,
                        std::vector<std::uint32_t>* order) {
  const auto less = [&batch](std::uint32_t a, std::uint32_t b) {
    return SegmentOrderLess(batch, a, batch, b);
  };
  for (std::size_t first = 0, last = 0; first < entries.size(); first = last) {
    const std::uint64_t prefix = entries[first] >> kRowBits;
    for (last = first + 1; last < entries.size() && entries[last] >> kRowBits == prefix;) ++last;
    const auto begin = order->begin() + static_cast<std::ptrdiff_t>(first);
    const auto end = order->begin() + static_cast<std::ptrdiff_t>(last);
    if (!std::is_sorted(begin, end, less)) std::stable_sort(begin, end, less);
  }
}

}  // namespace

bool SegmentOrderLess(const RowBatch& a, std::size_t row_a, const RowBatch& b, std::size_t row_b) {
  if (a.customers[row_a] != b.customers[row_b]) return a.customers[row_a] < b.customers[row_b];
  if (a.services[row_a] != b.services[row_b]) return a.services[row_a] < b.services[row_b];
  return a.times[row_a] < b.times[row_b];
}

std::vector<std::uint32_t> SegmentOrder(const RowBatch& batch) {
  if (batch.empty()) return {};
  QUIPU_CHECK(batch.size() <= std::size_t{1} << kRowBits);
  const auto customers = SpanOf(batch.customers);
  const auto services = SpanOf(batch.services);
  const auto times = SpanOf(batch.times);
  const bool narrow = customers.bits + services.bits + times.bits <= 64;
  std::vector<std::uint64_t> entries =
      narrow ? MakeEntries<std::uint64_t>(batch, customers, services, times)
             : MakeEntries<Uint128>(batch, customers, services, times);
  SortEntries(&entries);
  std::vector<std::uint32_t> order(entries.size());
  constexpr std::uint64_t kRowMask = (std::uint64_t{1} << kRowBits) - 1;
  for (std::size_t i = 0; i < entries.size(); ++i)
    order[i] = static_cast<std::uint32_t>(entries[i] & kRowMask);
  SortWithinPrefixes(batch, entries, &order);
  return order;
}

}  // namespace quipu
