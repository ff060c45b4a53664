// Pages: the checksummed unit of a segment file.
//
//     offset  size  field
//          0     8  checksum   XXH3-64 of bytes [8, 16 + payload), seeded with the page's place
//          8     4  payload bytes
//         12     1  kind (PageKind)
//         13     1  flags: 1 = wrapped (the archive does that): the payload is its size unwrapped, u32, and a zstd frame
//         14     2  key id, 0 = not encrypted; reserved for encryption, a reader refuses others as kUnsupported
//         16     n  payload
//
// The *place* is (store id, segment id, kind, column, ordinal, file offset): PlaceSeed hashes it, so a page that was swapped with another one, moved
// or taken from an older file fails its checksum although its bytes are intact. The same 48 bytes are the binding data for
// authenticated encryption.
#pragma once

#include <cstdint>
#include <string>

#include "base/bytes.h"
#include "base/hash.h"
#include "base/vfs.h"
#include "quipu/status.h"

namespace quipu {

/// Stored: never renumber.
enum class PageKind : std::uint8_t {
  kTimes = 1,       ///< Column chunk of a row group.
  kMeasure = 2,     ///< Column chunk of a row group; column = measure id.
  kDimension = 3,   ///< Codes of a row group; column = dimension id.
  kDictionary = 4,  ///< Of a row group's dimension; column = dimension id.
  kIds = 5,         ///< Of a row group: sources, texts of ids, milliseconds; where there are any.
  kDirectory = 6,   ///< Customer and service runs.
  kNames = 7,       ///< Customer names.
  kSummaries = 8,   ///< Summary cells.
  kIdentityPrefix = 9,  ///< Upper bits of the sorted keys; ordinal = page, as in the next two.
  kIdentityKeys = 10,   ///< Their other bits and forms.
  kFooter = 11,
  kIdentityRows = 12,  ///< Their row numbers.
  kDimensionCells =
      13,  ///< Summary cells by dimension; ordinal = place in the footer's list of sets.
};
std::string_view PageKindName(PageKind kind);

inline constexpr std::size_t kPageHeaderBytes = 16;
inline constexpr std::uint32_t kPagePayloadBytesMax = 256u << 20;

struct PagePlace {
  Hash128 store_id;
  std::uint64_t segment_id = 0;
  PageKind kind = PageKind::kFooter;
  std::uint32_t column = 0;
  std::uint32_t ordinal = 0;  ///< Row group, or chunk.
  std::uint64_t offset = 0;   ///< Of the page in the file.
};
std::uint64_t PlaceSeed(const PagePlace& place);

/// Where a page is; `bytes` includes the page header.
struct PageRef {
  std::uint64_t offset = 0;
  std::uint32_t bytes = 0;
};

/// Header and payload as they go into the file; with a `wrap_level` above 0 wrapped in zstd if that is smaller. Returns the bytes of
/// the page, header included.
std::uint32_t AppendPage(const PagePlace& place, Bytes payload, int wrap_level, std::string* out);
inline void AppendPage(const PagePlace& place, Bytes payload, std::string* out) {
  (void)AppendPage(place, payload, 0, out);
}
/// Checks a page that was read from `place` and returns its payload: a view of `page`, or of `unwrapped`, which then holds it. kCorruption
/// names `file`, kind, column, ordinal and offset.
Result<Bytes> OpenPage(const PagePlace& place, Bytes page, std::string_view file,
                       std::string* unwrapped);
/// Checks the page's checksum at one place and gives it that of another; the rest of its bytes stay.
Status MovePage(const PagePlace& from, const PagePlace& to, std::string_view file,
                std::string* page);

}  // namespace quipu
