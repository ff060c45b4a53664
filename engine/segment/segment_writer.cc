// The writer keeps in memory: the rows of an unfinished row group, the summary builder's state, the directory, and for the identity
// index an entry of 24 bytes for every row of the segment, sorted at the end (not if the entries come from elsewhere: a merge).
#include <algorithm>
#include <array>
#include <cstdio>
#include <set>
#include <tuple>

#include "base/canary.h"
#include "base/check.h"
#include "quipu/event.h"
#include "segment/dimension_cell_builder.h"
#include "segment/footer_codec.h"
#include "segment/row_group_encoder.h"
#include "segment/segment.h"
#include "segment/segment_frame.h"
#include "segment/string_page.h"
#include "segment/summary_fold.h"

namespace quipu {
namespace {

// Pieces of rows that are waiting are joined up to this size, so that appending row by row stays linear.
constexpr std::size_t kPieceRowsMax = 4096;
constexpr std::size_t kFlushBytes = 4u << 20;

RowBatch Slice(const RowBatch& rows, std::size_t first, std::size_t count) {
  std::vector<RowRef> refs(count);
  for (std::size_t i = 0; i < count; ++i) refs[i] = {0, static_cast<std::uint32_t>(first + i)};
  const RowBatch* const batch = &rows;
  return Gather({&batch, 1}, refs);
}

RowBatch Join(std::span<const RowBatch> pieces) {
  std::vector<const RowBatch*> batches;
  std::vector<RowRef> refs;
  for (std::uint32_t b = 0; b < pieces.size(); ++b) {
    batches.push_back(&pieces[b]);
    for (std::uint32_t row = 0; row < pieces[b].size(); ++row) refs.push_back({b, row});
  }
  return Gather(batches, refs);
}

SummaryBounds BoundsFor(const SegmentSpec& spec, SummaryBounds bounds) {
  bounds.every_customer_day = spec.summaries_only;
  return bounds;
}

using OrderKey = std::tuple<CustomerOrdinal, ServiceOrdinal, TimeUs>;
OrderKey KeyOf(const RowBatch& rows, std::size_t i) {
  return {rows.customers[i], rows.services[i], rows.times[i]};
}

}  // namespace

std::string SegmentFileName(std::uint64_t segment_id, MonthIndex month) {
  constexpr std::size_t kDigits = 10;
  std::string id = std::to_string(segment_id);
  if (id.size() < kDigits) id.insert(0, kDigits - id.size(), '0');
  return id + "-" + MonthText(month) + ".seg";
}

struct SegmentWriter::State {
  State(Vfs* vfs_in, const std::string& folder_in, const SegmentSpec& spec, const Names* names_in,
        const SummaryBounds& bounds)
      : vfs(vfs_in),
        folder(folder_in),
        names(names_in),
        summaries(spec.month, names_in, BoundsFor(spec, bounds)) {
    footer.spec = spec;
    footer.cell_rows_min = bounds.cell_rows_min;
    footer.sketch_rows_min = bounds.sketch_rows_min;
    final_path = JoinPath(folder, SegmentFileName(spec.segment_id, spec.month));
    tmp_path = final_path + ".tmp";
  }

  Status CheckRows(const RowBatch& rows);
  Status Take(const RowBatch& rows);
  Status WritePending();
  Status WriteRowGroup(const RowBatch& rows);
  Result<PageRef> WritePage(PageKind kind, std::uint32_t column, std::uint32_t ordinal,
                            const std::string& payload);
  Status WriteNames();
  Status WriteIdentities();
  Status WriteDimensionCells();
  Status WriteDimensionCells(FinishedDimensionCells cells);
  Status WriteTail(SegmentMeta* meta);
  Status Flush();
  Status Publish();
  void DescribeColumns();

