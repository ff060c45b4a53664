// RowBatch: events in columns, in memory. The one shape in which rows travel: from validation to the commit, through the hot
// tier to the segment writer, out of a segment into a merge or a query.
//
//   row:        0      1      2
//   customer  [ 7      7      9     ]   ordinals of the catalogue
//   time      [ t0     t1     t2    ]
//   quantity  [ 1      2.5    1     ]   DecimalColumn: scale 1, mantissas 10 25 10
//   "region"  [ eu     -      us    ]   CodedColumn:   dictionary {eu, us}, codes 1 0 2   (0 = absent)
//
// Invariants:
//   (1) Every column is as long as `size()`; a column that no row uses is left out, except quantity, which is always there.
//   (2) Column lists are sorted by column id and have no repeats.
//   (3) A dictionary has no repeats; its order is free (segments sort theirs).
//   (4) Mantissas in `narrow` or `wide` at absent rows are 0.
//   (5) (identities, id_forms, id_millis) of a row are MakeIdentity of its (customer name, source, id): the id itself, unless its
//       form is text, when the text stands in id_texts. Rows on their way from segment to segment may come without `identities`
//       and `id_forms`: both are empty then, and their keys travel by another way (segment/identity_cursor.h).
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/identity.h"
#include "batch/dictionary_index.h"
#include "batch/string_list.h"
#include "quipu/decimal.h"
#include "quipu/time.h"

namespace quipu {

using CustomerOrdinal = std::uint32_t;
using ServiceOrdinal = std::uint32_t;
/// A dimension or measure name, interned by the catalogue. Dimensions and measures are numbered apart.
using ColumnId = std::uint32_t;

/// The two built-in measures come first among the measures.
inline constexpr ColumnId kQuantityColumn = 0;
inline constexpr ColumnId kCostColumn = 1;
inline constexpr ColumnId kFirstUserMeasure = 2;

/// One string attribute over the rows of a batch.
struct CodedColumn {
  ColumnId id = 0;
  StringList dictionary;
  std::vector<std::uint32_t> codes;  ///< 0 = absent, else 1 + index into dictionary.
  [[nodiscard]] bool IsPresent(std::size_t row) const { return codes[row] != 0; }
  [[nodiscard]] std::string_view Text(std::size_t row) const { return dictionary[codes[row] - 1]; }
};

/// One numeric attribute over the rows of a batch: mantissas at one scale. `narrow` is used while every mantissa fits int64, else
/// `wide`; the other is empty.
struct DecimalColumn {
  ColumnId id = 0;
  int scale = 0;
  std::vector<std::uint8_t> present;  ///< One byte per row, 1 or 0; empty = present everywhere.
  std::vector<std::int64_t> narrow;
  std::vector<Int128> wide;
  [[nodiscard]] bool IsPresent(std::size_t row) const {
    return present.empty() || present[row] != 0;
  }
  [[nodiscard]] bool is_wide() const { return !wide.empty(); }
  [[nodiscard]] Int128 Mantissa(std::size_t row) const {
    return is_wide() ? wide[row] : Int128{narrow[row]};
  }
  [[nodiscard]] Decimal Value(std::size_t row) const { return Decimal(Mantissa(row), scale); }
};

/// Where one event stands in another batch: for gathering.
struct RowRef {
  std::uint32_t batch = 0;
  std::uint32_t row = 0;
};

struct RowBatch {
  std::vector<CustomerOrdinal> customers;
  std::vector<ServiceOrdinal> services;
  std::vector<TimeUs> times;
  std::vector<Hash128> identities;  ///< Keys, see base/identity.h.
  std::vector<IdForm> id_forms;
  StringList id_texts;  ///< Empty if no row's form is text; else one a row, "" where it is not.
  std::vector<std::int64_t> id_millis;  ///< Empty if no row has them; else 0 where not.
  CodedColumn
      sources;  ///< Never absent (code 0 is not used); "" is the usual value. Its `id` field is unused.
  std::vector<DecimalColumn> measures;  ///< By id; quantity is always there.
  std::vector<CodedColumn> dimensions;  ///< By id.

