// Turns one row group of rows into its pages. Pure: no file, no state; the writer gives each page its place.
#pragma once

#include <functional>
#include <string>

#include "segment/footer_codec.h"

namespace quipu {

/// Puts a page into the file and returns where.
using PageSink =
    std::function<Result<PageRef>(PageKind kind, std::uint32_t column, const std::string& payload)>;

/// The pages of `rows` (1..65,536, with quantity in every row), in file order, and what the footer says of them. Columns that no
/// row uses are left out; without ids, so are sources, texts and milliseconds.
Result<RowGroupFooter> EncodeRowGroup(const RowBatch& rows, bool with_ids, const PageSink& sink);

}  // namespace quipu