  Vfs* vfs;
  std::string folder, final_path, tmp_path;
  const Names* names;
  std::unique_ptr<WritableFile> file;
  bool is_failed = false, is_renamed = false, is_finished = false;
  std::string buffer;         // not yet in the file
  std::uint64_t flushed = 0;  // bytes in the file
  std::vector<RowBatch> pending;
  std::size_t pending_rows = 0;
  bool has_last = false;
  OrderKey last;
  Totals appended;
  SegmentFooter footer;
  Directory directory;
  SummaryBuilder summaries;
  std::vector<DimensionCellBuilder> dimension_cells;
  std::vector<IdentityEntry> identities;  // of all rows so far, if keys come with them
  IdentityFeed feed;                      // if they do not
  bool drops_ids = false;
  std::set<ServiceOrdinal> services;
  std::string folded_cells;  // not empty: adopted, in place of what `summaries` would say
};

SegmentWriter::SegmentWriter(std::unique_ptr<State> state) : state_(std::move(state)) {}

SegmentWriter::~SegmentWriter() {
  if (state_->is_finished) return;
  state_->file.reset();
  // Renamed, but not known to stay so: no manifest will name the file. Recovery removes what stays behind.
  (void)state_->vfs->Unlink(state_->is_renamed ? state_->final_path : state_->tmp_path);
}

Result<std::unique_ptr<SegmentWriter>> SegmentWriter::Create(Vfs* vfs, const std::string& folder,
                                                             const SegmentSpec& spec,
                                                             const Names* names,
                                                             const SummaryBounds& bounds) {
  auto state = std::make_unique<State>(vfs, folder, spec, names, bounds);
  QUIPU_TRY_ASSIGN(state->file, vfs->Create(state->tmp_path));
  state->drops_ids = spec.summaries_only;
  state->buffer = EncodeSegmentHeader({spec.store_id, spec.segment_id, spec.month});
  return std::unique_ptr<SegmentWriter>(new SegmentWriter(std::move(state)));
}

std::uint64_t SegmentWriter::bytes() const { return state_->flushed + state_->buffer.size(); }

void SegmentWriter::SetIdentities(IdentityFeed feed) {
  QUIPU_CHECK(state_->appended.rows == 0 && feed != nullptr);
  state_->feed = std::move(feed);
}

void SegmentWriter::SetDimensionSets(std::vector<DimensionSet> sets) {
  QUIPU_CHECK(state_->appended.rows == 0 && sets.size() <= kDimensionSetsMax);
  for (DimensionSet& set : sets)
    state_->dimension_cells.emplace_back(state_->footer.spec.month, std::move(set));
}

void SegmentWriter::DropIdentities(const IdentityTotal& total) {
  QUIPU_CHECK(state_->appended.rows == 0);
  state_->drops_ids = true;
  state_->appended.identities = total;
}

Status SegmentWriter::Append(const RowBatch& rows) {
  State& s = *state_;
  if (s.is_failed || s.is_finished)
    return Status::Internal("segment writer: used after its end: " + s.tmp_path);
  s.is_failed = true;  // until it went well
  QUIPU_TRY(s.CheckRows(rows));
  QUIPU_TRY(s.Take(rows));
  s.is_failed = false;
  return Status();
}

Status SegmentWriter::Adopt(FoldedSummaries summaries) {
  State& s = *state_;
  if (s.is_failed || s.is_finished || !s.footer.spec.summaries_only ||
      !s.directory.runs().empty() || s.pending_rows > 0) {
    return Status::Internal("segment writer: summaries need a segment of their own: " + s.tmp_path);
  }
  s.directory = std::move(summaries.directory);
  for (const Run& run : s.directory.runs()) s.services.insert(run.service);
  s.footer.time_min = summaries.time_min;
  s.footer.time_max = summaries.time_max;
  s.footer.totals = summaries.totals;
  s.appended = std::move(summaries.totals);
  s.folded_cells = std::move(summaries.payload);
  return Status();
}

Status SegmentWriter::State::CheckRows(const RowBatch& rows) {
  if (rows.size() > kSegmentRowsMax - appended.rows) {
    return Status::Exhausted("segment writer: more than " + std::to_string(kSegmentRowsMax) +
                             " rows; start another segment");
  }
  const TimeUs from = MonthStart(footer.spec.month), to = MonthStart(footer.spec.month + 1);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (rows.times[i] < from || rows.times[i] >= to) {
      return Status::Internal("segment writer: time " + FormatTime(rows.times[i]) + " is not in " +
                              MonthText(footer.spec.month));
    }
    const bool first = i == 0;
    if (first && !has_last) continue;
    if (first ? last > KeyOf(rows, 0) : SegmentOrderLess(rows, i, rows, i - 1)) {
      return Status::Internal("segment writer: row " + std::to_string(appended.rows + i) +
                              " is out of order");
    }
  }
  if (!rows.empty()) {
    last = KeyOf(rows, rows.size() - 1);
    has_last = true;
  }
  return Status();
}

