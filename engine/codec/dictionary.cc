#include "codec/dictionary.h"

#include <algorithm>

#include "base/check.h"

namespace quipu {
namespace {

constexpr std::uint64_t kNearRange = kDictionaryEntriesMax;

struct Entry {
  std::int64_t value;
  std::uint16_t index;  // in order of appearance
};

// Finds distinct values: open addressing, at most a quarter full.
class DistinctSet {
 public:
  DistinctSet() {
    entries_[0] = {};
  }  // the others are written before they are read; clearing 4 KiB is not free
  /// Index of the value in order of appearance, or the present size if it is new (and then added).
  std::size_t Find(std::int64_t value) {
    constexpr std::uint64_t kGolden = 0x9E3779B97F4A7C15;
    std::size_t slot = (static_cast<std::uint64_t>(value) * kGolden) >> (64 - kSlotBits);
    while (slots_[slot] != 0 && entries_[slots_[slot] - 1U].value != value)
      slot = (slot + 1) & (kSlots - 1);
    if (slots_[slot] == 0) {
      entries_[size_] = {value, static_cast<std::uint16_t>(size_)};
      slots_[slot] = static_cast<std::uint16_t>(++size_);
    }
    return slots_[slot] - 1U;
  }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] Entry* entries() { return entries_; }

 private:
  static constexpr int kSlotBits = 10;
  static constexpr std::size_t kSlots = std::size_t{1} << kSlotBits;
  std::size_t size_ = 0;
  std::uint16_t slots_[kSlots] = {};  // index + 1, 0 = free
  Entry entries_[kDictionaryEntriesMax + 1];
};

// No dictionary of `count` entries is smaller than this.
std::size_t BytesAtLeast(std::size_t n, std::size_t count) {
  return 1 + count + PackedBytes(n, BitsFor(count - 1));
}

// Fills codes in order of appearance; false if there are too many distinct values to be worth it.
bool Collect(std::span<const std::int64_t> values, std::size_t limit, DistinctSet* set,
             std::uint64_t* codes) {
  const std::int64_t* p = values.data();
  const std::size_t n = values.size();
  std::size_t known = 0;
  for (std::size_t i = 0; i < n; ++i) {
    codes[i] = set->Find(p[i]);
    if (set->size() != known) {
      known = set->size();
      if (known > kDictionaryEntriesMax || BytesAtLeast(n, known) > limit) return false;
    }
  }
  return true;
}

// A lower bound of the number of distinct values, from the first ones: hashes that occur. Stops
// being looked for where `enough` is reached.
std::size_t DistinctAtLeast(std::span<const std::int64_t> values, std::size_t enough) {
  constexpr int kBits = 11;
  constexpr std::uint64_t kGolden = 0x9E3779B97F4A7C15;
  // Among half as many again as are enough, few hashes collide.
  const std::size_t n = std::min(values.size(), enough + enough / 2 + 16);
  std::uint8_t seen[std::size_t{1} << kBits] = {};
  for (const std::int64_t value : values.first(n))
    seen[(static_cast<std::uint64_t>(value) * kGolden) >> (64 - kBits)] = 1;
  std::size_t count = 0;
  for (std::size_t i = 0; i < std::size(seen); i += 8) {
    // At most 255 ones add up in the top byte of the product.
    count += LoadLe<std::uint64_t>(seen + i) * 0x0101010101010101 >> 56;
  }
  return count;
}

// The most entries with which a dictionary can still come to `limit` bytes, at most 256.
std::size_t EntriesAtMost(std::size_t n, std::size_t limit) {
  std::size_t count = kDictionaryEntriesMax;
  while (count > 1 && BytesAtLeast(n, count) > limit) --count;
  return count;
}

// Values within 256 of each other: a flag for each that can be, instead of a hash.
std::size_t PlanNearValues(const IntVector& v, std::size_t limit, DictionaryPlan* plan) {
  const std::size_t n = v.values.size();
  const std::int64_t* const values = v.values.data();
  const auto offset = [&](std::size_t i) { return Difference(values[i], v.min); };
  std::uint8_t occurs[kNearRange] = {};
  for (std::size_t i = 0; i < n; ++i) occurs[offset(i)] = 1;
  std::uint8_t rank[kNearRange];
  std::size_t count = 0;
  for (std::size_t r = 0; r < kNearRange; ++r) {
    rank[r] = static_cast<std::uint8_t>(count);
    count += occurs[r];
  }
  if (BytesAtLeast(n, count) > limit) return 0;
  for (std::size_t r = 0; r < kNearRange; ++r) {
    if (occurs[r] == 0) continue;
    plan->entries[rank[r]] = static_cast<std::int64_t>(static_cast<std::uint64_t>(v.min) + r);
  }
  for (std::size_t i = 0; i < n; ++i) plan->codes[i] = rank[offset(i)];
  return count;
}

// Any values, with codes in the order of the values. 0 if there are too many different ones.
std::size_t PlanAnyValues(const IntVector& v, std::size_t limit, DictionaryPlan* plan) {
  const std::size_t n = v.values.size();
  if (v.runs > 1) {
    const std::size_t most = EntriesAtMost(n, limit);
    if (v.runs > most && DistinctAtLeast(v.values, most + 1) > most) return 0;
  }
  DistinctSet set;
  if (!Collect(v.values, limit, &set, plan->codes.data())) return 0;
  const std::size_t count = set.size();
  Entry* entries = set.entries();
  std::sort(entries, entries + count,
            [](const Entry& a, const Entry& b) { return a.value < b.value; });
  std::uint64_t rank[kDictionaryEntriesMax];
  for (std::size_t i = 0; i < count; ++i) {
    rank[entries[i].index] = i;
    plan->entries[i] = entries[i].value;
  }
  std::uint64_t* codes = plan->codes.data();
  for (std::size_t i = 0; i < n; ++i) codes[i] = rank[codes[i]];
  return count;
}

}  // namespace

