// What takes the space in a segment file, from its footer alone.
#include <map>

#include "segment/segment_reader_state.h"

namespace quipu {

std::vector<PageBytes> SegmentReader::BytesByColumn() const {
  std::map<std::pair<PageKind, ColumnId>, PageBytes> columns;
  const SegmentFooter& footer = state_->footer;
  std::uint64_t rest = meta().file_bytes;
  for (const PlacedPage& page : PagesOf(footer)) {
    const PagePlace& place = page.place;
    const bool is_column = place.kind == PageKind::kMeasure || place.kind == PageKind::kDimension ||
                           place.kind == PageKind::kDictionary;
    PageBytes& sum = columns[{place.kind, place.column}];
    sum.kind = place.kind;
    sum.column = place.column;
    sum.bytes += page.ref.bytes;
    sum.rows = is_column ? sum.rows + footer.row_groups[place.ordinal].rows : footer.rows;
    rest -= page.ref.bytes;
  }
  std::vector<PageBytes> list;
  for (const auto& [key, sum] : columns) list.push_back(sum);
  list.push_back({PageKind::kFooter, 0, rest, footer.rows});
  return list;
}

}  // namespace quipu
