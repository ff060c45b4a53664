// The inside of SegmentReader, shared by segment_reader.cc (open, lazy parts, single vectors), segment_rows.cc (whole rows) and
// segment_verify.cc.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "segment/dictionary_cache.h"
#include "segment/footer_codec.h"
#include "segment/lazy.h"
#include "segment/segment.h"

namespace quipu {

/// Customer names by rank: the customers of the segment in ascending order.
struct CustomerNames {
  std::vector<CustomerOrdinal> ordinals;
  StringList names;
};

struct SegmentReader::State {
  std::string path;
  std::unique_ptr<ReadableFile> file;
  PageCache* cache = nullptr;  ///< May be null.
  SegmentFooter footer;
  PageRef footer_ref;
  SegmentMeta meta;
  std::vector<ColumnId> measures, dimensions;
  std::vector<std::pair<ServiceOrdinal, std::string>> services;

  Lazy<Directory> directory;
  Lazy<std::shared_ptr<const SummaryTable>> summaries;
  std::vector<DimensionSetInfo> dimension_sets;
  mutable std::array<Lazy<std::shared_ptr<const DimensionCells>>, kDimensionSetsMax>
      dimension_cells;
  IdentityCache own_prefix{~std::uint64_t{0}};        ///< If there is no PageCache.
  std::atomic<std::uint64_t> prefix_pages_asked = 0;  ///< Since the prefix was loaded last.
  Lazy<CustomerNames> names;
  mutable DictionaryCache dictionaries;

  /// Reads and verifies a page; the payload.
  [[nodiscard]] Result<std::string> ReadPage(PageKind kind, std::uint32_t column,
                                             std::size_t ordinal, const PageRef& ref) const;
  /// As ReadPage, through the cache.
  [[nodiscard]] Result<PagePtr> CachedPage(PageKind kind, std::uint32_t column, std::size_t ordinal,
                                           const PageRef& ref) const;
  /// Adds "file: kind page, column, ordinal, offset" to what a payload decoder has to say.
  [[nodiscard]] Status AtPage(const Status& status, PageKind kind, std::uint32_t column,
                              std::size_t ordinal) const;

  Result<const Directory*> LoadDirectory();
  Result<const CustomerNames*> LoadNames();
  Result<const SummaryTable*> LoadSummaries();
  Result<const DimensionCells*> LoadDimensionCells(std::size_t set) const;
  Result<IdentityPrefixPtr> LoadPrefix();
  Result<IdentityPrefixPtr> PrefixFor(std::size_t probes);
  Status FindInPrefixPages(std::uint32_t probe, std::uint64_t high,
                           std::vector<PrefixHit>* hits) const;
  Status CheckHits(std::span<const IdentityProbe> probes, std::vector<PrefixHit>* hits,
                   std::vector<IdentitySuspect>* suspects) const;
  Status ReadIdentityPrefixes(std::size_t page, std::vector<std::uint64_t>* prefixes) const;
  Status ReadIdentityRows(std::size_t page, std::vector<std::uint64_t>* rows) const;
  [[nodiscard]] Result<DictionaryPtr> DimensionDictionary(std::size_t group,
                                                          std::size_t column) const;
  [[nodiscard]] Result<DictionaryPtr> Sources(std::size_t group, Bytes ids_payload) const;
};

/// A vector of the segment: its row group, its number and size inside it.
struct VectorPlace {
  std::size_t group = 0, vector = 0;
  std::size_t group_rows = 0, rows = 0;
};
VectorPlace PlaceOf(const SegmentFooter& footer, std::uint32_t v);

/// Reads header and trailer and compares them with the open file's footer: also for a file that was damaged after it was opened.
Status CheckFrame(const SegmentReader::State& state);

/// Position of `id` in a sorted list, or the list's size.
std::size_t IndexOf(const std::vector<ColumnId>& ids, ColumnId id);

}  // namespace quipu
