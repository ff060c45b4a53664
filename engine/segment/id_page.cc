#include "segment/id_page.h"

#include <algorithm>
#include <array>

#include "base/check.h"
#include "codec/int_codec.h"
#include "codec/text_codec.h"
#include "quipu/event.h"
#include "segment/dimension_page.h"
#include "segment/string_page.h"
#include "segment/vector_table.h"

namespace quipu {
namespace {

StringLimits SourceLimits(std::size_t rows) {
  return {.count_max = rows, .string_bytes_max = kNameBytesMax, .sorted = true};
}

// The event's time as the ids count it.
std::int64_t MillisOf(TimeUs time) {
  constexpr TimeUs kMilli = 1000;
  return time / kMilli - (time % kMilli < 0 ? 1 : 0);
}

enum Flags : std::uint8_t { kTexts = 1, kMillis = 2 };

}  // namespace

bool NeedsIdPage(const RowBatch& rows) {
  if (rows.id_texts.size() != 0 || !rows.id_millis.empty()) return true;
  for (std::size_t i = 0; i < rows.sources.dictionary.size(); ++i) {
    if (!rows.sources.dictionary[i].empty()) return true;
  }
  return false;
}

Status EncodeIdPage(const RowBatch& rows, std::string* out) {
  const std::size_t vectors = VectorsOf(rows.size());
  VectorTableWriter table(vectors, out);
  const SortedColumn sorted = SortDictionary(rows.sources);
  QUIPU_TRY(EncodeStringPage(sorted.strings, SourceLimits(rows.size()), out));
  std::array<std::int64_t, kVectorRows> ints;
  std::array<std::string_view, kVectorRows> texts;
  for (std::size_t v = 0; v < vectors; ++v) {
    const std::size_t first = v * kVectorRows, n = RowsOfVector(rows.size(), v);
    bool any_text = false, any_millis = false;
    for (std::size_t i = 0; i < n; ++i) {
      ints[i] = sorted.codes[first + i];
      texts[i] = rows.TextOf(first + i);
      any_text = any_text || !texts[i].empty();
      any_millis = any_millis || (!rows.id_millis.empty() && rows.id_millis[first + i] != 0);
      if (texts[i].size() > kNameBytesMax) {
        return Status::Exhausted("ids: an id of " + std::to_string(texts[i].size()) +
                                 " bytes, at most " + std::to_string(kNameBytesMax) +
                                 " are possible");
      }
    }
    table.BeginBlock();
    ByteWriter(out).U8(
        static_cast<std::uint8_t>((any_text ? kTexts : 0) | (any_millis ? kMillis : 0)));
    EncodeInts(std::span(ints).first(n), out);
    if (any_text) EncodeIds(std::span(texts).first(n), out);
    if (!any_millis) continue;
    for (std::size_t i = 0; i < n; ++i)
      ints[i] = rows.id_millis[first + i] - MillisOf(rows.times[first + i]);
    EncodeInts(std::span(ints).first(n), out);
  }
  return Status();
}

Result<StringList> DecodeSources(Bytes payload, std::size_t rows) {
  QUIPU_TRY_ASSIGN(const Bytes rest, VectorTableRest(payload, rows));
  return DecodeStringPage(rest, SourceLimits(rows));
}

Status DecodeIdVector(Bytes payload, std::size_t rows, std::size_t v, std::size_t sources,
                      std::span<const TimeUs> times, IdVector* out) {
  QUIPU_TRY_ASSIGN(Bytes block, VectorBlock(payload, rows, v));
  const std::size_t n = RowsOfVector(rows, v);
  QUIPU_CHECK(times.size() == n);
  if (block.empty() || block[0] > (kTexts | kMillis))
    return Status::Corruption("ids: unknown flags");
  const std::uint8_t flags = block[0];
  block = block.subspan(1);
  std::array<std::int64_t, kVectorRows> ints;
  QUIPU_TRY(DecodeInts(&block, std::span(ints).first(n)));
  out->source_codes.resize(n);
  for (std::size_t i = 0; i < n; ++i) {
    if (ints[i] < 1 || static_cast<std::uint64_t>(ints[i]) > sources) {
      return Status::Corruption("ids: source " + std::to_string(ints[i]) + " of " +
                                std::to_string(sources));
    }
    out->source_codes[i] = static_cast<std::uint32_t>(ints[i]);
  }
  out->text.clear();
  out->offsets.clear();
  out->millis.clear();
  if ((flags & kTexts) != 0)
    QUIPU_TRY(DecodeIds(&block, n, n * kNameBytesMax, &out->text, &out->offsets));
  if ((flags & kMillis) != 0) {
    QUIPU_TRY(DecodeInts(&block, std::span(ints).first(n)));
    out->millis.resize(n);
    for (std::size_t i = 0; i < n; ++i) {
      const bool overflow = __builtin_add_overflow(ints[i], MillisOf(times[i]), &out->millis[i]);
      if (overflow || out->millis[i] < 0 || out->millis[i] >> kIdMillisBits != 0)
        return Status::Corruption("ids: milliseconds are out of range");
    }
  }
  return ExpectEnd(block, "ids");
}

}  // namespace quipu