Status SegmentWriter::State::Take(const RowBatch& rows) {
  const bool has_keys = feed == nullptr && !drops_ids;
  for (std::size_t i = 0; has_keys && i < rows.size(); ++i) {
    identities.push_back(
        {rows.identities[i], static_cast<std::uint32_t>(identities.size()), rows.id_forms[i]});
  }
  appended.Add(TotalsOf(rows));
  std::size_t first = 0;
  while (first < rows.size()) {
    const std::size_t n = std::min<std::size_t>(rows.size() - first, kRowGroupRows - pending_rows);
    if (n == kRowGroupRows && n == rows.size()) return WriteRowGroup(rows);  // no copy needed
    pending.push_back(Slice(rows, first, n));
    pending_rows += n;
    first += n;
    while (pending.size() >= 2) {
      const std::size_t before = pending[pending.size() - 2].size();
      const std::size_t after = pending.back().size();
      if (before > after || before + after > kPieceRowsMax) break;
      RowBatch joined = Join(std::span(pending).last(2));
      pending.pop_back();
      pending.back() = std::move(joined);
    }
    if (pending_rows == kRowGroupRows) QUIPU_TRY(WritePending());
  }
  return Status();
}

Status SegmentWriter::State::WritePending() {
  const Status written =
      pending.size() == 1 ? WriteRowGroup(pending[0]) : WriteRowGroup(Join(pending));
  pending.clear();
  pending_rows = 0;
  return written;
}

Status SegmentWriter::State::WriteRowGroup(const RowBatch& rows) {
  const auto ordinal = static_cast<std::uint32_t>(footer.row_groups.size());
  const auto sink = [&](PageKind kind, std::uint32_t column, const std::string& payload) {
    return WritePage(kind, column, ordinal, payload);
  };
  RowGroupFooter group;
  if (footer.spec.summaries_only) {
    const auto [min, max] = std::minmax_element(rows.times.begin(), rows.times.end());
    group.time_min = *min;
    group.time_max = *max;
    group.totals = TotalsOf(rows);
  } else {
    QUIPU_TRY_ASSIGN(group, EncodeRowGroup(rows, !drops_ids, sink));
  }
  QUIPU_TRY(summaries.Add(rows));
  for (DimensionCellBuilder& builder : dimension_cells) builder.Add(rows);
  const bool first = directory.runs().empty();
  std::size_t run = 0;
  for (std::size_t i = 1; i <= rows.size(); ++i) {
    if (i < rows.size() && rows.customers[i] == rows.customers[run] &&
        rows.services[i] == rows.services[run])
      continue;
    directory.Append(rows.customers[run], rows.services[run], static_cast<std::uint32_t>(i - run));
    services.insert(rows.services[run]);
    run = i;
  }
  footer.time_min = first ? group.time_min : std::min(footer.time_min, group.time_min);
  footer.time_max = first ? group.time_max : std::max(footer.time_max, group.time_max);
  footer.totals.Add(group.totals);
  if (!footer.spec.summaries_only) footer.row_groups.push_back(std::move(group));
  return Status();
}

