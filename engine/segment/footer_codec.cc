#include "segment/footer_codec.h"

#include <algorithm>
#include <set>

#include "base/check.h"
#include "formats/segment_footer_generated.h"
#include "segment/segment_frame.h"

namespace quipu {
namespace {

using flatbuffers::FlatBufferBuilder;
using flatbuffers::Offset;

// FlatBuffers tables in one footer: 32,768 row groups of a full segment, columns and services, with room.
constexpr flatbuffers::uoffset_t kTablesMax = 1u << 20;

fb::PageRef ToFb(const PageRef& ref) { return {ref.offset, ref.bytes}; }

Offset<flatbuffers::Vector<const fb::PageRef*>> ToFb(FlatBufferBuilder* b,
                                                     const std::vector<PageRef>& refs) {
  std::vector<fb::PageRef> out;
  out.reserve(refs.size());
  for (const PageRef& ref : refs) out.push_back(ToFb(ref));
  return b->CreateVectorOfStructs(out);
}

Offset<flatbuffers::Vector<std::uint8_t>> ToFb(FlatBufferBuilder* b, const Totals& totals) {
  std::string bytes;
  totals.EncodeTo(&bytes);
  return b->CreateVector(AsBytes(bytes).data(), bytes.size());
}

Offset<flatbuffers::Vector<Offset<fb::NamedId>>> ToFb(FlatBufferBuilder* b,
                                                      const std::vector<NamedId>& ids) {
  std::vector<Offset<fb::NamedId>> out;
  out.reserve(ids.size());
  for (const NamedId& id : ids) {
    const auto name = b->CreateString(id.name);
    out.push_back(fb::CreateNamedId(*b, id.id, name));
  }
  return b->CreateVector(out);
}

Offset<fb::RowGroup> ToFb(FlatBufferBuilder* b, const RowGroupFooter& group) {
  const auto measure_ids = b->CreateVector(group.measure_ids);
  const auto measures = ToFb(b, group.measures);
  const auto dimension_ids = b->CreateVector(group.dimension_ids);
  const auto codes = ToFb(b, group.codes);
  const auto dictionaries = ToFb(b, group.dictionaries);
  const auto totals = ToFb(b, group.totals);
  const fb::PageRef times = ToFb(group.times), ids = ToFb(group.ids);
  fb::RowGroupBuilder out(*b);
  out.add_rows(group.rows);
  out.add_time_min(group.time_min);
  out.add_time_max(group.time_max);
  out.add_times(&times);
  out.add_measure_ids(measure_ids);
  out.add_measure_pages(measures);
  out.add_dimension_ids(dimension_ids);
  out.add_code_pages(codes);
  out.add_dictionary_pages(dictionaries);
  if (group.ids.bytes > 0) out.add_ids(&ids);
  out.add_totals(totals);
  return out.Finish();
}

Offset<fb::DimensionSet> ToFb(FlatBufferBuilder* b, const DimensionSetFooter& entry) {
  const auto dimensions = b->CreateVector(entry.set.dimensions);
  const auto measures = b->CreateVector(entry.set.measures);
  const auto covered = b->CreateVector(entry.covered);
  const fb::PageRef cells = ToFb(entry.cells);
  fb::DimensionSetBuilder out(*b);
  out.add_service(entry.set.service);
  out.add_dimensions(dimensions);
  out.add_measures(measures);
  out.add_rows_min(entry.set.rows_min);
  out.add_sketch_rows_min(entry.set.sketch_rows_min);
  out.add_covered(covered);
  if (entry.cells.bytes > 0) out.add_cells(&cells);
  return out.Finish();
}

// Reads with one flag for "something that must be there is not".
class FbReader {
 public:
  [[nodiscard]] bool complete() const { return complete_; }
  PageRef Ref(const fb::PageRef* ref) {
    if (ref == nullptr) {
      complete_ = false;
      return {};
    }
    return {ref->offset(), ref->bytes()};
  }
  std::vector<PageRef> Refs(const flatbuffers::Vector<const fb::PageRef*>* refs) {
    std::vector<PageRef> out;
    if (!Have(refs)) return out;
    for (const fb::PageRef& ref : Copy<fb::PageRef>(*refs)) out.push_back(Ref(&ref));
    return out;
  }
  template <class T>
  std::vector<T> List(const flatbuffers::Vector<T>* list) {
    if (!Have(list)) return {};
    return Copy<T>(*list);
  }
  std::vector<NamedId> Ids(const flatbuffers::Vector<Offset<fb::NamedId>>* ids) {
    std::vector<NamedId> out;
    if (!Have(ids)) return out;
    for (const fb::NamedId* id : *ids) {
      if (Have(id) && Have(id->name())) out.push_back({id->id(), id->name()->str()});
    }
    return out;
  }
  Result<Totals> ReadTotals(const flatbuffers::Vector<std::uint8_t>* bytes) {
    if (!Have(bytes)) return Totals{};
    ByteReader in(Bytes(bytes->data(), bytes->size()));
    QUIPU_TRY_ASSIGN(Totals totals, Totals::Decode(in));
    QUIPU_TRY(in.status("totals"));
    if (in.remaining() != 0) return Status::Corruption("totals: bytes after their end");
    return totals;
  }
  template <class T>
  bool Have(const T* p) {
    complete_ = complete_ && p != nullptr;
    return p != nullptr;
  }

