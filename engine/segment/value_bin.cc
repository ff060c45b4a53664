#include "segment/value_bin.h"

#include <algorithm>

namespace quipu {

// An exact sketch takes twice the memory of waiting values: it ends as soon as it may. Beside a histogram fewer values wait.
bool ValueBin::MayWait(std::uint64_t n) const {
  const bool is_histogram = sketch_ != nullptr && !sketch_->exact();
  const std::uint64_t in_sketch = sketch_ != nullptr && !is_histogram ? sketch_->count() : 0;
  const std::uint64_t values_max = is_histogram ? kQuantileExactMax / 2 : kQuantileExactMax;
  return in_sketch + waiting_.size() + n <= values_max;
}

void ValueBin::SetScale(int scale) {
  if (scale != scale_) Settle();
  scale_ = scale;
}

void ValueBin::Add(std::span<const std::int64_t> mantissas, int scale) {
  SetScale(scale);
  if (MayWait(mantissas.size())) {
    waiting_.insert(waiting_.end(), mantissas.begin(), mantissas.end());
  } else {
    Settle();
    Sketch().AddMany(mantissas, scale);
  }
}

void ValueBin::Add(std::span<const std::int64_t> mantissas, std::int64_t low, std::int64_t high,
                   int scale) {
  AddSpan(mantissas, low, high, scale);
}

void ValueBin::Add(std::span<const std::uint32_t> mantissas, std::int64_t low, std::int64_t high,
                   int scale) {
  AddSpan(mantissas, low, high, scale);
}

template <class Mantissa>
void ValueBin::AddSpan(std::span<const Mantissa> mantissas, std::int64_t low, std::int64_t high,
                       int scale) {
  SetScale(scale);
  if (MayWait(mantissas.size())) {
    waiting_.insert(waiting_.end(), mantissas.begin(), mantissas.end());
  } else {
    Settle();
    Sketch().AddMany(mantissas, low, high, scale);
  }
}

void ValueBin::AddRepeated(std::int64_t mantissa, std::uint64_t n, int scale) {
  SetScale(scale);
  if (MayWait(n)) {
    waiting_.insert(waiting_.end(), n, mantissa);
  } else {
    Settle();
    Sketch().AddRepeated(mantissa, n, scale);
  }
}

void ValueBin::Settle() {
  if (waiting_.empty()) return;
  Sketch().AddMany(waiting_, scale_);
  waiting_.clear();
}

void ValueBin::Absorb(ValueBin* other) {
  Add(other->waiting_, other->scale_);
  if (other->sketch_ != nullptr) Sketch().Merge(*other->sketch_);
  *other = ValueBin();
}

std::uint64_t ValueBin::bytes() const {
  const std::uint64_t waiting = waiting_.size() * sizeof(std::int64_t);
  return sketch_ == nullptr ? waiting : waiting + QuantileSketch(*sketch_).bytes();
}

const QuantileSketch& ValueBin::Settled() {
  Settle();
  return Sketch();
}

}  // namespace quipu