std::size_t MeasureDictionary(IntVector* v, std::size_t limit) {
  DictionaryPlan& plan = v->dictionary;
  const std::size_t n = v->values.size();
  plan.count = 0;
  // Cheap first: with two different values in the block there are at least two entries.
  if (BytesAtLeast(n, v->min == v->max ? 1 : 2) > limit) return kNoSize;
  const bool is_near = Difference(v->max, v->min) < kNearRange;
  const std::size_t count =
      is_near ? PlanNearValues(*v, limit, &plan) : PlanAnyValues(*v, limit, &plan);
  if (count == 0) return kNoSize;
  std::size_t bytes = 1 + VarintBytes(ZigZag(plan.entries[0])) + PackedBytes(n, BitsFor(count - 1));
  for (std::size_t i = 1; i < count; ++i)
    bytes += VarintBytes(Difference(plan.entries[i], plan.entries[i - 1]));
  if (bytes > limit) return kNoSize;
  plan.count = count;
  return bytes;
}

void EncodeDictionary(IntVector* v, std::string* out) {
  const DictionaryPlan& plan = v->dictionary;
  QUIPU_CHECK(plan.count >= 1);
  ByteWriter writer(out);
  writer.U8(static_cast<std::uint8_t>(plan.count - 1));
  writer.Varint(ZigZag(plan.entries[0]));
  for (std::size_t i = 1; i < plan.count; ++i)
    writer.Varint(Difference(plan.entries[i], plan.entries[i - 1]));
  PackBits({plan.codes.data(), v->values.size()}, BitsFor(plan.count - 1), out);
}

Status DecodeDictionary(ByteReader* in, std::span<std::int64_t> out) {
  const std::size_t count = std::size_t{in->U8()} + 1;
  std::int64_t entries[kDictionaryEntriesMax];
  entries[0] = UnZigZag(in->Varint());
  for (std::size_t i = 1; i < count; ++i) {
    const std::uint64_t step = in->Varint();
    if (!in->ok()) return in->status("dictionary");
    if (step == 0 || step > Difference(std::numeric_limits<std::int64_t>::max(), entries[i - 1])) {
      return Status::Corruption("dictionary: entries do not ascend at entry " + std::to_string(i));
    }
    entries[i] = static_cast<std::int64_t>(static_cast<std::uint64_t>(entries[i - 1]) + step);
  }
  const int width = BitsFor(count - 1);
  const std::size_t n = out.size();
  const Bytes packed = in->Raw(PackedBytes(n, width));
  if (!in->ok()) return in->status("dictionary");
  if (!PaddingIsZero(packed, n, width))
    return Status::Corruption("dictionary: bits after the last code are set");
  // A code has at most 8 bits, so the lookup stays inside this array even before the check;
  // repeating the first entry keeps it defined.
  std::fill(entries + count, entries + (std::size_t{1} << width), entries[0]);
  std::uint64_t* codes = AsUnsigned(out).data();
  UnpackBits(packed, width, {codes, n});
  std::uint64_t beyond = 0;  // the top bit is set by any code above count - 1
  for (std::size_t i = 0; i < n; ++i) beyond |= count - 1 - codes[i];
  if (beyond >> 63 != 0)
    return Status::Corruption("dictionary: a code is not below " + std::to_string(count));
  for (std::size_t i = 0; i < n; ++i) out.data()[i] = entries[codes[i]];
  return Status();
}

}  // namespace quipu