 private:
  // The verifier does not check the alignment of what is inside a vector; so it is copied, not looked at in place.
  template <class T, class Vector>
  static std::vector<T> Copy(const Vector& vector) {
    std::vector<T> out(vector.size());
    if (!out.empty())
      std::memcpy(static_cast<void*>(out.data()), vector.Data(), out.size() * sizeof(T));
    return out;
  }
  bool complete_ = true;
};

Result<RowGroupFooter> RowGroupFromFb(const fb::RowGroup& in, FbReader* r) {
  RowGroupFooter group;
  group.rows = in.rows();
  group.time_min = in.time_min();
  group.time_max = in.time_max();
  group.times = r->Ref(in.times());
  group.measure_ids = r->List(in.measure_ids());
  group.measures = r->Refs(in.measure_pages());
  group.dimension_ids = r->List(in.dimension_ids());
  group.codes = r->Refs(in.code_pages());
  group.dictionaries = r->Refs(in.dictionary_pages());
  if (in.ids() != nullptr) group.ids = r->Ref(in.ids());
  QUIPU_TRY_ASSIGN(group.totals, r->ReadTotals(in.totals()));
  return group;
}

DimensionSetFooter DimensionSetFromFb(const fb::DimensionSet& in, FbReader* r) {
  DimensionSetFooter entry;
  entry.set.service = in.service();
  entry.set.dimensions = r->List(in.dimensions());
  entry.set.measures = r->List(in.measures());
  entry.set.rows_min = in.rows_min();
  entry.set.sketch_rows_min = in.sketch_rows_min();
  entry.covered = r->List(in.covered());
  if (in.cells() != nullptr) entry.cells = r->Ref(in.cells());
  return entry;
}

Result<SegmentFooter> FromFb(const fb::SegmentFooter& in) {
  if (in.format_version() != kSegmentFormatVersion) {
    return Status::Corruption("footer of version " + std::to_string(in.format_version()) +
                              " in a file of version " + std::to_string(kSegmentFormatVersion));
  }
  FbReader r;
  SegmentFooter footer;
  footer.spec.store_id = {in.store_id_high(), in.store_id_low()};
  footer.spec.segment_id = in.segment_id();
  footer.spec.month = in.month();
  footer.spec.seq_first = in.seq_first();
  footer.spec.seq_last = in.seq_last();
  footer.spec.summaries_only = in.summaries_only();
  footer.rows = in.rows();
  footer.customers = in.customers();
  footer.time_min = in.time_min();
  footer.time_max = in.time_max();
  QUIPU_TRY_ASSIGN(footer.totals, r.ReadTotals(in.totals()));
  footer.measures = r.Ids(in.measures());
  footer.dimensions = r.Ids(in.dimensions());
  footer.services = r.Ids(in.services());
  if (r.Have(in.row_groups())) {
    for (const fb::RowGroup* group : *in.row_groups()) {
      QUIPU_TRY_ASSIGN(RowGroupFooter decoded, RowGroupFromFb(*group, &r));
      footer.row_groups.push_back(std::move(decoded));
    }
  }
  footer.directory = r.Ref(in.directory());
  footer.names = r.Ref(in.names());
  footer.summaries = r.Ref(in.summaries());
  footer.identities.prefixes = r.Refs(in.identity_prefix_pages());
  footer.identities.first_highs = r.List(in.identity_first_highs());
  footer.identities.keys = r.Refs(in.identity_key_pages());
  footer.identities.rows = r.Refs(in.identity_row_pages());
  if (in.dimension_sets() != nullptr) {
    for (const fb::DimensionSet* set : *in.dimension_sets()) {
      if (r.Have(set)) footer.dimension_sets.push_back(DimensionSetFromFb(*set, &r));
    }
  }
  footer.cell_rows_min = in.cell_rows_min();
  footer.sketch_rows_min = in.sketch_rows_min();
  if (!r.complete()) return Status::Corruption("footer lacks a field");
  return footer;
}

template <class T>
bool StrictlyAscending(const std::vector<T>& v) {
  return std::adjacent_find(v.begin(), v.end(), std::greater_equal<>()) == v.end();
}

std::vector<std::uint32_t> IdsOf(const std::vector<NamedId>& named) {
  std::vector<std::uint32_t> ids;
  ids.reserve(named.size());
  for (const NamedId& n : named) ids.push_back(n.id);
  return ids;
}

std::vector<ColumnId> MeasuresOf(const Totals& totals) {
  std::vector<ColumnId> ids;
  ids.reserve(totals.measures.size());
  for (const auto& [id, total] : totals.measures) ids.push_back(id);
  return ids;
}

Status CheckRowGroup(const SegmentFooter& footer, std::size_t g) {
  const RowGroupFooter& group = footer.row_groups[g];
  const std::uint64_t first = std::uint64_t{kRowGroupRows} * g;
  const std::uint64_t expected = std::min<std::uint64_t>(kRowGroupRows, footer.rows - first);
  const auto wrong = [&](const char* what) {
    return Status::Corruption("row group " + std::to_string(g) + ": " + what);
  };
  if (group.rows != expected || group.totals.rows != expected) return wrong("wrong number of rows");
  if (group.time_min > group.time_max || group.time_min < footer.time_min ||
      group.time_max > footer.time_max) {
    return wrong("times outside those of the segment");
  }
  if (group.measures.size() != group.measure_ids.size() ||
      group.codes.size() != group.dimension_ids.size() ||
      group.dictionaries.size() != group.dimension_ids.size()) {
    return wrong("as many columns as pages are needed");
  }
  if (!StrictlyAscending(group.measure_ids) || !StrictlyAscending(group.dimension_ids)) {
    return wrong("columns are not sorted");
  }
  if (MeasuresOf(group.totals) != group.measure_ids) return wrong("totals of other measures");
  return Status();
}

Status CheckColumns(const SegmentFooter& footer) {
  if (!StrictlyAscending(IdsOf(footer.measures)) || !StrictlyAscending(IdsOf(footer.dimensions)) ||
      !StrictlyAscending(IdsOf(footer.services))) {
    return Status::Corruption("column or service lists are not sorted");
  }
  Totals totals;
  std::set<ColumnId> dimensions;
  for (const RowGroupFooter& group : footer.row_groups) {
    totals.Add(group.totals);
    dimensions.insert(group.dimension_ids.begin(), group.dimension_ids.end());
  }
  if (footer.spec.summaries_only) {
    if (footer.totals.rows != footer.rows) return Status::Corruption("totals of other rows");
    totals = footer.totals;
  }
  totals.identities = footer.totals.identities;  // row groups do not have them
  if (!(totals == footer.totals)) {
    return Status::Corruption("totals " + footer.totals.ToString() +
                              " are not the sum of the row groups, " + totals.ToString());
  }
  const auto listed = IdsOf(footer.dimensions);
  if (MeasuresOf(totals) != IdsOf(footer.measures) ||
      !std::equal(listed.begin(), listed.end(), dimensions.begin(), dimensions.end())) {
    return Status::Corruption("column lists are not those of the row groups");
  }
  const auto quantity = totals.measures.find(kQuantityColumn);
  if (quantity == totals.measures.end() || quantity->second.count != footer.rows) {
    return Status::Corruption("a row without quantity");
  }
  return Status();
}

Status CheckTiling(const SegmentFooter& footer, std::uint64_t footer_offset) {
  std::uint64_t next = kSegmentHeaderBytes;
  for (const PlacedPage& page : PagesOf(footer)) {
    const bool fits = page.ref.offset == next && page.ref.bytes >= kPageHeaderBytes &&
                      page.ref.bytes <= footer_offset - next;
    if (!fits) {
      return Status::Corruption(
          std::string(PageKindName(page.place.kind)) + " page of " +
          std::to_string(page.ref.bytes) + " bytes at " + std::to_string(page.ref.offset) +
          ", expected at " + std::to_string(next) + " and before " + std::to_string(footer_offset));
    }
    next += page.ref.bytes;
  }
  if (next != footer_offset) return Status::Corruption("a gap before the footer");
  return Status();
}

Status CheckIdentities(const SegmentFooter& footer) {
  const IdentityFooter& index = footer.identities;
  const auto pages = [&](std::size_t entries) { return IdentityPageCount(footer.rows, entries); };
  const bool none = index.prefixes.empty() && index.first_highs.empty() && index.keys.empty() &&
                    index.rows.empty();
  if (none) return Status();
  if (index.prefixes.size() != pages(kIdentityPrefixEntries) ||
      index.first_highs.size() != index.prefixes.size() ||
      index.keys.size() != pages(kIdentityKeysEntries) ||
      index.rows.size() != pages(kIdentityRowsEntries))
    return Status::Corruption("wrong number of identity pages");
  if (!std::is_sorted(index.first_highs.begin(), index.first_highs.end()))
    return Status::Corruption("identity pages are not sorted");
  return Status();
}

template <class T>
bool AreAmong(const std::vector<T>& some, const std::vector<T>& all) {
  return std::includes(all.begin(), all.end(), some.begin(), some.end());
}

Status CheckDimensionSets(const SegmentFooter& footer) {
  if (footer.dimension_sets.size() > kDimensionSetsMax)
    return Status::Corruption("too many sets of dimensions");
  const auto services = IdsOf(footer.services), measures = IdsOf(footer.measures),
             dimensions = IdsOf(footer.dimensions);
  for (const DimensionSetFooter& entry : footer.dimension_sets) {
    const DimensionSet& set = entry.set;
    const bool sorted = StrictlyAscending(set.dimensions) && StrictlyAscending(set.measures) &&
                        StrictlyAscending(entry.covered);
    const bool sized = !set.dimensions.empty() && set.dimensions.size() <= kSetDimensionsMax &&
                       entry.covered.empty() == (entry.cells.bytes == 0);
    // The columns of rows that have expired are not listed.
    const bool known = AreAmong(set.measures, measures) && AreAmong(entry.covered, services) &&
                       (footer.spec.summaries_only || AreAmong(set.dimensions, dimensions));
    if (!sorted || !sized || !known) return Status::Corruption("an impossible set of dimensions");
  }
  return Status();
}

Status CheckFooter(const SegmentFooter& footer, std::uint64_t footer_offset) {
  const std::size_t stored_rows = footer.spec.summaries_only ? 0 : footer.rows;
  const std::size_t groups = (stored_rows + kRowGroupRows - 1) / kRowGroupRows;
  const bool counts = footer.rows > 0 && footer.rows <= kSegmentRowsMax && footer.customers > 0 &&
                      footer.customers <= footer.rows && footer.row_groups.size() == groups;
  if (!counts) return Status::Corruption("counts do not fit together");
  QUIPU_TRY(CheckIdentities(footer));
  if (footer.time_min > footer.time_max || footer.time_min < kTimeMin ||
      footer.time_max >= kTimeMax || MonthOf(footer.time_min) != footer.spec.month ||
      MonthOf(footer.time_max) != footer.spec.month) {
    return Status::Corruption("times outside the month");
  }
  for (std::size_t g = 0; g < groups; ++g) QUIPU_TRY(CheckRowGroup(footer, g));
  QUIPU_TRY(CheckColumns(footer));
  QUIPU_TRY(CheckDimensionSets(footer));
  return CheckTiling(footer, footer_offset);
}

// A FlatBuffer of 2 GiB ends the process, so its size is judged before. What is added up here is at least a sixth of what the encoder
// writes (a measure has an id, a page and its totals of at most 90 bytes), hence what passes is far below 2 GiB.
Status CheckFits(const SegmentFooter& footer) {
  const std::size_t tables = 1 + footer.row_groups.size() + footer.measures.size() +
                             footer.dimensions.size() + footer.services.size();
  std::size_t columns = 0;
  for (const RowGroupFooter& group : footer.row_groups)
    columns += group.measures.size() + group.codes.size() + group.dictionaries.size();
  if (tables <= kTablesMax && columns <= kPagePayloadBytesMax / sizeof(PageRef)) return Status();
  return Status::Exhausted(
      "segment writer: the footer would need " + std::to_string(tables) + " tables (at most " +
      std::to_string(kTablesMax) + ") for " + std::to_string(footer.services.size()) +
      " services, " + std::to_string(footer.measures.size()) + " measures and " +
      std::to_string(footer.row_groups.size()) + " row groups with " + std::to_string(columns) +
      " column pages (at most " + std::to_string(kPagePayloadBytesMax / sizeof(PageRef)) +
      "); write several segments");
}

}  // namespace

std::vector<PlacedPage> PagesOf(const SegmentFooter& footer) {
  std::vector<PlacedPage> pages;
  const auto add = [&](PageKind kind, std::uint32_t column, std::size_t ordinal,
                       const PageRef& ref) {
    const PagePlace place{footer.spec.store_id,
                          footer.spec.segment_id,
                          kind,
                          column,
                          static_cast<std::uint32_t>(ordinal),
                          ref.offset};
    pages.push_back({place, ref});
  };
  for (std::size_t g = 0; g < footer.row_groups.size(); ++g) {
    const RowGroupFooter& group = footer.row_groups[g];
    add(PageKind::kTimes, 0, g, group.times);
    for (std::size_t i = 0; i < group.measures.size(); ++i) {
      add(PageKind::kMeasure, group.measure_ids[i], g, group.measures[i]);
    }
    for (std::size_t i = 0; i < group.codes.size(); ++i) {
      add(PageKind::kDimension, group.dimension_ids[i], g, group.codes[i]);
      add(PageKind::kDictionary, group.dimension_ids[i], g, group.dictionaries[i]);
    }
    if (group.ids.bytes > 0) add(PageKind::kIds, 0, g, group.ids);
  }
  add(PageKind::kDirectory, 0, 0, footer.directory);
  add(PageKind::kNames, 0, 0, footer.names);
  add(PageKind::kSummaries, 0, 0, footer.summaries);
  const auto index_begin = static_cast<std::ptrdiff_t>(pages.size());
  const auto add_all = [&](PageKind kind, const std::vector<PageRef>& refs) {
    for (std::size_t i = 0; i < refs.size(); ++i) add(kind, 0, i, refs[i]);
  };
  add_all(PageKind::kIdentityPrefix, footer.identities.prefixes);
  add_all(PageKind::kIdentityKeys, footer.identities.keys);
  add_all(PageKind::kIdentityRows, footer.identities.rows);
  // The three kinds are written as they fill.
  std::stable_sort(
      pages.begin() + index_begin, pages.end(),
      [](const PlacedPage& a, const PlacedPage& b) { return a.ref.offset < b.ref.offset; });
  for (std::size_t i = 0; i < footer.dimension_sets.size(); ++i) {
    const PageRef& cells = footer.dimension_sets[i].cells;
    if (cells.bytes > 0) add(PageKind::kDimensionCells, 0, i, cells);
  }
  return pages;
}

Result<std::string> EncodeFooter(const SegmentFooter& footer) {
  QUIPU_TRY(CheckFits(footer));
  FlatBufferBuilder b;
  const auto totals = ToFb(&b, footer.totals);
  const auto measures = ToFb(&b, footer.measures);
  const auto dimensions = ToFb(&b, footer.dimensions);
  const auto services = ToFb(&b, footer.services);
  std::vector<Offset<fb::RowGroup>> group_offsets;
  for (const RowGroupFooter& group : footer.row_groups) group_offsets.push_back(ToFb(&b, group));
  const auto groups = b.CreateVector(group_offsets);
  const auto prefix_pages = ToFb(&b, footer.identities.prefixes);
  const auto first_highs = b.CreateVector(footer.identities.first_highs);
  const auto key_pages = ToFb(&b, footer.identities.keys);
  const auto row_pages = ToFb(&b, footer.identities.rows);
  std::vector<Offset<fb::DimensionSet>> set_offsets;
  for (const DimensionSetFooter& entry : footer.dimension_sets)
    set_offsets.push_back(ToFb(&b, entry));
  Offset<flatbuffers::Vector<Offset<fb::DimensionSet>>> sets;
  if (!set_offsets.empty()) sets = b.CreateVector(set_offsets);
  const fb::PageRef directory = ToFb(footer.directory), names = ToFb(footer.names),
                    summaries = ToFb(footer.summaries);
  fb::SegmentFooterBuilder out(b);
  out.add_format_version(kSegmentFormatVersion);
  out.add_store_id_high(footer.spec.store_id.high);
  out.add_store_id_low(footer.spec.store_id.low);
  out.add_segment_id(footer.spec.segment_id);
  out.add_month(footer.spec.month);
  out.add_seq_first(footer.spec.seq_first);
  out.add_seq_last(footer.spec.seq_last);
  out.add_rows(footer.rows);
  out.add_customers(footer.customers);
  out.add_time_min(footer.time_min);
  out.add_time_max(footer.time_max);
  out.add_totals(totals);
  out.add_measures(measures);
  out.add_dimensions(dimensions);
  out.add_services(services);
  out.add_row_groups(groups);
  out.add_directory(&directory);
  out.add_names(&names);
  out.add_summaries(&summaries);
  out.add_identity_prefix_pages(prefix_pages);
  out.add_identity_first_highs(first_highs);
  out.add_identity_key_pages(key_pages);
  out.add_identity_row_pages(row_pages);
  out.add_summaries_only(footer.spec.summaries_only);
  if (!set_offsets.empty()) out.add_dimension_sets(sets);
  out.add_cell_rows_min(footer.cell_rows_min);
  out.add_sketch_rows_min(footer.sketch_rows_min);
  b.Finish(out.Finish());
  return std::string(reinterpret_cast<const char*>(b.GetBufferPointer()), b.GetSize());
}

Result<SegmentFooter> DecodeFooter(Bytes payload, std::uint64_t footer_offset) {
  // An aligned copy: FlatBuffers reads its numbers in place.
  std::vector<std::uint64_t> aligned((payload.size() + 7) / 8);
  if (!payload.empty()) std::memcpy(aligned.data(), payload.data(), payload.size());
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(aligned.data());
  constexpr flatbuffers::uoffset_t kDepthMax = 8;
  flatbuffers::Verifier verifier(bytes, payload.size(), kDepthMax, kTablesMax);
  if (payload.size() < sizeof(flatbuffers::uoffset_t) || !fb::VerifySegmentFooterBuffer(verifier)) {
    return Status::Corruption("footer: not a valid FlatBuffer");
  }
  Result<SegmentFooter> footer = FromFb(*fb::GetSegmentFooter(bytes));
  if (!footer) return footer.error().WithContext("footer");
  const Status sound = CheckFooter(*footer, footer_offset);
  if (!sound.ok()) return sound.WithContext("footer");
  return footer;
}

}  // namespace quipu
