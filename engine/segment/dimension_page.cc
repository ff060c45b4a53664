#include "segment/dimension_page.h"

#include <algorithm>
#include <array>
#include <limits>

#include "base/check.h"
#include "codec/int_codec.h"
#include "codec/kernels.h"
#include "segment/vector_table.h"

namespace quipu {
namespace {

Result<CodeBounds> ReadBounds(Bytes block, Bytes* rest) {
  ByteReader reader(block);
  const std::uint64_t min = reader.Varint(), max = reader.Varint();
  const std::uint8_t absent = reader.U8();
  QUIPU_TRY(reader.status("dimension"));
  const bool possible = min <= max && max <= std::numeric_limits<std::uint32_t>::max() &&
                        absent <= 1 && (min != 0 || (max == 0 && absent == 1));
  if (!possible) return Status::Corruption("dimension: impossible bounds");
  *rest = block.last(reader.remaining());
  CodeBounds bounds;
  bounds.min = static_cast<std::uint32_t>(min);
  bounds.max = static_cast<std::uint32_t>(max);
  bounds.some_absent = absent == 1;
  return bounds;
}

}  // namespace

SortedColumn SortDictionary(const CodedColumn& column) {
  const std::size_t entries = column.dictionary.size();
  std::vector<std::uint32_t> order;
  std::vector<std::uint32_t> new_codes(entries + 1, 0);
  for (const std::uint32_t code : column.codes) new_codes[code] = 1;
  for (std::uint32_t i = 0; i < entries; ++i) {
    if (new_codes[i + 1] != 0) order.push_back(i);
  }
  std::sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) {
    return column.dictionary[a] < column.dictionary[b];
  });
  SortedColumn sorted;
  sorted.strings.reserve(order.size());
  new_codes[0] = 0;
  for (const std::uint32_t i : order) {
    sorted.strings.push_back(column.dictionary[i]);
    new_codes[i + 1] = static_cast<std::uint32_t>(sorted.strings.size());
  }
  sorted.codes.resize(column.codes.size());
  std::transform(column.codes.begin(), column.codes.end(), sorted.codes.begin(),
                 [&](std::uint32_t code) { return new_codes[code]; });
  return sorted;
}

CodeBounds BoundsOf(std::span<const std::uint32_t> codes) {
  CodeBounds bounds;
  for (const std::uint32_t code : codes) {
    if (code == 0) {
      bounds.some_absent = true;
      continue;
    }
    bounds.min = bounds.min == 0 ? code : std::min(bounds.min, code);
    bounds.max = std::max(bounds.max, code);
  }
  return bounds;
}

void EncodeCodesPage(std::span<const std::uint32_t> codes, std::string* out) {
  const std::size_t vectors = VectorsOf(codes.size());
  VectorTableWriter table(vectors, out);
  ByteWriter writer(out);
  std::array<std::int64_t, kVectorRows> values;
  for (std::size_t v = 0; v < vectors; ++v) {
    const auto vector = codes.subspan(v * kVectorRows, RowsOfVector(codes.size(), v));
    const CodeBounds bounds = BoundsOf(vector);
    table.BeginBlock();
    writer.Varint(bounds.min);
    writer.Varint(bounds.max);
    writer.U8(bounds.some_absent ? 1 : 0);
    std::copy(vector.begin(), vector.end(), values.begin());
    EncodeInts(std::span(values).first(vector.size()), out);
  }
}

Status DecodeCodes(Bytes payload, std::size_t rows, std::size_t v, std::size_t entries,
                   std::vector<std::uint32_t>* out) {
  QUIPU_TRY_ASSIGN(const Bytes block, VectorBlock(payload, rows, v));
  Bytes rest;
  QUIPU_TRY_ASSIGN(const CodeBounds bounds, ReadBounds(block, &rest));
  const std::size_t n = RowsOfVector(rows, v);
  std::array<std::int64_t, kVectorRows> values;
  QUIPU_TRY(DecodeInts(&rest, std::span(values).first(n)));
  out->resize(n);
  const std::uint64_t largest =
      Kernels().narrow(reinterpret_cast<const std::uint64_t*>(values.data()), n, out->data());
  if (largest > entries || largest != bounds.max) {
    return Status::Corruption("dimension: code " + std::to_string(largest) + " beyond " +
                              std::to_string(bounds.max) + " or the dictionary of " +
                              std::to_string(entries));
  }
  return ExpectEnd(rest, "dimension");
}

Result<CodeBounds> DecodeCodeBounds(Bytes payload, std::size_t rows, std::size_t v) {
  QUIPU_TRY_ASSIGN(const Bytes block, VectorBlock(payload, rows, v));
  Bytes rest;
  return ReadBounds(block, &rest);
}

}  // namespace quipu
