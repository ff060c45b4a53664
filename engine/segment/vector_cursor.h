// VectorCursor: one reader's way through the vectors of a segment. It keeps the pages and dictionaries of the row group that it is in, and what
// it has decoded of the vector that it stands on: a column costs nothing until it is asked for, is decoded once, and a look into the page
// cache is paid once a row group, not once a vector.
//
// Worked example: Seek(70), Times(), Measure(0): the times page and one measure page of row group 1 are fetched; Seek(71), Measure(0): the page is
// in hand, 1,024 values are decoded.
//
// One thread at a time. What the methods return is good until the next Seek.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "segment/dimension_page.h"
#include "segment/measure_page.h"
#include "segment/segment.h"

namespace quipu {

class VectorCursor {
 public:
  /// Columns are asked for by their place in these lists. The segment must outlive the cursor.
  VectorCursor(const SegmentReader& segment, std::vector<ColumnId> measures,
               std::span<const ColumnId> dimensions);

  /// Stands on vector v (< segment.vectors()).
  void Seek(std::uint32_t v);
  [[nodiscard]] std::uint32_t vector() const { return vector_; }
  [[nodiscard]] std::size_t rows() const { return rows_; }

  Result<TimeBounds> Bounds();
  Result<const TimeUs*> Times();
  /// What the measure's block says in front, without decoding it; present_count 0 if the column is absent.
  Result<const MeasureVectorStats*> Stats(std::size_t measure);
  Result<const MeasureVector*> Measure(std::size_t measure);
  /// The row group's (never null, but what it points to may be: the row group lacks the column). Row groups with the same strings mostly share it.
  Result<const DictionaryPtr*> Dictionary(std::size_t dimension);
  /// Bounds of the codes; 0 and 0 if the column is absent.
  Result<CodeBounds> BoundsOfCodes(std::size_t dimension);
  /// Null if the row group lacks the column.
  Result<const std::uint32_t*> Codes(std::size_t dimension);

  // Of everything since the beginning.
  [[nodiscard]] std::uint64_t vectors_decoded() const { return vectors_decoded_; }
  [[nodiscard]] std::uint64_t bytes_read() const { return bytes_read_; }  ///< Pages fetched.

 private:
  static constexpr std::uint32_t kNone = 0xFFFFFFFF;
  struct Page {
    std::uint32_t group = kNone;  // of `page`
    PagePtr page;                 // null: the row group lacks the column
  };
  struct MeasureState {
    ColumnId id = 0;
    Page page;
    std::uint32_t stats_of = kNone, values_of = kNone;  // vectors
    MeasureVectorStats stats;
    MeasureVector values;
  };
  struct DimensionState {
    ColumnId id = 0;
    Page page;
    std::uint32_t dictionary_of = kNone;  // row group
    DictionaryPtr dictionary;
    std::uint32_t codes_of = kNone;
    std::vector<std::uint32_t> codes;
  };
  Status Fetch(PageKind kind, ColumnId id, const PageRef* ref, Page* page);
  Status FetchTimes();
  Status FetchMeasure(MeasureState* m);
  Status FetchDimension(DimensionState* d);
  Status Decode(MeasureState* m);
  Result<const MeasureVector*> Quantity();
  [[nodiscard]] Status At(const Status& status, PageKind kind, ColumnId id) const;

  const SegmentReader::State* state_;
  std::uint32_t vector_ = kNone, group_ = kNone;
  std::size_t place_ = 0;  // of the vector in its row group
  std::size_t rows_ = 0, group_rows_ = 0;
  Page times_page_;
  std::uint32_t times_of_ = kNone;
  std::vector<TimeUs> times_;
  std::vector<MeasureState> measures_;
  std::vector<DimensionState> dimensions_;
  MeasureState quantity_;  // if it is wanted for derived costs only
  std::uint64_t vectors_decoded_ = 0, bytes_read_ = 0;
};

}  // namespace quipu
