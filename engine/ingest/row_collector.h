// RowCollector: the rows of the batches of one commit as one RowBatch.
//
// A batch brings its distinct strings once (base/event_rows.h). Each of them is looked up once: names in the catalogue, values and sources in
// the commit's own dictionaries. What is left per row is to translate codes by a table and to copy numbers.
//
//   batch entry    0 customer "acme"   1 service "api"   4 dimension name "region"   5 value "eu"   6 value "us"
//   translated     0 ordinal 17        1 ordinal 2       4 column 0 (id 9)           5 code 1       6 code 2
//
// Names of rows that are not taken are not looked up: the catalogue never forgets a name.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/event_rows.h"
#include "batch/row_batch.h"
#include "store/catalogue.h"

namespace quipu {

class RowCollector {
 public:
  /// New names are put into `new_names`.
  RowCollector(Catalogue* catalogue, KvBatch* new_names)
      : catalogue_(catalogue), new_names_(new_names) {}

  struct Taken {
    std::span<const std::uint32_t> positions;  ///< Rows to take, ascending.
    /// For rows without an id, in their order.
    std::span<const std::string> generated_ids;
    TimeUs now = 0;  ///< For rows without a time.
  };
  /// The rows must be valid. An error (a full catalogue) leaves the collector unusable.
  Status Add(const EventRows& rows, const Taken& taken);
  [[nodiscard]] std::size_t size() const { return batch_.times.size(); }
  /// Everything added, in order.
  RowBatch Finish();

 private:
  /// Numbers as they came, each at its own scale, until the scale of the column is known.
  struct Numbers {
    ColumnId id = 0;
    std::vector<std::int64_t> mantissas;  // shorter than the batch while the last rows have none
    std::vector<std::uint8_t> scales;     // kAbsent, EventRows::kWide (see `wide`) or the scale
    std::vector<std::pair<std::uint32_t, Decimal>> wide;  // by row
  };
  struct Values {
    DictionaryIndex index;
    CodedColumn column;  // codes may be shorter than the batch, as above
  };
  static constexpr std::uint8_t kAbsent = 0xFE;
  static constexpr std::uint32_t kUnused = 0xFFFFFFFF;

  void MarkUsed(const EventRows& rows, const Taken& taken);
  Status Translate(const EventRows& rows);
  Result<std::uint32_t> TranslateEntry(const EventRows& rows, std::size_t entry);
  void AddFixedColumns(const EventRows& rows, const Taken& taken);
  void AddIds(const EventRows& rows, const Taken& taken);
  void AddIdTexts(const EventRows& rows, const Taken& taken, std::size_t first);
  void AddValues(const EventRows& rows, const Taken& taken, std::size_t first_row);
  void AddNumbers(const EventRows& rows, const Taken& taken, std::size_t first_row);
  std::uint32_t ValuesOf(ColumnId id);
  std::uint32_t NumbersOf(ColumnId id);
  static DecimalColumn FinishNumbers(Numbers* numbers, std::size_t rows);
  static void FinishWide(const Numbers& numbers, DecimalColumn* column);

  Catalogue* catalogue_;
  KvBatch* new_names_;
  RowBatch batch_;  // the fixed columns
  Values sources_;
  std::vector<Values> values_;                         // in order of first use
  std::vector<Numbers> numbers_;                       // likewise
  std::vector<std::uint32_t> values_of_, numbers_of_;  // by column id: 1 + position in the above
  // Of the batch that is being added.
  std::vector<std::uint32_t> translated_;   // by entry
  std::vector<std::uint8_t> used_;          // by entry; empty = all
  std::vector<std::uint64_t> name_hashes_;  // by entry: Hash64 of a customer's or source's name
  std::vector<std::int64_t> millis_;        // by row taken: of its identity
  std::vector<std::uint32_t*> targets_;     // by entry of a dimension's name: where its codes go
};

}  // namespace quipu
