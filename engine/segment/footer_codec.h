// The footer of a segment as plain structs; footer_codec.cc is the only file that knows its FlatBuffers form.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "segment/dimension_set.h"
#include "segment/segment.h"

namespace quipu {

struct NamedId {
  std::uint32_t id = 0;
  std::string name;
};

struct RowGroupFooter {
  std::uint32_t rows = 0;
  TimeUs time_min = 0, time_max = 0;
  PageRef times;
  PageRef ids;                        ///< 0 bytes: there is none.
  std::vector<ColumnId> measure_ids;  ///< Ascending.
  std::vector<PageRef> measures;
  std::vector<ColumnId> dimension_ids;  ///< Ascending.
  std::vector<PageRef> codes, dictionaries;
  Totals totals;  ///< Without identities, which are only known for the whole segment.
};

/// Cells by dimension: of which set, of which services, where.
struct DimensionSetFooter {
  DimensionSet set;                     ///< As far as it concerns the segment.
  std::vector<ServiceOrdinal> covered;  ///< Ascending.
  PageRef cells;                        ///< 0 bytes: no service is covered.
};

struct SegmentFooter {
  SegmentSpec spec;
  std::uint32_t rows = 0, customers = 0;
  TimeUs time_min = 0, time_max = 0;
  Totals totals;
  std::vector<NamedId> measures, dimensions, services;  ///< Ascending.
  std::vector<RowGroupFooter> row_groups;
  PageRef directory, names, summaries;
  IdentityFooter identities;  ///< Empty: the segment has no ids.
  std::vector<DimensionSetFooter> dimension_sets;
  /// By which cells of one customer, and sketches, were left out.
  std::uint32_t cell_rows_min = kCellRowsMin, sketch_rows_min = kSketchRowsMin;
};

/// A page and where it must be to be itself.
struct PlacedPage {
  PagePlace place;
  PageRef ref;
};
/// All pages but the footer, in the order in which they stand in the file.
std::vector<PlacedPage> PagesOf(const SegmentFooter& footer);

/// kExhausted if a reader would refuse the footer for its size, or if it would not even fit a FlatBuffer.
Result<std::string> EncodeFooter(const SegmentFooter& footer);
/// The payload of the footer page at `footer_offset`. Checks everything that can be checked without other pages: that pages
/// tile the file from header to footer, counts, orders, sums. kCorruption without the name of the file.
Result<SegmentFooter> DecodeFooter(Bytes payload, std::uint64_t footer_offset);

}  // namespace quipu
