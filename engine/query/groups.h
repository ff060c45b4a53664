// Groups: where everything flows together. One group per (window, group values); one accumulator per group and need. Summary cells and raw rows
// add to the same accumulators, so it cannot matter which of them a number came from.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "query/bind.h"
#include "query/resources.h"
#include "segment/segment.h"
#include "sketch/distinct_sketch.h"
#include "sketch/measure_stats.h"

namespace quipu {

/// Strings of one query, numbered from 1; 0 stands for an absent value.
class Interner {
 public:
  std::uint32_t Intern(std::string_view s);
  [[nodiscard]] std::string_view operator[](std::uint32_t id) const { return strings_[id - 1]; }
  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }

 private:
  std::deque<std::string> strings_;  // a deque: views into it stay valid
  std::unordered_map<std::string_view, std::uint32_t> ids_;
  std::uint64_t bytes_ = 0;
};

/// Where a row is: in a segment or in a hot batch.
struct RowPlace {
  const SegmentReader* segment = nullptr;
  const RowBatch* hot = nullptr;  ///< If not in a segment.
  std::uint32_t row = 0;
};

/// The value of a measure at the earliest and at the latest time; ties by identity, so that the answer is a function of the events. Reading
/// identities costs more than all the rest, so rows of equal time are kept side by side until the others are known.
struct Ends {
  struct End {
    TimeUs time = 0;
    RowPlace place;
    Int128 value = 0;  // at scale 18
    std::optional<Hash128> identity;
  };
  std::vector<End> first,
      latest;  ///< All of one time each; one after Groups::SettleTies, none = no value.
  /// How many ties there are more than before.
  std::size_t Add(const End& e);
  std::size_t Merge(const Ends& o);
};

class Groups {
 public:
  /// `control` (may be null) is charged with the memory.
  explicit Groups(const BoundQuery& query, QueryControl* control = nullptr);
  ~Groups();
  Groups(const Groups&) = delete;
  Groups& operator=(const Groups&) = delete;

  /// The group with this key, a new one if need be. A key is the window's index, then one value per group-by field: an ordinal for
  /// customer and service, an interned string (0 = absent) for a dimension. kExhausted above spec.groups_max.
  Result<std::uint32_t> Find(std::span<const std::uint32_t> key);
  /// The same without dimensions in the key; where windows x customers x services are not too many, a look into an array.
  Result<std::uint32_t> Find(std::uint32_t window, CustomerOrdinal customer,
                             ServiceOrdinal service);
  /// Room for so many groups, where it is known. kExhausted as CheckMemory.
  Status Reserve(std::size_t groups);
  /// Adds all that the other has, which is of the same query.
  Status Absorb(Groups* other);

  // Accumulators of group g.
  std::uint64_t& rows(std::uint32_t g) { return rows_[g]; }
  /// Of all groups, by group. Good until the next Find.
  std::uint64_t* all_rows() { return rows_.data(); }
  CountedSum& sum(std::uint32_t g, std::size_t measure) { return sums_[g * measures_ + measure]; }
  [[gnu::always_inline]] inline void PrefetchSum(std::uint32_t g, std::size_t measure) const {
    if (has_stats_) __builtin_prefetch(sums_.data() + g * measures_ + measure);
  }
  /// If some aggregate is a minimum or maximum (MeasureNeed::extremes).
  Extremes& extremes(std::uint32_t g, std::size_t measure) {
    return extremes_[g * measures_ + measure];
  }
  /// To the sum, and to the extremes if they are wanted.
  void AddStats(std::uint32_t g, std::size_t measure, const MeasureStats& more);
  void AddValue(std::uint32_t g, std::size_t measure, Int128 at_scale_18) {
    CountedSum& to = sum(g, measure);
    to.sum.AddRaw(at_scale_18);
    ++to.count;
    if (has_extremes_) extremes(g, measure).Widen(at_scale_18, at_scale_18);
  }
  /// What another one, which is of the same measures, has of a group.
  void MergeStats(std::uint32_t g, std::size_t measure, const Groups& other, std::uint32_t theirs);
  QuantileSketch& quantiles(std::uint32_t g, std::size_t measure);
  Ends& ends(std::uint32_t g, std::size_t measure) { return ends_[g * measures_ + measure]; }
  void AddEnd(std::uint32_t g, std::size_t measure, const Ends::End& e) {
    ties_ += ends(g, measure).Add(e);
  }
  /// Reads the identities of rows of equal time and keeps the one that counts. The places must still be there.
  Status SettleTies();
  /// Settles once there are many: call now and then.
  Status CheckTies() { return ties_ > kTiesMax ? SettleTies() : Status(); }
  DistinctSketch& distinct(std::uint32_t g, std::size_t slot);

  [[nodiscard]] std::size_t size() const { return rows_.size(); }
  [[nodiscard]] std::span<const std::uint32_t> key(std::uint32_t g) const {
    return {keys_.data() + g * width_, width_};
  }
  [[nodiscard]] std::size_t key_width() const { return width_; }
  Interner& strings() { return strings_; }
  [[nodiscard]] const Interner& strings() const { return strings_; }

  /// kExhausted if the accumulators are larger than a bound allows. Call with what was added since the last call (rows, or
  /// kCellWeight for a cell); it walks over the sketches only when that is much against their number, so all walks together cost
  /// less than the adding.
  Status CheckMemory(std::size_t added);
  static constexpr std::size_t kCellWeight = 1024;

 private:
  void Rehash(std::size_t slots);
  [[nodiscard]] std::uint64_t PlainIndex(std::uint32_t window, CustomerOrdinal customer,
                                         ServiceOrdinal service) const;
  Result<std::uint32_t> FindHashed(std::span<const std::uint32_t> key);
  Result<std::uint32_t> Append(std::span<const std::uint32_t> key);
  Status Grow(std::size_t groups);
  [[nodiscard]] std::uint64_t BytesPerGroup() const;
  [[nodiscard]] std::size_t HashOf(std::span<const std::uint32_t> key) const;

  const BoundQuery* query_;
  QueryControl* control_;
  std::size_t width_, measures_, distincts_;
  bool has_stats_, has_extremes_, has_quantiles_, has_ends_;
  std::vector<std::uint32_t> slots_;  // group + 1; 0 = empty; a power of two
  static constexpr std::uint64_t kPlainMax = 1u << 22;
  struct Free {
    void operator()(void* p) const { std::free(p); }
  };
  std::uint64_t plain_size_ = 0;  // windows x customers x services; 0: too many, or dimensions
  std::unique_ptr<std::uint32_t[], Free> plain_;  // group + 1; 0 = none; allocated when needed
  std::vector<std::uint32_t> plain_key_;
  std::vector<std::uint32_t> keys_;
  std::vector<std::uint64_t> rows_;
  std::vector<CountedSum> sums_;
  std::vector<Extremes> extremes_;
  std::vector<std::unique_ptr<QuantileSketch>> quantiles_;
  std::vector<Ends> ends_;
  std::vector<std::unique_ptr<DistinctSketch>> distinct_;
  Interner strings_;
  static constexpr std::size_t kTiesMax = 1u << 20;
  std::size_t ties_ = 0;  // at least as many
  std::size_t added_since_check_ = 0;
  std::size_t size_at_check_ = 0;
  std::uint64_t charged_ = 0;
};

}  // namespace quipu