Result<PageRef> SegmentWriter::State::WritePage(PageKind kind, std::uint32_t column,
                                                std::uint32_t ordinal, const std::string& payload) {
  if (payload.size() > kPagePayloadBytesMax) {
    return Status::Exhausted("segment writer: " + std::string(PageKindName(kind)) + " page of " +
                             std::to_string(payload.size()) + " bytes, at most " +
                             std::to_string(kPagePayloadBytesMax) + " are possible: " + tmp_path);
  }
  PageRef ref{flushed + buffer.size(), 0};
  const PagePlace place{
      footer.spec.store_id, footer.spec.segment_id, kind, column, ordinal, ref.offset};
  // The footer is read before anything is known about the file, so it stays as it is.
  const int level = kind == PageKind::kFooter ? 0 : footer.spec.wrap_level;
  ref.bytes = AppendPage(place, AsBytes(payload), level, &buffer);
  if (buffer.size() >= kFlushBytes && kind != PageKind::kFooter) QUIPU_TRY(Flush());
  return ref;
}

Status SegmentWriter::State::Flush() {
  QUIPU_TRY(file->Append(AsBytes(buffer)));
  flushed += buffer.size();
  buffer.clear();
  return Status();
}

Status SegmentWriter::State::WriteNames() {
  std::vector<std::string_view> list;
  list.reserve(directory.customers());
  const Run* previous = nullptr;
  for (const Run& run : directory.runs()) {
    if (previous == nullptr || previous->customer != run.customer)
      list.push_back(names->Customer(run.customer));
    previous = &run;
  }
  std::string payload;
  const Status encoded = EncodeStringPage(
      list, {.count_max = list.size(), .string_bytes_max = kNameBytesMax, .sorted = false},
      &payload);
  if (!encoded.ok()) {
    return encoded.WithContext(
        "segment writer: the names of " + std::to_string(list.size()) +
        " customers are too much for one segment, write several: " + tmp_path);
  }
  QUIPU_TRY_ASSIGN(footer.names, WritePage(PageKind::kNames, 0, 0, payload));
  return Status();
}

Status SegmentWriter::State::WriteIdentities() {
  if (drops_ids) return Status();
  IdentityIndexWriter writer(footer.rows,
                             [&](PageKind kind, std::size_t page, const std::string& payload) {
                               return WritePage(kind, 0, static_cast<std::uint32_t>(page), payload);
                             });
  if (feed != nullptr) {
    QUIPU_TRY(feed(&writer));
  } else {
    std::vector<IdentityEntry> scratch(identities.size());
    SortIdentities(identities, scratch);
    QUIPU_TRY(writer.Add(identities));
  }
  QUIPU_TRY_ASSIGN(footer.identities, writer.Finish());
  footer.totals.identities = writer.total();
  return Status();
}

// Cells of the declared sets, as far as they concern the rows. Where rows go, so do the lists of their dimensions: the sets keep theirs.
Status SegmentWriter::State::WriteDimensionCells() {
  const std::vector<ServiceOrdinal> all_services(services.begin(), services.end());
  std::vector<ColumnId> dimensions, measures;
  for (const NamedId& named : footer.dimensions) dimensions.push_back(named.id);
  for (const NamedId& named : footer.measures) measures.push_back(named.id);
  std::vector<DimensionSet> seen;
  for (DimensionCellBuilder& builder : dimension_cells) {
    const std::vector<ColumnId>& there =
        footer.spec.summaries_only ? builder.set().dimensions : dimensions;
    const DimensionSet here = RestrictedTo(builder.set(), all_services, there, measures);
    if (here.dimensions.empty() || std::find(seen.begin(), seen.end(), here) != seen.end())
      continue;
    seen.push_back(here);
    QUIPU_TRY_ASSIGN(FinishedDimensionCells cells, builder.Finish(all_services, there, measures));
    QUIPU_TRY(WriteDimensionCells(std::move(cells)));
  }
  return Status();
}

Status SegmentWriter::State::WriteDimensionCells(FinishedDimensionCells cells) {
  const auto ordinal = static_cast<std::uint32_t>(footer.dimension_sets.size());
  DimensionSetFooter& entry = footer.dimension_sets.emplace_back();
  entry.set = std::move(cells.set);
  if (cells.covered.empty()) return Status();
  entry.covered = std::move(cells.covered);
  QUIPU_TRY_ASSIGN(entry.cells, WritePage(PageKind::kDimensionCells, 0, ordinal, cells.payload));
  return Status();
}

