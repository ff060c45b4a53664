// Every page decoder of a segment on arbitrary payloads: refused as corruption, or what it gives is within its bounds.
//
// Input: one byte that chooses the decoder, two bytes (little endian) for the rows, the payload.
#include "fuzz/rows.h"
#include "segment/dimension_cells.h"
#include "segment/dimension_page.h"
#include "segment/directory.h"
#include "segment/id_page.h"
#include "segment/identity_index.h"
#include "segment/measure_page.h"
#include "segment/string_page.h"
#include "segment/summary.h"
#include "segment/time_page.h"
#include "segment/totals.h"
#include "segment/vector_table.h"

namespace {

using namespace quipu;

/// True if it was accepted; a refusal must blame the bytes.
bool Accepted(const Status& status) {
  QUIPU_CHECK(status.ok() || status.code() == StatusCode::kCorruption);
  return status.ok();
}

void FuzzTimes(Bytes page, std::size_t rows, std::size_t v) {
  std::vector<TimeUs> times;
  if (Accepted(DecodeTimes(page, rows, v, &times)))
    QUIPU_CHECK(times.size() == RowsOfVector(rows, v));
  Accepted(DecodeTimeBounds(page, rows, v).error());
}

void FuzzMeasure(Bytes page, std::size_t rows, std::size_t v) {
  Accepted(DecodeMeasureStats(page, rows, v).error());
  const auto derived = IsDerived(page, rows, v);
  if (!Accepted(derived.error())) return;
  MeasureVector out;
  if (!Accepted(DecodeMeasureVector(page, nullptr, rows, v, &out))) return;
  QUIPU_CHECK(out.present.size() == RowsOfVector(rows, v));
  QUIPU_CHECK((out.is_wide ? out.wide.size() : out.narrow.size()) == out.present.size());
  MeasureVector on_itself;
  Accepted(DecodeMeasureVector(page, &out, rows, v, &on_itself));
}

void FuzzCodes(Bytes page, std::size_t rows, std::size_t v) {
  constexpr std::size_t kEntries = 100;
  std::vector<std::uint32_t> codes;
  Accepted(DecodeCodeBounds(page, rows, v).error());
  if (!Accepted(DecodeCodes(page, rows, v, kEntries, &codes))) return;
  for (const std::uint32_t code : codes) QUIPU_CHECK(code <= kEntries);
}

void FuzzStrings(Bytes page, std::size_t rows) {
  for (const bool sorted : {false, true}) {
    const StringLimits limits{rows, kNameBytesMax, sorted};
    const auto list = DecodeStringPage(page, limits);
    if (!Accepted(list.error())) continue;
    std::vector<std::string_view> strings;
    for (std::size_t i = 0; i < list->size(); ++i) strings.push_back((*list)[i]);
    std::string encoded;
    QUIPU_CHECK(EncodeStringPage(strings, limits, &encoded).ok());
    QUIPU_CHECK(DecodeStringPage(AsBytes(encoded), limits).has_value());
  }
}

void FuzzIds(Bytes page, std::size_t rows, std::size_t v) {
  const auto sources = DecodeSources(page, rows);
  if (!Accepted(sources.error())) return;
  const std::vector<TimeUs> times(RowsOfVector(rows, v), MonthStart(fuzz::kMonth));
  IdVector ids;
  if (!Accepted(DecodeIdVector(page, rows, v, sources->size(), times, &ids))) return;
  QUIPU_CHECK(ids.source_codes.size() == times.size());
  for (std::size_t i = 0; i < times.size(); ++i) QUIPU_CHECK(ids.Text(i).size() <= kNameBytesMax);
}

void FuzzIdentities(Bytes page, std::size_t rows) {
  const IdentityShape shape(rows);
  const std::size_t count = IdentitySpan(rows, 0, kIdentityPrefixEntries).count;
  std::vector<std::uint64_t> values;
  Accepted(DecodeIdentityPrefix(page, shape, 0x0123'4567'89AB'CDEF, count, &values));
  const std::size_t listed = IdentitySpan(rows, 0, kIdentityRowsEntries).count;
  if (Accepted(DecodeIdentityRows(page, shape, listed, &values))) {
    for (const std::uint64_t row : values) QUIPU_CHECK(row < rows);
  }
  Accepted(IdentityRowAt(page, shape, listed, listed - 1).error());
  const std::size_t keys = IdentitySpan(rows, 0, kIdentityKeysEntries).count;
  const auto opened = IdentityKeysPage::Open(page, shape, keys);
  if (!Accepted(opened.error())) return;
  for (std::size_t i = 0; i < keys; ++i) {
    QUIPU_CHECK(static_cast<std::uint8_t>(opened->Form(i)) < kIdForms);
    static_cast<void>(opened->Rest(i) + opened->Low(i));
  }
}

void FuzzDirectory(Bytes page, std::size_t rows) {
  const auto directory = Directory::Decode(page, rows);
  if (!Accepted(directory.error())) return;
  std::string encoded;
  directory->EncodeTo(&encoded);
  const auto again = Directory::Decode(AsBytes(encoded), rows);
  QUIPU_CHECK(again && std::equal(again->runs().begin(), again->runs().end(),
                                  directory->runs().begin(), directory->runs().end()));
}

void FuzzDimensionCells(Bytes page) {
  static constexpr std::array<ServiceOrdinal, fuzz::kServices> kCovered = {0, 1, 2};
  const DimensionSet set = fuzz::FuzzSet();
  const auto cells = DimensionCells::Decode(page, set, kCovered, fuzz::kMonth);
  if (!Accepted(cells.error())) return;
  for (std::size_t c = 0; c < (*cells)->combinations(); ++c) {
    for (std::size_t d = 0; d < set.dimensions.size(); ++d)
      QUIPU_CHECK((*cells)->code(c, d) <= (*cells)->values(d).size());
  }
  for (const ServiceOrdinal service : kCovered) QUIPU_CHECK((*cells)->LevelsOf(service) != nullptr);
}

void FuzzTotals(Bytes page) {
  ByteReader in(page);
  const auto totals = Totals::Decode(in);
  if (!Accepted(totals.error())) return;
  std::string encoded;
  totals->EncodeTo(&encoded);
  ByteReader once(AsBytes(encoded));
  const auto again = Totals::Decode(once);
  QUIPU_CHECK(again && *again == *totals);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input in(data, size);
  const std::uint64_t decoder = in.Take(1);
  const std::size_t rows = in.Take(2) + 1;
  const std::string payload = in.TakeText(in.left());
  const Bytes page = AsBytes(payload);
  const std::size_t last = (rows - 1) / kVectorRows;
  switch (decoder % 10) {
    case 0:
      FuzzTimes(page, rows, last);
      break;
    case 1:
      FuzzMeasure(page, rows, last);
      break;
    case 2:
      FuzzCodes(page, rows, last);
      break;
    case 3:
      FuzzStrings(page, rows);
      break;
    case 4:
      FuzzIds(page, rows, last);
      break;
    case 5:
      FuzzIdentities(page, rows);
      break;
    case 6:
      FuzzDirectory(page, rows);
      break;
    case 7:
      Accepted(SummaryTable::Decode(page, fuzz::kMonth).error());
      break;
    case 8:
      FuzzTotals(page);
      break;
    case 9:
      FuzzDimensionCells(page);
      break;
  }
  return 0;
}
