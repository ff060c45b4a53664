// The frame of a segment file: 64 bytes in front, 40 at the end. Their layout, and that of their checksums, is the same in every
// version of the format, so that damage and a newer version can be told apart.
//
//     header  0  8  "QUIPUSEG"                trailer  0  8  offset of the footer page
//             8  2  format version                     8  4  bytes of the footer page
//            10  2  header bytes, 64                  12  2  format version
//            12  4  month, i32                        14  2  trailer bytes, 40
//            16  8  segment id                        16  8  bytes of the whole file
//            24 16  store id (high, low)              24  8  XXH3-64 of bytes 0..23
//            40 16  0                                 32  8  "QUIPUEND"
//            56  8  XXH3-64 of bytes 0..55
#pragma once

#include <string>
#include <string_view>

#include "base/bytes.h"
#include "segment/segment.h"

namespace quipu {

inline constexpr std::size_t kSegmentHeaderBytes = 64;
inline constexpr std::size_t kSegmentTrailerBytes = 40;

struct SegmentHeader {
  Hash128 store_id;
  std::uint64_t segment_id = 0;
  MonthIndex month = 0;
};
std::string EncodeSegmentHeader(const SegmentHeader& header);
/// `in` has kSegmentHeaderBytes. kUnsupported for a newer version, naming both.
Result<SegmentHeader> DecodeSegmentHeader(Bytes in, std::string_view file);

struct SegmentTrailer {
  PageRef footer;
  std::uint64_t file_bytes = 0;
};
std::string EncodeSegmentTrailer(const SegmentTrailer& trailer);
/// `in` has kSegmentTrailerBytes; checks that footer, trailer and `file_bytes`, the size found, fit together.
Result<SegmentTrailer> DecodeSegmentTrailer(Bytes in, std::uint64_t file_bytes,
                                            std::string_view file);

}  // namespace quipu
