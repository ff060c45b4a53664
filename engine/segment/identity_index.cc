#include "segment/identity_index.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "base/check.h"
#include "codec/bitpack.h"

namespace quipu {
namespace {

constexpr int kBucketBitsMax = 30;
constexpr std::uint8_t kMixedForms = 0xff;
constexpr int kFormBits = 3;
constexpr std::uint64_t kFieldMask = (1u << kIdentityPrefixBits) - 1;

// What follows the number of blocks in a prefix page.
constexpr std::uint64_t PrefixStreamBits(std::uint64_t blocks, std::size_t keys) {
  return blocks * kIdentityBlockBuckets + std::uint64_t{kIdentityPrefixBits + 1} * keys;
}
constexpr std::size_t PrefixStreamBytes(std::uint64_t blocks, std::size_t keys) {
  return static_cast<std::size_t>((PrefixStreamBits(blocks, keys) + 7) / 8);
}

Status Bad(const std::string& what) { return Status::Corruption("identity index: " + what); }

/// Bits, least significant first, into bytes that are there: eight more than the bits need.
class BitWriter {
 public:
  explicit BitWriter(std::uint8_t* to) : to_(to) {}
  void Put(std::uint64_t value, int bits) {  // at most 32
    held_ |= value << count_;
    count_ += bits;
    if (count_ < 32) return;
    Store(static_cast<std::uint32_t>(held_));
    to_ += 4;
    held_ >>= 32;
    count_ -= 32;
  }
  /// n ones and a zero.
  void Unary(std::uint64_t n) {
    for (; n >= 31; n -= 31) Put(0x7fffffffu, 31);
    Put((std::uint64_t{1} << n) - 1, static_cast<int>(n) + 1);
  }
  void Finish() { Store(held_); }

