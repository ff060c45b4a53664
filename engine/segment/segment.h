// A segment: one immutable columnar file of one month (UTC) of usage, for any number of customers.
//
//     +---------+-------------+-----+-------------+-----------+-------+-----------+----------------+--------+---------+
//     | header  | row group 0 | ... | row group n | directory | names | summaries | identity index | footer | trailer |
//     +---------+-------------+-----+-------------+-----------+-------+-----------+----------------+--------+---------+
//                  row group = times page, a page per measure, per dimension a codes page and a dictionary page,
//                              if need be an ids page
//
// Rows are sorted by (customer, service, time). A row group is 65,536 rows (the last one fewer), cut into vectors of 1,024
// rows; the vector is the unit that is decoded. formats/segment.md specifies every byte.
//
// Invariants:
//   (1) A file is written front to back, synced, renamed into place, its folder synced; then it never changes.
//   (2) Every byte after the header and before the trailer is inside a page; every page's checksum is bound to its place.
//   (3) The footer's totals equal the sums over the rows; Verify re-derives them.
//   (4) Summary cells and raw rows of the same segment say the same thing.
//   (5) All bytes read are untrusted: damage is kCorruption that names the file and the place.
//   (6) A segment with summaries only has no row groups, ids nor identities: header, directory, names, summaries, footer, trailer. Its cells
//       tile the rows that were (Verify adds them up): every day of a (customer, service) with rows has one.
//
// A writer streams: Append takes rows in segment order and holds at most one row group (and the summary builder's state) in memory.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/calendar.h"
#include "base/vfs.h"
#include "batch/row_batch.h"
#include "segment/dimension_cells.h"
#include "segment/directory.h"
#include "segment/identity_index.h"
#include "segment/names.h"
#include "segment/page.h"
#include "segment/page_cache.h"
#include "segment/summary.h"
#include "segment/totals.h"

namespace quipu {

inline constexpr std::uint16_t kSegmentFormatVersion = 1;
inline constexpr std::uint32_t kRowGroupRows = 65'536;
inline constexpr std::uint32_t kVectorRows = 1'024;
inline constexpr std::uint64_t kSegmentRowsMax = 1ull << 31;

/// What a segment is before its rows are known.
struct SegmentSpec {
  Hash128 store_id;
  std::uint64_t segment_id = 0;  ///< Never reused within a store.
  MonthIndex month = 0;
  std::uint64_t seq_first = 0, seq_last = 0;  ///< Commits whose rows it may hold.
  /// The rows have expired; what is left is the directory and cells of every (customer, service) and day. Totals, time bounds and runs
  /// are those of the rows that were.
  bool summaries_only = false;
  /// Pages become zstd frames of this level where that makes them smaller; 0 = never. For writing only, not stored.
  int wrap_level = 0;
};

/// How far compaction has brought a segment (upkeep/compaction.h). Stored: never renumber.
enum class SegmentLevel : std::uint8_t {
  kSealed = 0,  ///< L0: as it came out of the hot tier.
  kMerged = 1,  ///< L1: several of them; the month may get more.
  kClosed = 2,  ///< L2: a month at rest; every customer is in one file, or in files of its own.
};

/// What the manifest needs to know of a finished segment.
struct SegmentMeta {
  SegmentSpec spec;
  std::string file_name;  ///< Inside the segments folder: "0000000012-2026-03.seg".
  std::uint64_t file_bytes = 0;
  std::uint64_t footer_checksum =
      0;  ///< Of the footer page; the manifest's proof that this is the file.
  TimeUs time_min = 0, time_max = 0;  ///< Inclusive.
  std::uint32_t customers = 0;
  CustomerOrdinal customer_first = 0, customer_last = ~CustomerOrdinal{0};  ///< Inclusive.
  Totals totals;

  // Only the manifest knows the following; the file is the same whatever they say.

