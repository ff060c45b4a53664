#include <algorithm>
#include <array>

#include "base/check.h"
#include "quipu/event.h"
#include "segment/dimension_page.h"
#include "segment/id_page.h"
#include "segment/measure_page.h"
#include "segment/segment_frame.h"
#include "segment/segment_reader_state.h"
#include "segment/string_page.h"
#include "segment/time_page.h"
#include "segment/vector_table.h"

namespace quipu {
namespace {

constexpr std::uint32_t kVectorsPerGroup = kRowGroupRows / kVectorRows;
// The slot of a row group's sources among its dictionaries; no dimension's index comes near it.
constexpr std::uint32_t kSourcesSlot = 0xFFFFFFFF;

std::uint64_t SlotOf(std::size_t group, std::uint32_t column) {
  return (static_cast<std::uint64_t>(group) << 32) | column;
}

std::vector<std::uint32_t> IdsOf(const std::vector<NamedId>& named) {
  std::vector<std::uint32_t> ids;
  ids.reserve(named.size());
  for (const NamedId& n : named) ids.push_back(n.id);
  return ids;
}

Status CompareMeta(const SegmentMeta& expected, const SegmentMeta& found, const std::string& path) {
  const auto differs = [&](const char* what) {
    return Status::Corruption(path + ": is not the segment that the manifest means: other " + what);
  };
  const SegmentSpec &e = expected.spec, &f = found.spec;
  if (e.store_id != f.store_id) return differs("store id");
  if (e.segment_id != f.segment_id) return differs("segment id");
  if (e.month != f.month) return differs("month");
  if (e.summaries_only != f.summaries_only) return differs("kind");
  if (e.seq_first != f.seq_first || e.seq_last != f.seq_last) return differs("commit range");
  if (expected.file_bytes != found.file_bytes) return differs("size");
  if (expected.footer_checksum != found.footer_checksum) return differs("footer checksum");
  if (expected.time_min != found.time_min || expected.time_max != found.time_max)
    return differs("time range");
  if (expected.customers != found.customers) return differs("number of customers");
  if (!(expected.totals == found.totals)) return differs("totals");
  return Status();
}

SegmentMeta MetaOf(const SegmentFooter& footer, std::uint64_t file_bytes,
                   std::uint64_t footer_checksum) {
  SegmentMeta meta;
  meta.spec = footer.spec;
  meta.file_name = SegmentFileName(footer.spec.segment_id, footer.spec.month);
  meta.file_bytes = file_bytes;
  meta.footer_checksum = footer_checksum;
  meta.time_min = footer.time_min;
  meta.time_max = footer.time_max;
  meta.customers = footer.customers;
  meta.totals = footer.totals;
  return meta;
}

struct Frame {
  SegmentHeader header;
  SegmentTrailer trailer;
};

Result<Frame> ReadFrame(const ReadableFile& file, const std::string& path) {
  const std::uint64_t size = file.size();
  if (size < kSegmentHeaderBytes + kSegmentTrailerBytes) {
    return Status::Corruption(path + ": " + std::to_string(size) +
                              " bytes are too few for a segment; cut short?");
  }
  Frame frame;
  std::array<std::uint8_t, kSegmentHeaderBytes> front;
  QUIPU_TRY(file.ReadAt(0, front));
  QUIPU_TRY_ASSIGN(frame.header, DecodeSegmentHeader(front, path));
  std::array<std::uint8_t, kSegmentTrailerBytes> back;
  QUIPU_TRY(file.ReadAt(size - kSegmentTrailerBytes, back));
  QUIPU_TRY_ASSIGN(frame.trailer, DecodeSegmentTrailer(back, size, path));
  return frame;
}

// Header, trailer and footer; fills everything that State keeps from the start.
Status LoadFrame(SegmentReader::State* s) {
  QUIPU_TRY_ASSIGN(const Frame frame, ReadFrame(*s->file, s->path));
  const SegmentHeader& header = frame.header;
  const SegmentTrailer& trailer = frame.trailer;
  s->footer_ref = trailer.footer;
  std::string page(trailer.footer.bytes, '\0');
  QUIPU_TRY(s->file->ReadAt(trailer.footer.offset,
                            {reinterpret_cast<std::uint8_t*>(page.data()), page.size()}));
  const PagePlace place{header.store_id,      header.segment_id, PageKind::kFooter, 0, 0,
                        trailer.footer.offset};
  std::string unwrapped;
  QUIPU_TRY_ASSIGN(const Bytes payload, OpenPage(place, AsBytes(page), s->path, &unwrapped));
  Result<SegmentFooter> footer = DecodeFooter(payload, trailer.footer.offset);
  if (!footer) return footer.error().WithContext(s->path);
  s->footer = *std::move(footer);
  const SegmentSpec& spec = s->footer.spec;
  s->meta = MetaOf(s->footer, trailer.file_bytes, LoadLe<std::uint64_t>(page.data()));
  s->measures = IdsOf(s->footer.measures);
  s->dimensions = IdsOf(s->footer.dimensions);
  for (const NamedId& service : s->footer.services)
    s->services.emplace_back(service.id, service.name);
  for (const DimensionSetFooter& entry : s->footer.dimension_sets)
    s->dimension_sets.push_back({entry.set, entry.covered, entry.cells.bytes});
  if (spec.store_id != header.store_id || spec.segment_id != header.segment_id ||
      spec.month != header.month) {
    return Status::Corruption(s->path + ": header and footer are not of the same segment");
  }
  return Status();
}

}  // namespace

Status CheckFrame(const SegmentReader::State& state) {
  QUIPU_TRY_ASSIGN(const Frame frame, ReadFrame(*state.file, state.path));
  const SegmentSpec& spec = state.meta.spec;
  if (frame.header.store_id != spec.store_id || frame.header.segment_id != spec.segment_id ||
      frame.header.month != spec.month || frame.trailer.footer.offset != state.footer_ref.offset) {
    return Status::Corruption(state.path + ": header and footer are not of the same segment");
  }
  return Status();
}

VectorPlace PlaceOf(const SegmentFooter& footer, std::uint32_t v) {
  VectorPlace place;
  place.group = v / kVectorsPerGroup;
  QUIPU_CHECK(place.group < footer.row_groups.size());
  place.vector = v % kVectorsPerGroup;
  place.group_rows = footer.row_groups[place.group].rows;
  QUIPU_CHECK(place.vector < VectorsOf(place.group_rows));
  place.rows = RowsOfVector(place.group_rows, place.vector);
  return place;
}

std::size_t IndexOf(const std::vector<ColumnId>& ids, ColumnId id) {
  const auto found = std::lower_bound(ids.begin(), ids.end(), id);
  if (found == ids.end() || *found != id) return ids.size();
  return static_cast<std::size_t>(found - ids.begin());
}

// ---- Pages and lazy parts ----

Result<std::string> SegmentReader::State::ReadPage(PageKind kind, std::uint32_t column,
                                                   std::size_t ordinal, const PageRef& ref) const {
  std::string page(ref.bytes, '\0');
  QUIPU_TRY(file->ReadAt(ref.offset, {reinterpret_cast<std::uint8_t*>(page.data()), page.size()}));
  const PagePlace place{
      meta.spec.store_id, meta.spec.segment_id, kind, column, static_cast<std::uint32_t>(ordinal),
      ref.offset};
  std::string unwrapped;
  QUIPU_TRY_ASSIGN(const Bytes payload, OpenPage(place, AsBytes(page), path, &unwrapped));
  if (!unwrapped.empty()) return unwrapped;
  page.erase(0, page.size() - payload.size());
  return page;
}

Result<PagePtr> SegmentReader::State::CachedPage(PageKind kind, std::uint32_t column,
                                                 std::size_t ordinal, const PageRef& ref) const {
  if (cache != nullptr) {
    if (PagePtr found = cache->Find(meta.spec.segment_id, ref.offset)) return found;
  }
  QUIPU_TRY_ASSIGN(std::string payload, ReadPage(kind, column, ordinal, ref));
  auto page = std::make_shared<const std::string>(std::move(payload));
  if (cache == nullptr) return PagePtr(std::move(page));
  return cache->Insert(meta.spec.segment_id, ref.offset, std::move(page));
}

Status SegmentReader::State::AtPage(const Status& status, PageKind kind, std::uint32_t column,
                                    std::size_t ordinal) const {
  if (status.ok()) return Status();
  return status.WithContext(path + ": " + std::string(PageKindName(kind)) + " page, column " +
                            std::to_string(column) + ", ordinal " + std::to_string(ordinal));
}

Result<const Directory*> SegmentReader::State::LoadDirectory() {
  return directory.Get([&]() -> Result<Directory> {
    QUIPU_TRY_ASSIGN(const std::string payload,
                     ReadPage(PageKind::kDirectory, 0, 0, footer.directory));
    Result<Directory> decoded = Directory::Decode(AsBytes(payload), footer.rows);
    if (!decoded) return AtPage(decoded.error(), PageKind::kDirectory, 0, 0);
    if (decoded->customers() != footer.customers) {
      return Status::Corruption(path + ": the directory has " +
                                std::to_string(decoded->customers()) + " customers, the footer " +
                                std::to_string(footer.customers));
    }
    std::vector<ServiceOrdinal> known;
    for (const NamedId& service : footer.services) known.push_back(service.id);
    if (!decoded->HasNoServiceBut(known))
      return Status::Corruption(path + ": the directory has a service that the footer lacks");
    return decoded;
  });
}

Result<const CustomerNames*> SegmentReader::State::LoadNames() {
  return names.Get([&]() -> Result<CustomerNames> {
    QUIPU_TRY_ASSIGN(const Directory* const runs, LoadDirectory());
    QUIPU_TRY_ASSIGN(const std::string payload, ReadPage(PageKind::kNames, 0, 0, footer.names));
    Result<StringList> list = DecodeStringPage(
        AsBytes(payload),
        {.count_max = footer.customers, .string_bytes_max = kNameBytesMax, .sorted = false});
    if (!list) return AtPage(list.error(), PageKind::kNames, 0, 0);
    if (list->size() != footer.customers)
      return Status::Corruption(path + ": as many names as customers are needed");
    CustomerNames loaded;
    loaded.names = *std::move(list);
    loaded.ordinals.reserve(footer.customers);
    for (const Run& run : runs->runs()) {
      if (loaded.ordinals.empty() || loaded.ordinals.back() != run.customer)
        loaded.ordinals.push_back(run.customer);
    }
    return loaded;
  });
}

Result<const SummaryTable*> SegmentReader::State::LoadSummaries() {
  using TablePtr = std::shared_ptr<const SummaryTable>;
  QUIPU_TRY_ASSIGN(const TablePtr* const table, summaries.Get([&]() -> Result<TablePtr> {
    QUIPU_TRY_ASSIGN(const std::string payload,
                     ReadPage(PageKind::kSummaries, 0, 0, footer.summaries));
    Result<TablePtr> decoded = SummaryTable::Decode(AsBytes(payload), footer.spec.month);
    if (!decoded) return AtPage(decoded.error(), PageKind::kSummaries, 0, 0);
    return decoded;
  }));
  return table->get();
}

Result<const DimensionCells*> SegmentReader::State::LoadDimensionCells(std::size_t set) const {
  using CellsPtr = std::shared_ptr<const DimensionCells>;
  QUIPU_CHECK(set < footer.dimension_sets.size());
  const DimensionSetFooter& entry = footer.dimension_sets[set];
  QUIPU_CHECK(entry.cells.bytes > 0);
  QUIPU_TRY_ASSIGN(const CellsPtr* const cells, dimension_cells[set].Get([&]() -> Result<CellsPtr> {
    QUIPU_TRY_ASSIGN(const std::string payload,
                     ReadPage(PageKind::kDimensionCells, 0, set, entry.cells));
    Result<CellsPtr> decoded =
        DimensionCells::Decode(AsBytes(payload), entry.set, entry.covered, footer.spec.month);
    if (!decoded) return AtPage(decoded.error(), PageKind::kDimensionCells, 0, set);
    return decoded;
  }));
  return cells->get();
}

Result<DictionaryPtr> SegmentReader::State::DimensionDictionary(std::size_t group,
                                                                std::size_t column) const {
  const std::uint64_t slot = SlotOf(group, static_cast<std::uint32_t>(column));
  if (DictionaryPtr found = dictionaries.Find(slot)) return found;
  const RowGroupFooter& g = footer.row_groups[group];
  const ColumnId id = g.dimension_ids[column];
  QUIPU_TRY_ASSIGN(const std::string payload,
                   ReadPage(PageKind::kDictionary, id, group, g.dictionaries[column]));
  Result<StringList> list = DecodeStringPage(
      AsBytes(payload),
      {.count_max = g.rows, .string_bytes_max = kDimensionBytesMax, .sorted = true});
  if (!list) return AtPage(list.error(), PageKind::kDictionary, id, group);
  return dictionaries.Insert(slot, std::make_shared<const StringList>(*std::move(list)));
}

Result<DictionaryPtr> SegmentReader::State::Sources(std::size_t group, Bytes ids_payload) const {
  const std::uint64_t slot = SlotOf(group, kSourcesSlot);
  if (DictionaryPtr found = dictionaries.Find(slot)) return found;
  Result<StringList> list = DecodeSources(ids_payload, footer.row_groups[group].rows);
  if (!list) return AtPage(list.error(), PageKind::kIds, 0, group);
  return dictionaries.Insert(slot, std::make_shared<const StringList>(*std::move(list)));
}

// ---- The public face ----

SegmentReader::SegmentReader(std::unique_ptr<State> state) : state_(std::move(state)) {}
SegmentReader::~SegmentReader() = default;

Result<std::shared_ptr<SegmentReader>> SegmentReader::Open(Vfs* vfs, const std::string& path,
                                                           const SegmentMeta* meta,
                                                           PageCache* cache) {
  auto state = std::make_unique<State>();
  state->path = path;
  state->cache = cache;
  QUIPU_TRY_ASSIGN(state->file, vfs->OpenForRead(path));
  QUIPU_TRY(LoadFrame(state.get()));
  if (meta != nullptr) {
    QUIPU_TRY(CompareMeta(*meta, state->meta, path));
    state->meta = *meta;  // with what only the manifest knows
  }
  return std::shared_ptr<SegmentReader>(new SegmentReader(std::move(state)));
}

const SegmentMeta& SegmentReader::meta() const { return state_->meta; }
const std::string& SegmentReader::path() const { return state_->path; }
std::uint32_t SegmentReader::rows() const {
  return state_->footer.spec.summaries_only ? 0 : state_->footer.rows;
}
std::uint32_t SegmentReader::VectorRowCount(std::uint32_t v) const {
  return static_cast<std::uint32_t>(RowsOfVector(rows(), v));
}
std::span<const ColumnId> SegmentReader::measures() const { return state_->measures; }
std::span<const ColumnId> SegmentReader::dimensions() const { return state_->dimensions; }
bool SegmentReader::HasMeasure(ColumnId id) const {
  return IndexOf(state_->measures, id) < state_->measures.size();
}
bool SegmentReader::HasDimension(ColumnId id) const {
  return IndexOf(state_->dimensions, id) < state_->dimensions.size();
}
const std::vector<std::pair<ServiceOrdinal, std::string>>& SegmentReader::services() const {
  return state_->services;
}

Status SegmentReader::ReadNames(SegmentNames* names) const {
  const auto list = [](const std::vector<NamedId>& named) {
    SegmentNames::List out;
    for (const NamedId& n : named) out.emplace_back(n.id, n.name);
    return out;
  };
  *names = {{}, services(), list(state_->footer.dimensions), list(state_->footer.measures)};
  QUIPU_TRY_ASSIGN(const CustomerNames* const customers, state_->LoadNames());
  for (std::size_t i = 0; i < customers->ordinals.size(); ++i)
    names->customers.emplace_back(customers->ordinals[i], std::string(customers->names[i]));
  return Status();
}

Result<const Directory*> SegmentReader::directory() const { return state_->LoadDirectory(); }
Result<const SummaryTable*> SegmentReader::summaries() const { return state_->LoadSummaries(); }
bool SegmentReader::has_summaries_in_memory() const { return state_->summaries.peek() != nullptr; }
void SegmentReader::PrepareForQuestions() const {
  (void)state_->LoadDirectory();
  (void)state_->LoadSummaries();
}
const std::vector<SegmentReader::DimensionSetInfo>& SegmentReader::dimension_sets() const {
  return state_->dimension_sets;
}
Result<const DimensionCells*> SegmentReader::dimension_cells(std::size_t set) const {
  return state_->LoadDimensionCells(set);
}

Result<TimeBounds> SegmentReader::TimeBoundsOf(std::uint32_t v) const {
  const VectorPlace at = PlaceOf(state_->footer, v);
  const PageRef& ref = state_->footer.row_groups[at.group].times;
  QUIPU_TRY_ASSIGN(const PagePtr page, state_->CachedPage(PageKind::kTimes, 0, at.group, ref));
  Result<TimeBounds> bounds = DecodeTimeBounds(AsBytes(*page), at.group_rows, at.vector);
  if (!bounds) return state_->AtPage(bounds.error(), PageKind::kTimes, 0, at.group);
  return bounds;
}

Status SegmentReader::ReadTimes(std::uint32_t v, std::vector<TimeUs>* out) const {
  const VectorPlace at = PlaceOf(state_->footer, v);
  const PageRef& ref = state_->footer.row_groups[at.group].times;
  QUIPU_TRY_ASSIGN(const PagePtr page, state_->CachedPage(PageKind::kTimes, 0, at.group, ref));
  return state_->AtPage(DecodeTimes(AsBytes(*page), at.group_rows, at.vector, out),
                        PageKind::kTimes, 0, at.group);
}

Status SegmentReader::ReadMeasure(ColumnId id, std::uint32_t v, MeasureVector* out) const {
  const VectorPlace at = PlaceOf(state_->footer, v);
  const RowGroupFooter& group = state_->footer.row_groups[at.group];
  const std::size_t column = IndexOf(group.measure_ids, id);
  if (column == group.measure_ids.size()) {
    FillAbsent(at.rows, out);
    return Status();
  }
  QUIPU_TRY_ASSIGN(const PagePtr page,
                   state_->CachedPage(PageKind::kMeasure, id, at.group, group.measures[column]));
  const Result<bool> derived = IsDerived(AsBytes(*page), at.group_rows, at.vector);
  if (!derived) return state_->AtPage(derived.error(), PageKind::kMeasure, id, at.group);
  MeasureVector quantity;
  // Never the quantity from itself: a file that says so has no quantity to offer.
  const bool with_quantity = *derived && id != kQuantityColumn;
  if (with_quantity) QUIPU_TRY(ReadMeasure(kQuantityColumn, v, &quantity));
  return state_->AtPage(DecodeMeasureVector(AsBytes(*page), with_quantity ? &quantity : nullptr,
                                            at.group_rows, at.vector, out),
                        PageKind::kMeasure, id, at.group);
}

Status SegmentReader::ReadDimension(ColumnId id, std::uint32_t v, DimensionVector* out) const {
  static const DictionaryPtr kEmpty = std::make_shared<const StringList>();
  const VectorPlace at = PlaceOf(state_->footer, v);
  const RowGroupFooter& group = state_->footer.row_groups[at.group];
  const std::size_t column = IndexOf(group.dimension_ids, id);
  if (column == group.dimension_ids.size()) {
    out->dictionary = kEmpty;
    out->codes.assign(at.rows, 0);
    return Status();
  }
  QUIPU_TRY_ASSIGN(out->dictionary, state_->DimensionDictionary(at.group, column));
  QUIPU_TRY_ASSIGN(const PagePtr page,
                   state_->CachedPage(PageKind::kDimension, id, at.group, group.codes[column]));
  const Status decoded =
      DecodeCodes(AsBytes(*page), at.group_rows, at.vector, out->dictionary->size(), &out->codes);
  return state_->AtPage(decoded, PageKind::kDimension, id, at.group);
}

Result<PagePtr> SegmentReader::Derived(const DerivedKey& key,
                                       const std::function<Result<std::string>()>& make) const {
  // No page of the file begins there.
  const std::uint64_t offset = std::uint64_t{1} << 63 | static_cast<std::uint64_t>(key.kind) << 58 |
                               std::uint64_t{key.place} << 32 | key.column;
  const std::uint64_t segment_id = state_->meta.spec.segment_id;
  if (state_->cache != nullptr) {
    if (PagePtr found = state_->cache->Find(segment_id, offset)) return found;
  }
  QUIPU_TRY_ASSIGN(std::string bytes, make());
  auto page = std::make_shared<const std::string>(std::move(bytes));
  if (state_->cache == nullptr) return PagePtr(std::move(page));
  return state_->cache->Insert(segment_id, offset, std::move(page));
}

std::uint64_t SegmentReader::resident_bytes() const {
  std::uint64_t bytes = sizeof(State) + state_->footer.row_groups.size() * sizeof(RowGroupFooter);
  if (const Directory* directory = state_->directory.peek())
    bytes += directory->runs().size() * sizeof(Run);
  if (const auto* table = state_->summaries.peek()) bytes += (*table)->bytes();
  for (const auto& lazy : state_->dimension_cells) {
    if (const auto* cells = lazy.peek()) bytes += (*cells)->bytes();
  }
  if (const CustomerNames* names = state_->names.peek()) {
    bytes += names->names.bytes() + names->ordinals.size() * sizeof(CustomerOrdinal);
  }
  return bytes + state_->dictionaries.bytes();
}

}  // namespace quipu
