// The identity index: one list of all rows' keys (base/identity.h), sorted. It is the id column and the index of it in one: from a key
// to its row for the check of new events, from a row to its key for reading ids.
//
// n sorted random numbers say log2(n!) bits less than n unsorted ones, about log2(n) - 1.44 bits each; a row number costs log2(n). So sorting
// the ids and writing down where each belongs costs next to nothing beyond the ids themselves, and the check for repeats is free.
//
//     key, high half (64 bits)                                       low half (0..64 bits)
//     +----------------------+---------+------------------------+    +-------------------+
//     | bucket: b = log2(n)  | 9 bits  | rest: 55 - b bits      |    | low               |
//     +----------------------+---------+------------------------+    +-------------------+
//      \_______ prefix page __________/ \____________ keys page _________________________/      row number: rows page
//               11 bits a key                    fixed width, by position                       fixed width, by position
//
// Buckets are written in unary (Elias 1974, Fano 1971): about two bits a key. The prefix alone, held in memory (IdentityPrefix), is a filter
// that errs once in 512 keys of a bucket, and tells the position in the list; so a suspicion costs one keys page, and one that holds a
// rows page more. Pages are small and of fixed numbers of entries: 4,096, 1,024 and 8,192.
//
// Invariants:
//   (1) Entries ascend by (high, low); every row of the segment is in exactly one entry.
//   (2) Positions run through all pages of a kind: entry p is in prefix page p / 4096, keys page p / 1024, rows page p / 8192.
//   (3) Equal high halves, however many, are only slower; adversarial ids break nothing.
//
// Worked example: 5 keys, b = 2. Highs 0x1.., 0x3.., 0x4.., 0xc.., 0xd..: buckets 0 0 1 3 3, in unary 110 10 0 110.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/identity.h"
#include "segment/page.h"

namespace quipu {

struct IdentityEntry {
  Hash128 key;
  std::uint32_t row = 0;
  IdForm form = IdForm::kText;
  friend bool operator==(const IdentityEntry&, const IdentityEntry&) = default;
};

inline constexpr std::size_t kIdentityPrefixEntries = 4096;
inline constexpr std::size_t kIdentityKeysEntries = 1024;
inline constexpr std::size_t kIdentityRowsEntries = 8192;
inline constexpr int kIdentityPrefixBits = 9;
inline constexpr std::uint32_t kIdentityBlockBuckets = 32;

/// How the bits of a key are divided in a segment of `rows` rows.
class IdentityShape {
 public:
  explicit IdentityShape(std::uint64_t rows);
  [[nodiscard]] std::uint64_t rows() const { return rows_; }
  [[nodiscard]] int bucket_bits() const { return bucket_bits_; }
  [[nodiscard]] int row_bits() const { return row_bits_; }
  [[nodiscard]] int rest_bits() const { return 64 - kIdentityPrefixBits - bucket_bits_; }
  /// Bucket and the nine bits after it.
  [[nodiscard]] std::uint64_t PrefixOf(std::uint64_t high) const { return high >> rest_bits(); }
  [[nodiscard]] std::uint32_t BucketOf(std::uint64_t high) const {
    return static_cast<std::uint32_t>(PrefixOf(high) >> kIdentityPrefixBits);
  }
  [[nodiscard]] std::uint64_t RestOf(std::uint64_t high) const {
    return high & ((std::uint64_t{1} << rest_bits()) - 1);
  }

 private:
  std::uint64_t rows_;
  int bucket_bits_, row_bits_;
};

/// Entries [first, first + count) of a page with `page_entries` a page.
struct IdentityPageSpan {
  std::uint64_t first = 0;
  std::size_t count = 0;
};
IdentityPageSpan IdentitySpan(std::uint64_t rows, std::size_t page, std::size_t page_entries);
std::size_t IdentityPageCount(std::uint64_t rows, std::size_t page_entries);

// One page of each kind. Sizes are those of IdentitySpan; what comes in is sorted (checked). Damage is kCorruption.

void EncodeIdentityPrefix(std::span<const IdentityEntry> entries, const IdentityShape& shape,
                          std::string* out);
void EncodeIdentityKeys(std::span<const IdentityEntry> entries, const IdentityShape& shape,
                        std::string* out);
void EncodeIdentityRows(std::span<const IdentityEntry> entries, const IdentityShape& shape,
                        std::string* out);

/// The prefixes (IdentityShape::PrefixOf) of a page whose first key's high half is `first_high`.
Status DecodeIdentityPrefix(Bytes in, const IdentityShape& shape, std::uint64_t first_high,
                            std::size_t count, std::vector<std::uint64_t>* prefixes);
/// Row numbers below the segment's rows.
Status DecodeIdentityRows(Bytes in, const IdentityShape& shape, std::size_t count,
                          std::vector<std::uint64_t>* rows);

/// Row number of entry i of a page.
Result<std::uint32_t> IdentityRowAt(Bytes in, const IdentityShape& shape, std::size_t count,
                                    std::size_t i);

/// A keys page, for looking at single entries.
class IdentityKeysPage {
 public:
  static Result<IdentityKeysPage> Open(Bytes in, const IdentityShape& shape, std::size_t count);
  [[nodiscard]] std::uint64_t Rest(std::size_t i) const;
  [[nodiscard]] std::uint64_t Low(std::size_t i) const;
  [[nodiscard]] IdForm Form(std::size_t i) const;
  /// All keys and forms, with the upper parts of the keys from the prefix page: `rows` stay as they are.
  void ReadAll(std::span<const std::uint64_t> prefixes, std::span<IdentityEntry> entries) const;

 private:
  Bytes forms_, rests_, lows_;  // views into the page
  int rest_bits_ = 0, low_bits_ = 0;
  IdForm form_ = IdForm::kText;
  bool is_mixed_ = false;
};

/// Where an index is in its file.
struct IdentityFooter {
  std::vector<PageRef> prefixes, keys, rows;
  std::vector<std::uint64_t> first_highs;  ///< High half of the first key of each prefix page.
  [[nodiscard]] bool empty() const { return prefixes.empty(); }
};

/// Puts a page into the file and returns where.
using IdentitySink =
    std::function<Result<PageRef>(PageKind kind, std::size_t ordinal, const std::string& payload)>;

/// Takes the entries in order, writes pages as they fill: memory does not grow with the segment.
class IdentityIndexWriter {
 public:
  IdentityIndexWriter(std::uint64_t rows, IdentitySink sink)
      : shape_(rows), sink_(std::move(sink)) {}
  /// Entries that follow those added before.
  Status Add(std::span<const IdentityEntry> entries);
  /// kInternal if not exactly `rows` entries came, or they were out of order.
  Result<IdentityFooter> Finish();
  [[nodiscard]] const IdentityTotal& total() const { return total_; }

 private:
  Status WritePages(std::span<const IdentityEntry> entries);
  IdentityShape shape_;
  IdentitySink sink_;
  IdentityFooter footer_;
  std::vector<IdentityEntry> pending_;  // at most kIdentityRowsEntries
  std::uint64_t added_ = 0;
  Hash128 last_;
  IdentityTotal total_;
};

/// Sorts entries into index order; `scratch` has as many.
void SortIdentities(std::span<IdentityEntry> entries, std::span<IdentityEntry> scratch);

}  // namespace quipu