void SegmentWriter::State::DescribeColumns() {
  std::set<ColumnId> dimensions;
  for (const RowGroupFooter& group : footer.row_groups) {
    dimensions.insert(group.dimension_ids.begin(), group.dimension_ids.end());
  }
  for (const auto& [id, total] : footer.totals.measures)
    footer.measures.push_back({id, std::string(names->Measure(id))});
  for (const ColumnId id : dimensions)
    footer.dimensions.push_back({id, std::string(names->Dimension(id))});
  for (const ServiceOrdinal service : services)
    footer.services.push_back({service, std::string(names->Service(service))});
}

// Everything after the row groups.
Status SegmentWriter::State::WriteTail(SegmentMeta* meta) {
  footer.rows = static_cast<std::uint32_t>(directory.rows());
  footer.customers = directory.customers();
  DescribeColumns();
  std::string payload;
  directory.EncodeTo(&payload);
  QUIPU_TRY_ASSIGN(footer.directory, WritePage(PageKind::kDirectory, 0, 0, payload));
  QUIPU_TRY(WriteNames());
  std::string cells = std::move(folded_cells);
  if (cells.empty()) {
    QUIPU_TRY_ASSIGN(cells, summaries.Finish());
  }
  QUIPU_TRY_ASSIGN(footer.summaries, WritePage(PageKind::kSummaries, 0, 0, cells));
  if (!footer.spec.summaries_only) QUIPU_TRY(WriteIdentities());
  QUIPU_TRY(WriteDimensionCells());
  QUIPU_TRY(Flush());
  QUIPU_TRY_ASSIGN(payload, EncodeFooter(footer));
  QUIPU_TRY_ASSIGN(const PageRef ref, WritePage(PageKind::kFooter, 0, 0, payload));
  meta->footer_checksum = LoadLe<std::uint64_t>(buffer.data());  // the page is alone in the buffer
  meta->file_bytes = ref.offset + ref.bytes + kSegmentTrailerBytes;
  buffer += EncodeSegmentTrailer({ref, meta->file_bytes});
  return Flush();
}

Status SegmentWriter::State::Publish() {
  QUIPU_TRY(file->Sync());
  QUIPU_TRY(file->Close());
  QUIPU_TRY(vfs->Rename(tmp_path, final_path));
  is_renamed = true;
  if (IsCanary(Canary::kFolderNotSynced)) return {};
  return vfs->SyncFolder(folder);
}

Result<SegmentMeta> SegmentWriter::Finish() {
  State& s = *state_;
  if (s.is_failed || s.is_finished)
    return Status::Internal("segment writer: used after its end: " + s.tmp_path);
  s.is_failed = true;  // until it went well
  if (s.pending_rows > 0) QUIPU_TRY(s.WritePending());
  if (s.directory.runs().empty())
    return Status::Internal("segment writer: a segment without rows: " + s.tmp_path);
  if (s.feed != nullptr) s.appended.identities = {};  // known at the end
  s.footer.totals.identities = s.appended.identities;
  if (!(s.appended == s.footer.totals)) {
    return Status::Internal("segment writer: " + s.appended.ToString() +
                            " came in, but the row groups hold " + s.footer.totals.ToString() +
                            ": " + s.tmp_path);
  }
  SegmentMeta meta;
  QUIPU_TRY(s.WriteTail(&meta));
  QUIPU_TRY(s.Publish());
  s.is_finished = true;
  s.is_failed = false;
  meta.spec = s.footer.spec;
  meta.file_name = SegmentFileName(meta.spec.segment_id, meta.spec.month);
  meta.time_min = s.footer.time_min;
  meta.time_max = s.footer.time_max;
  meta.customers = s.footer.customers;
  meta.customer_first = s.directory.runs().front().customer;
  meta.customer_last = s.directory.runs().back().customer;
  meta.totals = s.footer.totals;
  return meta;
}

}  // namespace quipu