  [[nodiscard]] std::size_t size() const { return times.size(); }
  [[nodiscard]] bool empty() const { return times.empty(); }
  [[nodiscard]] Identity IdentityOf(std::size_t row) const {
    return {identities[row], id_millis.empty() ? 0 : id_millis[row], id_forms[row]};
  }
  /// The id of a row, whose customer has this name.
  [[nodiscard]] std::string IdText(std::size_t row, std::string_view customer) const;
  /// The text of an id whose form is text; else "".
  [[nodiscard]] std::string_view TextOf(std::size_t row) const {
    return id_texts.size() == 0 ? std::string_view() : id_texts[row];
  }
  /// Appends to identities, id_forms, id_texts and id_millis: `identity` is that of `id`.
  void AddIdentity(const Identity& identity, std::string_view id);
  [[nodiscard]] const DecimalColumn* FindMeasure(ColumnId id) const;
  [[nodiscard]] const CodedColumn* FindDimension(ColumnId id) const;
  /// Memory held, about.
  [[nodiscard]] std::size_t bytes() const;
};

/// The given rows of the given batches, in the given order, as one batch: dictionaries united, scales aligned.
RowBatch Gather(std::span<const RowBatch* const> batches, std::span<const RowRef> rows);

/// Takes rows (ascending, not all of them) out of a batch. Strings that only they used stay in the dictionaries.
void RemoveRows(std::span<const std::uint32_t> removed, RowBatch* rows);

/// True if the two rows hold the same event content: time, service, quantity, cost, dimensions, measures (values compared exactly,
/// 1.50 = 1.5). Identity and customer are the caller's business.
bool SameContent(const RowBatch& a, std::size_t row_a, const RowBatch& b, std::size_t row_b);

/// True if the two rows are the same event: customer, source and id are equal. Content is the caller's business.
bool SameIdentity(const RowBatch& a, std::size_t row_a, const RowBatch& b, std::size_t row_b);

/// The order of rows in a segment: (customer, service, time). Rows that are equal in all three stay in the order in which they came.
bool SegmentOrderLess(const RowBatch& a, std::size_t row_a, const RowBatch& b, std::size_t row_b);
/// Row numbers of the batch in segment order; a stable sort.
std::vector<std::uint32_t> SegmentOrder(const RowBatch& batch);

/// Collects rows value by value into a RowBatch; the way in from validation and from decoders of row-shaped input.
class RowBatchBuilder {
 public:
  /// Starts a row; the Add calls after it belong to it. `identity` is MakeIdentity of the customer's name, source and id.
  void BeginRow(CustomerOrdinal customer, ServiceOrdinal service, TimeUs time,
                const Identity& identity, std::string_view id, std::string_view source);
  /// At most once per row and column (checked), as the Adds below.
  void AddMeasure(ColumnId id, const Decimal& value);
  void AddDimension(ColumnId id, std::string_view value);
  [[nodiscard]] std::size_t size() const { return batch_.times.size(); }
  /// The batch so far; the builder is empty again.
  RowBatch Finish();

 private:
  struct PendingMeasure {
    ColumnId id = 0;
    int scale_max = 0;
    std::vector<std::uint32_t> rows;
    std::vector<Decimal> values;
  };
  struct PendingDimension {
    ColumnId id = 0;
    DictionaryIndex index;
    CodedColumn column;
  };
  static DecimalColumn FinishMeasure(const PendingMeasure& pending, std::size_t rows);
  RowBatch batch_;
  std::vector<PendingMeasure> measures_;      // by id
  std::vector<PendingDimension> dimensions_;  // by id
  PendingDimension sources_;
};

}  // namespace quipu