  SegmentLevel level = SegmentLevel::kSealed;
  /// Files of one run have no customer in common, but for the files that hold one customer only. Named after the first
  /// segment of the run; 0 = not installed yet.
  std::uint64_t run = 0;
  TimeUs sealed_us =
      0;  ///< When its rows were sealed, by the clock on the wall; the mean over rows.
  std::uint32_t archive =
      0;  ///< Number of the archive folder that holds the file; 0 = the store's own segments/.
};

std::string SegmentFileName(std::uint64_t segment_id, MonthIndex month);

struct FoldedSummaries;

/// Writes the index entries of a segment, in order, when its rows are known.
using IdentityFeed = std::function<Status(IdentityIndexWriter*)>;

class SegmentWriter {
 public:
  /// Starts `folder`/<name>.tmp. `vfs` and `names` must outlive the writer. `bounds` are the defaults but in tests.
  static Result<std::unique_ptr<SegmentWriter>> Create(Vfs* vfs, const std::string& folder,
                                                       const SegmentSpec& spec, const Names* names,
                                                       const SummaryBounds& bounds = {});
  ~SegmentWriter();  ///< Unfinished: the file is removed under whatever name it has, if that works.
  /// Before the first Append: the rows come without keys (`identities` and `id_forms` empty), and `feed` will write the index.
  void SetIdentities(IdentityFeed feed);
  /// Before the first Append: the segment shall have no ids, only their total. Sources, texts and keys of the rows are left out; keys of
  /// rows that come with some are added to the total.
  void DropIdentities(const IdentityTotal& total);
  /// Before the first Append: the sets that the segment shall have cells for, where they pay.
  void SetDimensionSets(std::vector<DimensionSet> sets);
  /// Rows in segment order, after all earlier ones; all of the month. Order and month are checked (kInternal).
  Status Append(const RowBatch& rows);
  /// In place of rows, once: summaries of rows that have expired before (segment/summary_fold.h). For SegmentSpec::summaries_only.
  Status Adopt(FoldedSummaries summaries);
  /// Writes the rest, syncs, renames, syncs the folder. At least one row. After an error the file is abandoned. kExhausted, from here or
  /// from Append: more than a reader would take (cells, names, bytes of a page); the message says of what.
  Result<SegmentMeta> Finish();
  /// Encoded so far; rows of an unfinished row group are not in it.
  [[nodiscard]] std::uint64_t bytes() const;

