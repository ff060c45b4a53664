#include "segment/identity_index.h"

#include <algorithm>
#include <array>
#include <bit>
#include <numeric>

#include "base/check.h"

namespace quipu {
namespace {

constexpr int kBucketBitsMax = 30;
constexpr std::uint8_t kMixedForms = 0xff;
constexpr int kFormBits = 3;

Status Bad(const std::string& what) { return Status::Corruption("identity index: " + what); }

/// Bits, least significant first.
class BitWriter {
 public:
  explicit BitWriter(std::string* out) : out_(out) {}
  void Put(std::uint64_t value, int bits) {  // at most 32
    held_ |= value << count_;
    count_ += bits;
    while (count_ >= 8) {
      out_->push_back(static_cast<char>(held_ & 0xff));
      held_ >>= 8;
      count_ -= 8;
    }
  }
  void Ones(std::uint64_t n) {
    for (; n >= 32; n -= 32) Put(0xffffffffu, 32);
    Put((std::uint64_t{1} << n) - 1, static_cast<int>(n));
  }
  void Pad() {
    if (count_ > 0) Put(0, 8 - count_);
  }

 private:
  std::string* out_;
  std::uint64_t held_ = 0;
  int count_ = 0;
};

// `width` (0..64) bits at bit `at`; the bytes must be there.
std::uint64_t BitsAt(Bytes in, std::uint64_t at, int width) {
  if (width == 0) return 0;
  const std::size_t byte = at / 8;
  const int shift = static_cast<int>(at % 8);
  std::array<std::uint8_t, 16> window{};
  std::memcpy(window.data(), in.data() + byte, std::min<std::size_t>(9, in.size() - byte));
  std::uint64_t value = LoadLe<std::uint64_t>(window.data()) >> shift;
  if (shift > 0) value |= std::uint64_t{window[8]} << (64 - shift);
  return width == 64 ? value : value & ((std::uint64_t{1} << width) - 1);
}

// Values one after another in their order, so that any one can be read alone. (The codecs' packing is faster for whole vectors, and is
// not in order.)
constexpr std::size_t PackedBytes(std::size_t n, int width) {
  return (n * static_cast<std::size_t>(width) + 7) / 8;
}

void PackColumn(std::span<const IdentityEntry> entries, int width, std::string* out,
                std::uint64_t (*value)(const IdentityEntry&, const IdentityShape&),
                const IdentityShape& shape) {
  constexpr std::size_t kSlackBytes = 16;
  const std::size_t start = out->size(), bytes = PackedBytes(entries.size(), width);
  out->resize(start + bytes + kSlackBytes, '\0');
  std::uint64_t at = start * 8;
  for (const IdentityEntry& e : entries) {
    const std::uint64_t v = value(e, shape);
    char* const to = out->data() + at / 8;
    const int shift = static_cast<int>(at % 8);
    std::uint64_t word;
    std::memcpy(&word, to, 8);
    word |= v << shift;
    std::memcpy(to, &word, 8);
    if (shift > 0) to[8] = static_cast<char>(v >> (64 - shift));
    at += static_cast<std::uint64_t>(width);
  }
  out->resize(start + bytes);
}

std::uint64_t RestOfEntry(const IdentityEntry& e, const IdentityShape& s) {
  return s.RestOf(e.key.high);
}
std::uint64_t LowOfEntry(const IdentityEntry& e, const IdentityShape&) { return e.key.low; }
std::uint64_t FormOfEntry(const IdentityEntry& e, const IdentityShape&) {
  return static_cast<std::uint64_t>(e.form);
}
std::uint64_t RowOfEntry(const IdentityEntry& e, const IdentityShape&) { return e.row; }

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
  const std::uint32_t first = shape.BucketOf(entries.front().key.high);
  const std::uint32_t last = shape.BucketOf(entries.back().key.high);
  const std::uint32_t blocks = (last - first) / kIdentityBlockBuckets + 1;
  ByteWriter(out).U32(blocks);
  BitWriter bits(out);
  std::size_t next = 0;
  for (std::uint32_t block = 0; block < blocks; ++block) {
    const std::size_t begin = next;
    for (std::uint32_t k = 0; k < kIdentityBlockBuckets; ++k) {
      const std::uint64_t bucket = std::uint64_t{first} + block * kIdentityBlockBuckets + k;
      const std::size_t before = next;
      while (next < entries.size() && shape.BucketOf(entries[next].key.high) == bucket) ++next;
      bits.Ones(next - before);
      bits.Put(0, 1);
    }
    for (std::size_t i = begin; i < next; ++i) {
      bits.Put(shape.PrefixOf(entries[i].key.high) & ((1u << kIdentityPrefixBits) - 1),
               kIdentityPrefixBits);
    }
  }
  QUIPU_CHECK(next == entries.size());
  bits.Pad();
}

Status DecodeIdentityPrefix(Bytes in, const IdentityShape& shape, std::uint64_t first_high,
                            std::size_t count, std::vector<std::uint64_t>* prefixes) {
  ByteReader reader(in);
  const std::uint64_t blocks = reader.U32();
  QUIPU_TRY(reader.status("identity index"));
  const Bytes stream = in.last(reader.remaining());
  const std::uint64_t bits =
      blocks * kIdentityBlockBuckets + std::uint64_t{kIdentityPrefixBits + 1} * count;
  if (stream.size() != (bits + 7) / 8) return Bad("a prefix page of the wrong size");
  prefixes->clear();
  prefixes->reserve(count);
  std::uint64_t bucket = shape.BucketOf(first_high), at = 0;
  for (std::uint64_t block = 0; block < blocks; ++block) {
    const std::size_t begin = prefixes->size();
    for (std::uint32_t zeros = 0; zeros < kIdentityBlockBuckets;) {
      if (at >= bits) return Bad("a prefix page ends too early");
      if ((stream[at / 8] >> (at % 8) & 1) == 0) {
        ++zeros;
        ++bucket;
      } else {
        if (prefixes->size() == count) return Bad("a prefix page has more keys than it should");
        prefixes->push_back(bucket << kIdentityPrefixBits);
      }
      ++at;
    }
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
    PackColumn(entries, kFormBits, out, FormOfEntry, shape);
  }
  PackColumn(entries, shape.rest_bits(), out, RestOfEntry, shape);
  PackColumn(entries, low_bits, out, LowOfEntry, shape);
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
  const std::size_t forms = page.is_mixed_ ? PackedBytes(count, kFormBits) : 0;
  const std::size_t rests = PackedBytes(count, page.rest_bits_);
  const std::size_t lows = PackedBytes(count, page.low_bits_);
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
IdForm IdentityKeysPage::Form(std::size_t i) const {
  return is_mixed_ ? static_cast<IdForm>(BitsAt(forms_, i * kFormBits, kFormBits)) : form_;
}

void EncodeIdentityRows(std::span<const IdentityEntry> entries, const IdentityShape& shape,
                        std::string* out) {
  QUIPU_CHECK(!entries.empty() && entries.size() <= kIdentityRowsEntries);
  PackColumn(entries, shape.row_bits(), out, RowOfEntry, shape);
}

Status DecodeIdentityRows(Bytes in, const IdentityShape& shape, std::size_t count,
                          std::vector<std::uint64_t>* rows) {
  if (in.size() != PackedBytes(count, shape.row_bits()))
    return Bad("a rows page of the wrong size");
  rows->resize(count);
  const int width = shape.row_bits();
  const std::uint64_t mask = (std::uint64_t{1} << width) - 1;
  std::uint64_t largest = 0, at = 0;
  for (std::uint64_t& row : *rows) {
    const std::size_t byte = at / 8;
    row = byte + 8 <= in.size() ? LoadLe<std::uint64_t>(in.data() + byte) >> (at % 8) & mask
                                : BitsAt(in, at, width);
    largest = std::max(largest, row);
    at += static_cast<std::uint64_t>(width);
  }
  if (largest >= shape.rows()) return Bad("row " + std::to_string(largest) + " does not exist");
  return Status();
}

Result<std::uint32_t> IdentityRowAt(Bytes in, const IdentityShape& shape, std::size_t count,
                                    std::size_t i) {
  if (in.size() != PackedBytes(count, shape.row_bits()))
    return Bad("a rows page of the wrong size");
  const auto width = static_cast<std::size_t>(shape.row_bits());
  const std::uint64_t row = BitsAt(in, i * width, shape.row_bits());
  if (row >= shape.rows()) return Bad("row " + std::to_string(row) + " does not exist");
  return static_cast<std::uint32_t>(row);
}

// ---- Writing ----

Status IdentityIndexWriter::Add(const IdentityEntry& entry) {
  if (added_ == shape_.rows() || (added_ > 0 && entry.key < last_) || entry.row >= shape_.rows())
    return Status::Internal("identity index: entry " + std::to_string(added_) +
                            " is one too many or out of order");
  ++added_;
  last_ = entry.key;
  total_.Add(entry.key);
  pending_.push_back(entry);
  return pending_.size() == kIdentityRowsEntries ? WritePages() : Status();
}

Status IdentityIndexWriter::WritePages() {
  const std::span<const IdentityEntry> entries(pending_);
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
  pending_.clear();
  return Status();
}

Result<IdentityFooter> IdentityIndexWriter::Finish() {
  if (added_ != shape_.rows()) {
    return Status::Internal("identity index: " + std::to_string(added_) + " entries for " +
                            std::to_string(shape_.rows()) + " rows");
  }
  QUIPU_TRY(WritePages());
  return std::move(footer_);
}

// Two counting passes over the top 22 bits, which are random, then what is left between neighbours.
void SortIdentities(std::vector<IdentityEntry>* entries) {
  const auto less = [](const IdentityEntry& a, const IdentityEntry& b) { return a.key < b.key; };
  constexpr std::size_t kRadixEntriesMin = 4096;
  if (entries->size() < kRadixEntriesMin) {
    std::sort(entries->begin(), entries->end(), less);
    return;
  }
  std::vector<IdentityEntry> other(entries->size());
  for (const int shift : {42, 53}) {
    std::array<std::uint32_t, 2048> starts{};
    for (const IdentityEntry& e : *entries) ++starts[e.key.high >> shift & 2047];
    std::exclusive_scan(starts.begin(), starts.end(), starts.begin(), std::uint32_t{0});
    for (const IdentityEntry& e : *entries) other[starts[e.key.high >> shift & 2047]++] = e;
    entries->swap(other);
  }
  for (std::size_t first = 0, end = 0; first < entries->size(); first = end) {
    const std::uint64_t top = (*entries)[first].key.high >> 42;
    for (end = first + 1; end < entries->size() && (*entries)[end].key.high >> 42 == top;) ++end;
    if (end - first > 1) {
      std::sort(entries->begin() + static_cast<std::ptrdiff_t>(first),
                entries->begin() + static_cast<std::ptrdiff_t>(end), less);
    }
  }
}

}  // namespace quipu
