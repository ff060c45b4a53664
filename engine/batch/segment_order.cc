// Sorting rows into segment order. The (customer, service, time) of a batch usually span few bits once each field's minimum is taken
// off (a month of microseconds is 42 bits), so the key mostly fits 64 bits and is sorted by radix; rows of equal key stay in
// the order in which they came.
#include <algorithm>
#include <array>
#include <bit>
#include <numeric>
#include <utility>

#include "batch/row_batch.h"

namespace quipu {
namespace {

constexpr std::size_t kRadixRowsMin = 2048;  // below, comparing is faster than counting
constexpr int kDigitBits = 11;
constexpr std::size_t kDigits = std::size_t{1} << kDigitBits;

template <class Key>
struct Entry {
  Key key;
  std::uint32_t row;
};

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

template <class Key>
std::vector<Entry<Key>> MakeEntries(const RowBatch& batch, const Span<CustomerOrdinal>& customers,
                                    const Span<ServiceOrdinal>& services,
                                    const Span<TimeUs>& times) {
  // Shifts by the full width of a field only happen when the field above it spans no bits at all, so they are done in steps.
  const auto shifted = [](Key key, int bits) {
    return bits == 0 ? key : static_cast<Key>(static_cast<Key>(key << (bits - 1)) << 1);
  };
  std::vector<Entry<Key>> entries(batch.size());
  for (std::size_t i = 0; i < entries.size(); ++i) {
    Key key = batch.customers[i] - customers.low;
    key = shifted(key, services.bits) | (batch.services[i] - services.low);
    key = shifted(key, times.bits) |
          (static_cast<std::uint64_t>(batch.times[i]) - static_cast<std::uint64_t>(times.low));
    entries[i] = {key, static_cast<std::uint32_t>(i)};
  }
  return entries;
}

// Least significant digit first; a stable counting sort per digit, digits that all rows share are skipped.
void RadixSort(std::vector<Entry<std::uint64_t>>* entries, int bits) {
  std::vector<Entry<std::uint64_t>> other(entries->size());
  for (int shift = 0; shift < bits; shift += kDigitBits) {
    std::array<std::uint32_t, kDigits> starts{};
    for (const auto& e : *entries) ++starts[(e.key >> shift) & (kDigits - 1)];
    if (starts[(entries->front().key >> shift) & (kDigits - 1)] == entries->size()) continue;
    std::exclusive_scan(starts.begin(), starts.end(), starts.begin(), std::uint32_t{0});
    for (const auto& e : *entries) other[starts[(e.key >> shift) & (kDigits - 1)]++] = e;
    entries->swap(other);
  }
}

template <class Key>
void SortByKey(std::vector<Entry<Key>>* entries, int bits) {
  const auto less = [](const Entry<Key>& a, const Entry<Key>& b) { return a.key < b.key; };
  if (std::is_sorted(entries->begin(), entries->end(), less)) return;
  if constexpr (sizeof(Key) == sizeof(std::uint64_t)) {
    if (entries->size() >= kRadixRowsMin) {
      RadixSort(entries, bits);
      return;
    }
  }
  std::stable_sort(entries->begin(), entries->end(), less);
}

template <class Key>
std::vector<std::uint32_t> OrderBy(std::vector<Entry<Key>> entries, int bits) {
  SortByKey(&entries, bits);
  std::vector<std::uint32_t> order(entries.size());
  for (std::size_t i = 0; i < entries.size(); ++i) order[i] = entries[i].row;
  return order;
}

}  // namespace

bool SegmentOrderLess(const RowBatch& a, std::size_t row_a, const RowBatch& b, std::size_t row_b) {
  if (a.customers[row_a] != b.customers[row_b]) return a.customers[row_a] < b.customers[row_b];
  if (a.services[row_a] != b.services[row_b]) return a.services[row_a] < b.services[row_b];
  return a.times[row_a] < b.times[row_b];
}

std::vector<std::uint32_t> SegmentOrder(const RowBatch& batch) {
  if (batch.empty()) return {};
  const auto customers = SpanOf(batch.customers);
  const auto services = SpanOf(batch.services);
  const auto times = SpanOf(batch.times);
  const int bits = customers.bits + services.bits + times.bits;
  if (bits <= 64)
    return OrderBy(MakeEntries<std::uint64_t>(batch, customers, services, times), bits);
  return OrderBy(MakeEntries<Uint128>(batch, customers, services, times), bits);
}

}  // namespace quipu
