#include "sketch/distinct_sketch.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/check.h"

namespace quipu {
namespace {

constexpr int kPrecision = 12;
constexpr std::size_t kRegisters = std::size_t{1} << kPrecision;
constexpr int kRankMax = 64 - kPrecision + 1;  // 53: all remaining bits are zero
constexpr std::size_t kPackedBytes = kRegisters * 6 / 8;
constexpr std::uint64_t kTagSet = 0;
constexpr std::uint64_t kTagRegisters = 1;

Status Corrupt(const char* what) {
  return Status::Corruption(std::string("distinct sketch: ") + what);
}

// Ertl's sigma and tau (arXiv 1702.01284, algorithm 6): both series end when the doubles stop changing.
double Sigma(double x) {
  double y = 1, z = x;
  for (;;) {
    x *= x;
    const double before = z;
    z += x * y;
    y += y;
    if (z == before) return z;
  }
}

double Tau(double x) {
  if (x == 0 || x == 1) return 0;
  double y = 1, z = 1 - x;
  for (;;) {
    x = std::sqrt(x);
    const double before = z;
    y *= 0.5;
    z -= (1 - x) * (1 - x) * y;
    if (z == before) return z / 3;
  }
}

double ErtlEstimate(const std::vector<std::uint8_t>& registers) {
  constexpr double kM = static_cast<double>(kRegisters);
  constexpr double kAlphaInfinity = 0.72134752044448170368;  // 1 / (2 ln 2)
  std::array<std::uint32_t, kRankMax + 1> histogram{};
  for (const std::uint8_t r : registers) ++histogram[r];
  if (histogram[0] == kRegisters) return 0;  // sigma(1) is infinite
  double z = kM * Tau(1 - static_cast<double>(histogram[kRankMax]) / kM);
  for (std::size_t k = kRankMax - 1; k >= 1; --k) z = 0.5 * (z + static_cast<double>(histogram[k]));
  z += kM * Sigma(static_cast<double>(histogram[0]) / kM);
  return kAlphaInfinity * kM * kM / z;
}

// Whether any of kDistinctExactMax + 1 hashes occurs twice, by open addressing: far cheaper than sorting them.
bool HasRepeats(const std::vector<std::uint64_t>& hashes) {
  constexpr std::size_t kSlots = 2048;
  static_assert(kSlots > kDistinctExactMax + 1);
  QUIPU_DCHECK(hashes.size() <= kDistinctExactMax + 1);
  std::array<std::uint16_t, kSlots> slots{};  // 1 + index
  for (std::size_t i = 0; i < hashes.size(); ++i) {
    std::size_t slot = hashes[i] % kSlots;
    for (; slots[slot] != 0; slot = (slot + 1) % kSlots) {
      if (hashes[slots[slot] - 1u] == hashes[i]) return true;
    }
    slots[slot] = static_cast<std::uint16_t>(i + 1);
  }
  return false;
}

}  // namespace

void DistinctSketch::Add(std::uint64_t hash) {
  if (!exact()) {
    AddToRegisters(hash);
    return;
  }
  if (!hashes_.empty() && hashes_.back() == hash) return;
  if (exact_always_) {
    hashes_.push_back(hash);
    if (hashes_.size() - settled_ > std::max(settled_, kDistinctExactMax)) Settle();
    return;
  }
  const auto prefix_end = hashes_.begin() + static_cast<std::ptrdiff_t>(settled_);
  if (std::binary_search(hashes_.begin(), prefix_end, hash)) return;
  hashes_.push_back(hash);
  MaybeBecomeRegisters();
}

void DistinctSketch::Prefetch(std::uint64_t hash) const {
  if (!exact()) __builtin_prefetch(&registers_[hash >> (64 - kPrecision)], 1);
}

void DistinctSketch::MaybeBecomeRegisters() {
  if (exact_always_ || hashes_.size() <= kDistinctExactMax) return;
  if (settled_ == 0 && !HasRepeats(hashes_)) {
    BecomeRegisters();
    return;
  }
  Settle();
  if (hashes_.size() > kDistinctExactMax) BecomeRegisters();
}

void DistinctSketch::Settle() const {
  if (settled_ == hashes_.size()) return;
  const auto tail = hashes_.begin() + static_cast<std::ptrdiff_t>(settled_);
  std::sort(tail, hashes_.end());
  std::inplace_merge(hashes_.begin(), tail, hashes_.end());
  hashes_.erase(std::unique(hashes_.begin(), hashes_.end()), hashes_.end());
  settled_ = hashes_.size();
}

void DistinctSketch::BecomeRegisters() {
  registers_.assign(kRegisters, 0);
  for (const std::uint64_t hash : hashes_) AddToRegisters(hash);
  hashes_ = {};
  settled_ = 0;
}

void DistinctSketch::AddToRegisters(std::uint64_t hash) {
  const std::uint64_t rest = hash << kPrecision;
  const int rank = rest == 0 ? kRankMax : __builtin_clzll(rest) + 1;
  std::uint8_t& r = registers_[hash >> (64 - kPrecision)];
  r = std::max(r, static_cast<std::uint8_t>(rank));
}

void DistinctSketch::Merge(const DistinctSketch& other) {
  if (&other == this) return;
  if (other.exact()) {
    for (const std::uint64_t hash : other.hashes_) Add(hash);
    return;
  }
  QUIPU_CHECK(!exact_always_);
  if (exact()) BecomeRegisters();
  for (std::size_t i = 0; i < kRegisters; ++i)
    registers_[i] = std::max(registers_[i], other.registers_[i]);
}

std::uint64_t DistinctSketch::Estimate() const {
  if (exact()) {
    Settle();
    return hashes_.size();
  }
  const double estimate = ErtlEstimate(registers_);
  if (!(estimate < 0x1p63)) return std::uint64_t{1} << 63;  // only made-up registers get here
  // Registers exist only beyond 512 different hashes.
  return std::max(static_cast<std::uint64_t>(estimate + 0.5), std::uint64_t{kDistinctExactMax + 1});
}

std::size_t DistinctSketch::bytes() const {
  return sizeof *this + hashes_.capacity() * sizeof(std::uint64_t) + registers_.capacity();
}

void DistinctSketch::EncodeTo(std::string* out) const {
  ByteWriter writer(out);
  Settle();
  if (exact() && hashes_.size() > kDistinctExactMax) {
    // Kept whole for an exact query; the stored form depends on the set alone.
    DistinctSketch dense = *this;
    dense.BecomeRegisters();
    dense.EncodeTo(out);
    return;
  }
  if (exact()) {
    writer.Varint(kTagSet);
    writer.Varint(hashes_.size());
    std::uint64_t previous = 0;
    for (const std::uint64_t hash : hashes_) {
      writer.Varint(hash - previous);
      previous = hash;
    }
    return;
  }
  writer.Varint(kTagRegisters);
  for (std::size_t i = 0; i < kRegisters; i += 4) {
    const auto four = static_cast<std::uint32_t>(registers_[i] | registers_[i + 1] << 6 |
                                                 registers_[i + 2] << 12 | registers_[i + 3] << 18);
    writer.Raw(&four, 3);
  }
}

Result<DistinctSketch> DistinctSketch::Decode(ByteReader& in) {
  DistinctSketch sketch;
  const std::uint64_t tag = in.Varint();
  QUIPU_TRY(in.status("distinct sketch"));
  if (tag == kTagSet) {
    const std::uint64_t count = in.Varint();
    QUIPU_TRY(in.status("distinct sketch"));
    if (count > kDistinctExactMax) return Corrupt("more than 512 hashes in set mode");
    if (count > in.remaining()) return Corrupt("ends before its hashes");
    sketch.hashes_.reserve(count);
    std::uint64_t hash = 0;
    for (std::uint64_t i = 0; i < count; ++i) {
      const std::uint64_t delta = in.Varint();
      if (!in.ok()) return in.status("distinct sketch");
      if (i > 0 && delta == 0) return Corrupt("a hash is repeated");
      if (delta > ~std::uint64_t{0} - hash) return Corrupt("a hash overflows 64 bits");
      hash += delta;
      sketch.hashes_.push_back(hash);
    }
    sketch.settled_ = sketch.hashes_.size();
    return sketch;
  }
  if (tag != kTagRegisters) return Corrupt("unknown mode tag");
  const Bytes packed = in.Raw(kPackedBytes);
  QUIPU_TRY(in.status("distinct sketch"));
  sketch.registers_.resize(kRegisters);
  std::uint8_t all = 0;
  for (std::size_t i = 0; i < kRegisters; ++i) {
    const std::size_t group = i / 4 * 3;
    const std::uint32_t four = packed[group] | static_cast<std::uint32_t>(packed[group + 1]) << 8 |
                               static_cast<std::uint32_t>(packed[group + 2]) << 16;
    const auto rank = static_cast<std::uint8_t>((four >> (i % 4 * 6)) & 63);
    if (rank > kRankMax) return Corrupt("a register is above 53");
    sketch.registers_[i] = rank;
    all |= rank;
  }
  if (all == 0) return Corrupt("all registers are zero");
  return sketch;
}

bool operator==(const DistinctSketch& a, const DistinctSketch& b) {
  std::string form_a, form_b;
  a.EncodeTo(&form_a);
  b.EncodeTo(&form_b);
  return form_a == form_b;
}

}  // namespace quipu
