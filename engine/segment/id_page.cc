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

}  // namespace

Status EncodeIdPage(const StringList& ids, const CodedColumn& sources, std::string* out) {
  const std::size_t rows = ids.size();
  const std::size_t vectors = VectorsOf(rows);
  VectorTableWriter table(vectors, out);
  const SortedColumn sorted = SortDictionary(sources);
  QUIPU_TRY(EncodeStringPage(sorted.strings, SourceLimits(rows), out));
  std::array<std::int64_t, kVectorRows> codes;
  std::array<std::string_view, kVectorRows> texts;
  for (std::size_t v = 0; v < vectors; ++v) {
    const std::size_t first = v * kVectorRows, n = RowsOfVector(rows, v);
    for (std::size_t i = 0; i < n; ++i) {
      codes[i] = sorted.codes[first + i];
      texts[i] = ids[first + i];
      if (texts[i].size() > kNameBytesMax) {
        return Status::Exhausted("ids: an id of " + std::to_string(texts[i].size()) +
                                 " bytes, at most " + std::to_string(kNameBytesMax) +
                                 " are possible");
      }
    }
    table.BeginBlock();
    EncodeInts(std::span(codes).first(n), out);
    EncodeIds(std::span(texts).first(n), out);
  }
  return Status();
}

Result<StringList> DecodeSources(Bytes payload, std::size_t rows) {
  QUIPU_TRY_ASSIGN(const Bytes rest, VectorTableRest(payload, rows));
  return DecodeStringPage(rest, SourceLimits(rows));
}

Status DecodeIdVector(Bytes payload, std::size_t rows, std::size_t v, std::size_t sources,
                      IdVector* out) {
  QUIPU_TRY_ASSIGN(Bytes block, VectorBlock(payload, rows, v));
  const std::size_t n = RowsOfVector(rows, v);
  std::array<std::int64_t, kVectorRows> codes;
  QUIPU_TRY(DecodeInts(&block, std::span(codes).first(n)));
  out->source_codes.resize(n);
  for (std::size_t i = 0; i < n; ++i) {
    if (codes[i] < 1 || static_cast<std::uint64_t>(codes[i]) > sources) {
      return Status::Corruption("ids: source " + std::to_string(codes[i]) + " of " +
                                std::to_string(sources));
    }
    out->source_codes[i] = static_cast<std::uint32_t>(codes[i]);
  }
  out->text.clear();
  out->offsets.clear();
  QUIPU_TRY(DecodeIds(&block, n, n * kNameBytesMax, &out->text, &out->offsets));
  return ExpectEnd(block, "ids");
}

}  // namespace quipu
