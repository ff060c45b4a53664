#include "segment/pending_values.h"

#include <algorithm>

#include "base/check.h"

namespace quipu {
namespace {

// Chunks grow fourfold between these two; runs that come together and are longer have one to themselves.
constexpr std::size_t kChunkValuesMin = 64;
constexpr std::size_t kChunkValuesMax = 4096;

}  // namespace

void PendingValues::StartChunk(std::size_t capacity, int scale, bool is_narrow) {
  Chunk& chunk = chunks_.emplace_back();
  chunk.scale = scale;
  chunk.capacity = capacity;
  chunk.first_run = runs_.size();
  chunk.first_equal = equal_.size();
  // Written before they are read.
  if (is_narrow) {
    chunk.narrow.reset(new std::uint32_t[capacity]);
  } else {
    chunk.wide.reset(new std::int64_t[capacity]);
  }
  bytes_ += sizeof(Chunk) + capacity * (is_narrow ? sizeof(std::uint32_t) : sizeof(std::int64_t));
}

bool PendingValues::Add(std::span<const std::int64_t> mantissas, int scale,
                        std::span<const Run> runs) {
  const std::int64_t first = mantissas[0];
  std::uint64_t differing = 0, used = 0;  // bits
  for (const std::int64_t v : mantissas) {
    differing |= static_cast<std::uint64_t>(v ^ first);
    used |= static_cast<std::uint64_t>(v);
  }
  const bool is_equal = differing == 0, is_narrow = used <= UINT32_MAX;
  const std::size_t n = is_equal ? 0 : mantissas.size();
  const bool fits = !chunks_.empty() && chunks_.back().scale == scale &&
                    chunks_.back().capacity - chunks_.back().size >= n &&
                    (is_equal || is_narrow || chunks_.back().wide != nullptr);
  if (!fits) {
    if (!chunks_.empty() && !chunks_.back().is_counted) return false;
    const std::size_t before = chunks_.empty() ? 0 : chunks_.back().capacity;
    StartChunk(std::max(n, std::clamp(4 * before, kChunkValuesMin, kChunkValuesMax)), scale,
               is_narrow);
  }
  Chunk& chunk = chunks_.back();
  if (is_equal) {
    for (const Run& run : runs) equal_.push_back({first, run});
    bytes_ += runs.size() * sizeof(Equal);
    return true;
  }
  if (chunk.narrow != nullptr) {
    std::uint32_t* const to = chunk.narrow.get() + chunk.size;
    for (std::size_t i = 0; i < n; ++i) to[i] = static_cast<std::uint32_t>(mantissas[i]);
  } else {
    std::copy(mantissas.begin(), mantissas.end(), chunk.wide.get() + chunk.size);
  }
  chunk.size += n;
  runs_.insert(runs_.end(), runs.begin(), runs.end());
  bytes_ += runs.size() * sizeof(Run);
  return true;
}

std::span<const PendingValues::Run> PendingValues::RunsOf(std::size_t chunk) const {
  const std::size_t last = chunk + 1 < chunks_.size() ? chunks_[chunk + 1].first_run : runs_.size();
  return std::span(runs_).first(last).subspan(chunks_[chunk].first_run);
}

std::span<const PendingValues::Equal> PendingValues::EqualOf(std::size_t chunk) const {
  const std::size_t last =
      chunk + 1 < chunks_.size() ? chunks_[chunk + 1].first_equal : equal_.size();
  return std::span(equal_).first(last).subspan(chunks_[chunk].first_equal);
}

template <class Mantissa>
void PendingValues::CountRuns(const Mantissa* next, std::span<const Run> runs, Chunk* chunk,
                              StatsByHour* stats) {
  // Fewer than 2^32 values below 2^32 add up in 64 bits.
  using Sum = std::conditional_t<sizeof(Mantissa) == 4, std::uint64_t, Int128>;
  for (const Run& run : runs) {
    Sum sum = 0;
    Mantissa low = *next, high = *next;
    for (const Mantissa* const end = next + run.count; next != end; ++next) {
      sum += *next;
      low = std::min(low, *next);
      high = std::max(high, *next);
    }
    (*stats)[run.hour].Add({run.count, static_cast<Int128>(sum), low, high});
    chunk->low = std::min<std::int64_t>(chunk->low, low);
    chunk->high = std::max<std::int64_t>(chunk->high, high);
  }
}

bool PendingValues::Count(StatsByHour* stats, int* scale) {
  if (chunks_.empty() || chunks_.back().is_counted) return false;
  Chunk& chunk = chunks_.back();
  chunk.is_counted = true;
  *scale = chunk.scale;
  stats->fill(ValueStats());
  chunk.low = INT64_MAX;
  chunk.high = INT64_MIN;
  if (chunk.narrow != nullptr) {
    CountRuns(chunk.narrow.get(), RunsOf(chunks_.size() - 1), &chunk, stats);
  } else {
    CountRuns(chunk.wide.get(), RunsOf(chunks_.size() - 1), &chunk, stats);
  }
  for (const Equal& e : EqualOf(chunks_.size() - 1)) {
    (*stats)[e.run.hour].Add({e.run.count, Int128{e.value} * e.run.count, e.value, e.value});
  }
  return true;
}

void PendingValues::EmptyInto(ValueBin* bin) {
  for (std::size_t c = 0; c < chunks_.size(); ++c) {
    const Chunk& chunk = chunks_[c];
    QUIPU_DCHECK(chunk.is_counted);
    if (chunk.size > 0 && chunk.narrow != nullptr) {
      bin->Add(std::span<const std::uint32_t>(chunk.narrow.get(), chunk.size), chunk.low,
               chunk.high, chunk.scale);
    } else if (chunk.size > 0) {
      bin->Add(std::span<const std::int64_t>(chunk.wide.get(), chunk.size), chunk.low, chunk.high,
               chunk.scale);
    }
    const std::span<const Equal> equal = EqualOf(c);
    for (std::size_t i = 0; i < equal.size(); ++i) {
      std::uint64_t n = equal[i].run.count;
      while (i + 1 < equal.size() && equal[i + 1].value == equal[i].value)
        n += equal[++i].run.count;
      bin->AddRepeated(equal[i].value, n, chunk.scale);
    }
  }
  Clear();
}

// The runs of an hour are short: they are brought together before a bin sees them.
template <class Mantissa>
void PendingValues::AddByHour(const Mantissa* next, std::span<const Run> runs, const Chunk& chunk,
                              const std::function<ValueBin*(std::uint32_t)>& bin_of_hour) {
  std::array<std::size_t, kHoursPerDay + 1> ends{};
  for (const Run& run : runs) ends[run.hour + 1] += run.count;
  for (std::size_t hour = 0; hour < kHoursPerDay; ++hour) ends[hour + 1] += ends[hour];
  std::vector<Mantissa> sorted(chunk.size);
  std::array<std::size_t, kHoursPerDay> at{};
  std::copy_n(ends.begin(), kHoursPerDay, at.begin());
  for (const Run& run : runs) {
    std::copy_n(next, run.count, sorted.begin() + static_cast<std::ptrdiff_t>(at[run.hour]));
    at[run.hour] += run.count;
    next += run.count;
  }
  for (std::uint32_t hour = 0; hour < kHoursPerDay; ++hour) {
    if (ends[hour] == ends[hour + 1]) continue;
    const auto values =
        std::span<const Mantissa>(sorted).subspan(ends[hour], ends[hour + 1] - ends[hour]);
    const auto [low, high] = std::minmax_element(values.begin(), values.end());
    bin_of_hour(hour)->Add(values, *low, *high, chunk.scale);
  }
}

void PendingValues::EmptyByHour(const std::function<ValueBin*(std::uint32_t)>& bin_of_hour) {
  for (std::size_t c = 0; c < chunks_.size(); ++c) {
    const Chunk& chunk = chunks_[c];
    QUIPU_DCHECK(chunk.is_counted);
    if (chunk.narrow != nullptr) {
      AddByHour(chunk.narrow.get(), RunsOf(c), chunk, bin_of_hour);
    } else {
      AddByHour(chunk.wide.get(), RunsOf(c), chunk, bin_of_hour);
    }
    for (const Equal& e : EqualOf(c))
      bin_of_hour(e.run.hour)->AddRepeated(e.value, e.run.count, chunk.scale);
  }
  Clear();
}

}  // namespace quipu
