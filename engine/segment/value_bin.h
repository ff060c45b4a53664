// ValueBin: values on their way into a quantile sketch.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "sketch/quantile_sketch.h"

namespace quipu {

/// Values wait as they came, 8 bytes each, until they are more than kQuantileExactMax: a cell that needs no sketch never makes one,
/// and one that does takes them in stretches that stay in the cache.
class ValueBin {
 public:
  void Add(std::span<const std::int64_t> mantissas, int scale);
  /// The same where the smallest and the largest of them are known.
  void Add(std::span<const std::int64_t> mantissas, std::int64_t low, std::int64_t high, int scale);
  void Add(std::span<const std::uint32_t> mantissas, std::int64_t low, std::int64_t high,
           int scale);
  /// One value `n` times.
  void AddRepeated(std::int64_t mantissa, std::uint64_t n, int scale);
  void Add(Int128 mantissa, int scale) { Sketch().Add(mantissa, scale); }
  /// Adds the values of another bin, which is empty afterwards.
  void Absorb(ValueBin* other);
  /// The sketch of all values so far.
  const QuantileSketch& Settled();
  [[nodiscard]] bool empty() const { return waiting_.empty() && sketch_ == nullptr; }
  /// Memory beside the bin itself, without spare capacity.
  [[nodiscard]] std::uint64_t bytes() const;

 private:
  QuantileSketch& Sketch() {
    if (sketch_ == nullptr) sketch_ = std::make_unique<QuantileSketch>();
    return *sketch_;
  }
  template <class Mantissa>
  void AddSpan(std::span<const Mantissa> mantissas, std::int64_t low, std::int64_t high, int scale);
  [[nodiscard]] bool MayWait(std::uint64_t n) const;
  void SetScale(int scale);
  void Settle();

  int scale_ = 0;
  std::vector<std::int64_t> waiting_;  // at scale_; at most kQuantileExactMax
  std::unique_ptr<QuantileSketch> sketch_;
};

}  // namespace quipu