 private:
  template <class Word>
  void Store(Word word) {
    std::memcpy(to_, &word, sizeof word);
  }
  std::uint8_t* to_;
  std::uint64_t held_ = 0;
  int count_ = 0;  // below 32 between calls
};

// `width` (0..64) bits at bit `at`; the bytes must be there.
std::uint64_t BitsAt(Bytes in, std::uint64_t at, int width) {
  if (width == 0) return 0;
  const std::size_t byte = at / 8;
  const int shift = static_cast<int>(at % 8);
  if (byte + sizeof(std::uint64_t) <= in.size() && shift + width <= 64)
    return LoadLe<std::uint64_t>(in.data() + byte) >> shift & (~std::uint64_t{0} >> (64 - width));
  std::array<std::uint8_t, 16> window{};
  std::memcpy(window.data(), in.data() + byte, std::min<std::size_t>(9, in.size() - byte));
  std::uint64_t value = LoadLe<std::uint64_t>(window.data()) >> shift;
  if (shift > 0) value |= std::uint64_t{window[8]} << (64 - shift);
  return width == 64 ? value : value & ((std::uint64_t{1} << width) - 1);
}

template <class Value>
void PackColumn(std::span<const IdentityEntry> entries, int width, std::string* out, Value value) {
  std::array<std::uint64_t, kIdentityRowsEntries> values;
  for (std::size_t i = 0; i < entries.size(); ++i) values[i] = value(entries[i]);
  const std::size_t start = out->size();
  out->resize(start + PackedInOrderBytes(entries.size(), width));
  PackInOrder(std::span(values).first(entries.size()), width, 0,
              reinterpret_cast<std::uint8_t*>(out->data()) + start);
}

}  // namespace

// As many buckets as keys, within a factor: between 0.6 and 1.2 times as many cost least on disk and stay under 12 bits a key in memory.
IdentityShape::IdentityShape(std::uint64_t rows) : rows_(rows) {
  QUIPU_CHECK(rows > 0 && rows <= std::uint64_t{1} << 32);
  bucket_bits_ = 0;
  while (bucket_bits_ < kBucketBitsMax && (std::uint64_t{10} << bucket_bits_) <= 6 * rows)
    ++bucket_bits_;
  row_bits_ = static_cast<int>(std::bit_width(rows - 1));
}

IdentityPageSpan IdentitySpan(std::uint64_t rows, std::size_t page, std::size_t page_entries) {
  const std::uint64_t first = std::uint64_t{page} * page_entries;
  QUIPU_CHECK(first < rows);
  return {first, static_cast<std::size_t>(std::min<std::uint64_t>(page_entries, rows - first))};
}

std::size_t IdentityPageCount(std::uint64_t rows, std::size_t page_entries) {
  return static_cast<std::size_t>((rows + page_entries - 1) / page_entries);
}

// ---- Pages ----

// u32 blocks; then each block of 32 buckets: unary counts, then nine bits a key.
void EncodeIdentityPrefix(std::span<const IdentityEntry> entries, const IdentityShape& shape,
                          std::string* out) {
  QUIPU_CHECK(!entries.empty() && entries.size() <= kIdentityPrefixEntries);
  std::array<std::uint64_t, kIdentityPrefixEntries> prefixes;
  for (std::size_t i = 0; i < entries.size(); ++i)
    prefixes[i] = shape.PrefixOf(entries[i].key.high);
  const std::uint64_t first = prefixes[0] >> kIdentityPrefixBits;
  const std::uint64_t last = prefixes[entries.size() - 1] >> kIdentityPrefixBits;
  const std::uint64_t blocks = (last - first) / kIdentityBlockBuckets + 1;
  ByteWriter(out).U32(static_cast<std::uint32_t>(blocks));
  const std::size_t start = out->size(), bytes = PrefixStreamBytes(blocks, entries.size());
  out->resize(start + bytes + sizeof(std::uint64_t));
  BitWriter bits(reinterpret_cast<std::uint8_t*>(out->data()) + start);
  std::size_t next = 0;
  for (std::uint64_t bucket = first; bucket < first + blocks * kIdentityBlockBuckets;) {
    const std::size_t begin = next;
    for (std::uint32_t k = 0; k < kIdentityBlockBuckets; ++k, ++bucket) {
      const std::size_t before = next;
      const std::uint64_t end = (bucket + 1) << kIdentityPrefixBits;
      while (next < entries.size() && prefixes[next] < end) ++next;
      bits.Unary(next - before);
    }
    for (std::size_t i = begin; i < next; ++i)
      bits.Put(prefixes[i] & kFieldMask, kIdentityPrefixBits);
  }
  QUIPU_CHECK(next == entries.size());
  bits.Finish();
  out->resize(start + bytes);
}

namespace {

/// The unary counts of a block, from bit `at` of a stream of `bits`: appends each key's bucket, from `bucket` on, shifted to where the
/// nine bits below it have room. Returns the bit after them; 0 if the stream ends or more than `count` keys come.
std::uint64_t DecodeBlockCounts(Bytes stream, std::uint64_t bits, std::uint64_t at,
                                std::uint64_t bucket, std::size_t count,
                                std::vector<std::uint64_t>* prefixes) {
  for (std::uint32_t zeros = 0; zeros < kIdentityBlockBuckets;) {
    if (at >= bits) return 0;
    const int held = static_cast<int>(std::min<std::uint64_t>(64, bits - at));
    std::uint64_t window = BitsAt(stream, at, held);
    int left = held;
    while (zeros < kIdentityBlockBuckets) {
      const int ones = std::min(std::countr_one(window), left);
      if (prefixes->size() + static_cast<std::size_t>(ones) > count) return 0;
      for (int i = 0; i < ones; ++i) prefixes->push_back((bucket + zeros) << kIdentityPrefixBits);
      left -= ones;
      if (left == 0) break;  // the run of ones may go on in the next window
      window = (window >> ones) >> 1;
      --left;
      ++zeros;
    }
    at += static_cast<std::uint64_t>(held - left);
  }
  return at;
}

}  // namespace

Status DecodeIdentityPrefix(Bytes in, const IdentityShape& shape, std::uint64_t first_high,
                            std::size_t count, std::vector<std::uint64_t>* prefixes) {
  ByteReader reader(in);
  const std::uint64_t blocks = reader.U32();
  QUIPU_TRY(reader.status("identity index"));
  const Bytes stream = in.last(reader.remaining());
  if (stream.size() != PrefixStreamBytes(blocks, count))
    return Bad("a prefix page of the wrong size");
  const std::uint64_t bits = PrefixStreamBits(blocks, count);
  prefixes->clear();
  prefixes->reserve(count);
  std::uint64_t bucket = shape.BucketOf(first_high), at = 0;
  for (std::uint64_t block = 0; block < blocks; ++block, bucket += kIdentityBlockBuckets) {
    const std::size_t begin = prefixes->size();
    at = DecodeBlockCounts(stream, bits, at, bucket, count, prefixes);
    if (at == 0) return Bad("a prefix page ends too early, or has more keys than it should");
    if (at + (prefixes->size() - begin) * kIdentityPrefixBits > bits)
      return Bad("a prefix page ends too early");
    for (std::size_t i = begin; i < prefixes->size(); ++i, at += kIdentityPrefixBits)
      (*prefixes)[i] |= BitsAt(stream, at, kIdentityPrefixBits);
  }
  const bool sound = prefixes->size() == count && bucket >> kBucketBitsMax <= 1 &&
                     std::is_sorted(prefixes->begin(), prefixes->end()) &&
                     (count == 0 || (prefixes->front() == shape.PrefixOf(first_high) &&
                                     prefixes->back() <= shape.PrefixOf(~std::uint64_t{0})));
  return sound ? Status() : Bad("prefixes out of range or out of order");
}

// u8 the form of all, or 255 and three bits a key; rests; low halves.
void EncodeIdentityKeys(std::span<const IdentityEntry> entries, const IdentityShape& shape,
                        std::string* out) {
  QUIPU_CHECK(!entries.empty() && entries.size() <= kIdentityKeysEntries);
  int low_bits = 0;
  bool is_mixed = false;
  for (const IdentityEntry& e : entries) {
    low_bits = std::max(low_bits, LowBitsOf(e.form));
    is_mixed = is_mixed || e.form != entries[0].form;
  }
  ByteWriter(out).U8(is_mixed ? kMixedForms : static_cast<std::uint8_t>(entries[0].form));
  if (is_mixed) {
    ByteWriter(out).U8(static_cast<std::uint8_t>(low_bits));
    PackColumn(entries, kFormBits, out,
               [](const IdentityEntry& e) { return static_cast<std::uint64_t>(e.form); });
  }
  PackColumn(entries, shape.rest_bits(), out,
             [&](const IdentityEntry& e) { return shape.RestOf(e.key.high); });
  PackColumn(entries, low_bits, out, [](const IdentityEntry& e) { return e.key.low; });
}

Result<IdentityKeysPage> IdentityKeysPage::Open(Bytes in, const IdentityShape& shape,
                                                std::size_t count) {
  ByteReader reader(in);
  const std::uint8_t code = reader.U8();
  IdentityKeysPage page;
  page.rest_bits_ = shape.rest_bits();
  page.is_mixed_ = code == kMixedForms;
  if (page.is_mixed_) {
    page.low_bits_ = reader.U8();
  } else if (code < kIdForms) {
    page.form_ = static_cast<IdForm>(code);
    page.low_bits_ = LowBitsOf(page.form_);
  }
  QUIPU_TRY(reader.status("identity index"));
  if ((!page.is_mixed_ && code >= kIdForms) || page.low_bits_ > 64) return Bad("unknown id form");
  const std::size_t forms = page.is_mixed_ ? PackedInOrderBytes(count, kFormBits) : 0;
  const std::size_t rests = PackedInOrderBytes(count, page.rest_bits_);
  const std::size_t lows = PackedInOrderBytes(count, page.low_bits_);
  if (reader.remaining() != forms + rests + lows) return Bad("a keys page of the wrong size");
  in = in.last(reader.remaining());
  page.forms_ = in.first(forms);
  page.rests_ = in.subspan(forms, rests);
  page.lows_ = in.last(lows);
  for (std::size_t i = 0; page.is_mixed_ && i < count; ++i) {
    if (BitsAt(page.forms_, i * kFormBits, kFormBits) >= kIdForms) return Bad("unknown id form");
  }
  return page;
}

std::uint64_t IdentityKeysPage::Rest(std::size_t i) const {
  return BitsAt(rests_, i * static_cast<std::size_t>(rest_bits_), rest_bits_);
}
std::uint64_t IdentityKeysPage::Low(std::size_t i) const {
  return BitsAt(lows_, i * static_cast<std::size_t>(low_bits_), low_bits_);
}
void IdentityKeysPage::ReadAll(std::span<const std::uint64_t> prefixes,
                               std::span<IdentityEntry> entries) const {
  const std::size_t n = entries.size();
  QUIPU_CHECK(n <= kIdentityKeysEntries && prefixes.size() == n);
  std::array<std::uint64_t, kIdentityKeysEntries> rests, lows;
  UnpackInOrder(rests_, rest_bits_, std::span(rests).first(n), 0);
  UnpackInOrder(lows_, low_bits_, std::span(lows).first(n), 0);
  for (std::size_t i = 0; i < n; ++i) {
    entries[i].key = {prefixes[i] << rest_bits_ | rests[i], lows[i]};
    entries[i].form = Form(i);
  }
}
IdForm IdentityKeysPage::Form(std::size_t i) const {
  return is_mixed_ ? static_cast<IdForm>(BitsAt(forms_, i * kFormBits, kFormBits)) : form_;
}

void EncodeIdentityRows(std::span<const IdentityEntry> entries, const IdentityShape& shape,
                        std::string* out) {
  QUIPU_CHECK(!entries.empty() && entries.size() <= kIdentityRowsEntries);
  PackColumn(entries, shape.row_bits(), out,
             [](const IdentityEntry& e) { return std::uint64_t{e.row}; });
}

Status DecodeIdentityRows(Bytes in, const IdentityShape& shape, std::size_t count,
                          std::vector<std::uint64_t>* rows) {
  if (in.size() != PackedInOrderBytes(count, shape.row_bits()))
    return Bad("a rows page of the wrong size");
  rows->resize(count);
  UnpackInOrder(in, shape.row_bits(), *rows, 0);
  std::uint64_t largest = 0;
  for (const std::uint64_t row : *rows) largest = std::max(largest, row);
  if (largest >= shape.rows()) return Bad("row " + std::to_string(largest) + " does not exist");
  return Status();
}

Result<std::uint32_t> IdentityRowAt(Bytes in, const IdentityShape& shape, std::size_t count,
                                    std::size_t i) {
  if (in.size() != PackedInOrderBytes(count, shape.row_bits()))
    return Bad("a rows page of the wrong size");
  const auto width = static_cast<std::size_t>(shape.row_bits());
  const std::uint64_t row = BitsAt(in, i * width, shape.row_bits());
  if (row >= shape.rows()) return Bad("row " + std::to_string(row) + " does not exist");
  return static_cast<std::uint32_t>(row);
}

// ---- Writing ----

Status IdentityIndexWriter::Add(std::span<const IdentityEntry> entries) {
  bool is_sound = entries.size() <= shape_.rows() - added_;
  Hash128 last = last_;
  for (const IdentityEntry& entry : entries) {
    is_sound &= !(entry.key < last) && entry.row < shape_.rows();
    last = entry.key;
    total_.Add(entry.key);
  }
  if (!is_sound) {
    return Status::Internal("identity index: one of the entries from " + std::to_string(added_) +
                            " on is one too many or out of order");
  }
  last_ = last;
  added_ += entries.size();
  while (!entries.empty()) {
    const std::size_t room = kIdentityRowsEntries - pending_.size();
    const auto some = entries.first(std::min(room, entries.size()));
    entries = entries.subspan(some.size());
    if (some.size() == kIdentityRowsEntries) {  // no copy needed
      QUIPU_TRY(WritePages(some));
      continue;
    }
    pending_.insert(pending_.end(), some.begin(), some.end());
    if (pending_.size() < kIdentityRowsEntries) continue;
    QUIPU_TRY(WritePages(pending_));
    pending_.clear();
  }
  return Status();
}

Status IdentityIndexWriter::WritePages(std::span<const IdentityEntry> entries) {
  std::string payload;
  const auto write = [&](PageKind kind, std::size_t page_entries, auto encode,
                         std::vector<PageRef>* refs) -> Status {
    for (std::size_t first = 0; first < entries.size(); first += page_entries) {
      payload.clear();
      encode(entries.subspan(first, std::min(page_entries, entries.size() - first)), shape_,
             &payload);
      QUIPU_TRY_ASSIGN(const PageRef ref, sink_(kind, refs->size(), payload));
      refs->push_back(ref);
    }
    return Status();
  };
  for (std::size_t i = 0; i < entries.size(); i += kIdentityPrefixEntries)
    footer_.first_highs.push_back(entries[i].key.high);
  QUIPU_TRY(write(PageKind::kIdentityPrefix, kIdentityPrefixEntries, EncodeIdentityPrefix,
                  &footer_.prefixes));
  QUIPU_TRY(
      write(PageKind::kIdentityKeys, kIdentityKeysEntries, EncodeIdentityKeys, &footer_.keys));
  QUIPU_TRY(
      write(PageKind::kIdentityRows, kIdentityRowsEntries, EncodeIdentityRows, &footer_.rows));
  return Status();
}

Result<IdentityFooter> IdentityIndexWriter::Finish() {
  if (added_ != shape_.rows()) {
    return Status::Internal("identity index: " + std::to_string(added_) + " entries for " +
                            std::to_string(shape_.rows()) + " rows");
  }
  QUIPU_TRY(WritePages(pending_));
  pending_.clear();
  return std::move(footer_);
}

}  // namespace quipu