 private:
  struct State;
  explicit SegmentWriter(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// Zone map of a time vector; inclusive.
struct TimeBounds {
  TimeUs min = 0, max = 0;
};

/// One vector of a measure. `present` has one byte per row; mantissas at absent rows are 0.
struct MeasureVector {
  int scale = 0;
  Int128 min = 0, max = 0;  ///< Of the values that are there, as the file says.
  bool all_present = false;
  bool is_wide = false;
  std::uint32_t present_count = 0;
  std::vector<std::uint8_t> present;
  std::vector<std::int64_t> narrow;  ///< If not wide.
  std::vector<Int128> wide;          ///< If wide.
  [[nodiscard]] Int128 Mantissa(std::size_t i) const {
    return is_wide ? wide[i] : Int128{narrow[i]};
  }
};

/// The dictionary of one dimension in one row group, sorted.
using DictionaryPtr = std::shared_ptr<const StringList>;

/// One vector of a dimension: codes into the row group's dictionary, 0 = absent, else 1 + index.
struct DimensionVector {
  DictionaryPtr dictionary;
  std::vector<std::uint32_t> codes;
};

/// Names what SegmentReader::Derived keeps.
enum class DerivedKind : std::uint8_t {
  kRunSums,
  kSketchSums,
  kRunSlices,
  kRunDays,
  kDaysOfRun,
  kWholeRun,
};
struct DerivedKey {
  DerivedKind kind = DerivedKind::kRunSums;
  std::uint32_t place = 0;  ///< Below 2^26: a cell's or run's number, a range of hours, or 0.
  ColumnId column = 0;
};

/// What the pages of one kind and column take in a file.
struct PageBytes {
  PageKind kind = PageKind::kFooter;  ///< kFooter: also header and trailer.
  ColumnId column = 0;
  std::uint64_t bytes = 0;
  std::uint64_t rows =
      0;  ///< Of the row groups that have the column; of the segment, where it is not of a column.
};

/// What ReadRows fills in. Without keys, `identities` and `id_forms` stay empty, which is much cheaper. Without ids, `id_texts` and `id_millis` do
/// too, and every source is "".
enum class RowParts : std::uint8_t { kAll, kWithoutKeys, kWithoutIds };

/// A question to the identity index, and an answer.
struct IdentityProbe {
  Hash128 key;
  IdForm form = IdForm::kText;
};
struct IdentitySuspect {
  std::uint32_t probe = 0;  ///< Its place among the questions.
  std::uint32_t row = 0;
};

struct SegmentVerifyReport {
  std::uint64_t pages = 0, rows = 0, cells = 0;
  std::vector<std::string> problems;  ///< At most 100.
};

/// A segment open for reading. Immutable, safe from several threads. Vector v holds rows [1024 v, 1024 v + VectorRowCount(v)).
class SegmentReader {
 public:
  /// Reads and checks header, trailer and footer (not yet the pages); compares with `meta` where given: kCorruption on any difference,
  /// kUnsupported for a newer format.
  static Result<std::shared_ptr<SegmentReader>> Open(Vfs* vfs, const std::string& path,
                                                     const SegmentMeta* meta, PageCache* cache);
  ~SegmentReader();

  [[nodiscard]] const SegmentMeta& meta() const;
  [[nodiscard]] const std::string& path() const;
  /// Rows that can be read: none if the segment has summaries only (its meta().totals.rows are then those that were).
  [[nodiscard]] std::uint32_t rows() const;
  [[nodiscard]] std::uint32_t vectors() const { return (rows() + kVectorRows - 1) / kVectorRows; }
  [[nodiscard]] std::uint32_t VectorRowCount(std::uint32_t v) const;
  /// Columns that at least one row uses, ascending.
  [[nodiscard]] std::span<const ColumnId> measures() const;
  [[nodiscard]] std::span<const ColumnId> dimensions() const;
  [[nodiscard]] bool HasMeasure(ColumnId id) const;
  [[nodiscard]] bool HasDimension(ColumnId id) const;
  /// Services that occur, with the names stored in the file.
  [[nodiscard]] const std::vector<std::pair<ServiceOrdinal, std::string>>& services() const;

  /// After an error the customers are missing, since they have a page of their own.
  Status ReadNames(SegmentNames* names) const;

  /// Loaded at first use and kept.
  Result<const Directory*> directory() const;
  Result<const SummaryTable*> summaries() const;
  /// They are in memory: somebody has asked for them.
  [[nodiscard]] bool has_summaries_in_memory() const;
  /// Loads what every question needs of it. What fails here fails again for who asks.
  void PrepareForQuestions() const;

  /// Cells by dimension: the sets that the segment has been made with, those of which no service is covered included.
  struct DimensionSetInfo {
    DimensionSet set;
    std::vector<ServiceOrdinal> covered;  ///< Ascending.
    std::uint64_t bytes = 0;              ///< Of its page.
  };
  [[nodiscard]] const std::vector<DimensionSetInfo>& dimension_sets() const;
  /// Those of the set at that place of dimension_sets(), which covers some service. Loaded at first use and kept.
  Result<const DimensionCells*> dimension_cells(std::size_t set) const;
  /// Writes a segment `segment_id` into `folder`: the same pages, and cells for these sets in place of those that it has. Rows are read, not
  /// written. `go_on` is told now and then how many bytes were written since it was last asked. As after SegmentWriter::Finish.
  Result<SegmentMeta> CopyWithDimensionCells(
      Vfs* vfs, const std::string& folder, std::uint64_t segment_id,
      const std::vector<DimensionSet>& sets, int wrap_level,
      const std::function<Status(std::uint64_t bytes)>& go_on) const;

  /// Decoding. A column that the segment (or the row group) lacks is all absent.
  Result<TimeBounds> TimeBoundsOf(std::uint32_t v) const;
  Status ReadTimes(std::uint32_t v, std::vector<TimeUs>* out) const;
  Status ReadMeasure(ColumnId id, std::uint32_t v, MeasureVector* out) const;
  Status ReadDimension(ColumnId id, std::uint32_t v, DimensionVector* out) const;
  /// Whole rows [first, first + count), count > 0, everything filled in.
  Result<RowBatch> ReadRows(std::uint32_t first, std::uint32_t count,
                            RowParts parts = RowParts::kAll) const;
  /// Whole single rows, ascending row numbers.
  Result<RowBatch> ReadRows(std::span<const std::uint32_t> rows,
                            RowParts parts = RowParts::kAll) const;

  /// False: the ids were dropped; keys are 0, forms text, texts "".
  [[nodiscard]] bool has_ids() const;
  /// Which rows have the keys and forms asked for? Usually none. Customer, source, text and milliseconds are the caller's to compare.
  /// The index's prefix is loaded and kept (IdentityCache) once as many keys were asked for as it has pages; before that each costs a page of it.
  /// Questions in one call share their waiting for memory.
  Status FindIdentities(std::span<const IdentityProbe> probes,
                        std::vector<IdentitySuspect>* suspects) const;
  /// Keys and forms of ascending rows. The index is sorted by key, so this reads the row numbers of all of it: ask for many at once.
  Status ReadIdentities(std::span<const std::uint32_t> rows, std::vector<Hash128>* keys,
                        std::vector<IdForm>* forms) const;
  /// Entries of one rows page of the index (8,192); see IdentityCursor.
  Status ReadIndexPage(std::size_t page, std::vector<IdentityEntry>* entries) const;

  /// Bytes that are computed from what is stored and then kept in the page cache, like a page that was read. The same key must always mean the same
  /// bytes.
  Result<PagePtr> Derived(const DerivedKey& key,
                          const std::function<Result<std::string>()>& make) const;

  /// By (kind, column); together the whole file. From the footer, without reading a page.
  [[nodiscard]] std::vector<PageBytes> BytesByColumn() const;
  /// Every page's checksum, totals, order, directory, identity index, and every summary cell re-derived from the rows.
  Status Verify(SegmentVerifyReport* report) const;
  /// Memory that stays with an open segment (directory, summaries, names), about.
  [[nodiscard]] std::uint64_t resident_bytes() const;

  struct State;

 private:
  friend class VectorCursor;
  explicit SegmentReader(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace quipu
