#include "segment/time_page.h"

#include <algorithm>

#include "base/check.h"
#include "codec/int_codec.h"
#include "segment/vector_table.h"

namespace quipu {
namespace {

constexpr std::size_t kBoundsBytes = 2 * sizeof(TimeUs);

}  // namespace

void EncodeTimePage(std::span<const TimeUs> times, std::string* out) {
  const std::size_t vectors = VectorsOf(times.size());
  VectorTableWriter table(vectors, out);
  ByteWriter writer(out);
  for (std::size_t v = 0; v < vectors; ++v) {
    const auto values = times.subspan(v * kVectorRows, RowsOfVector(times.size(), v));
    const auto [min, max] = std::minmax_element(values.begin(), values.end());
    writer.I64(*min);
    writer.I64(*max);
  }
  for (std::size_t v = 0; v < vectors; ++v) {
    table.BeginBlock();
    EncodeInts(times.subspan(v * kVectorRows, RowsOfVector(times.size(), v)), out);
  }
}

Result<TimeBounds> DecodeTimeBounds(Bytes payload, std::size_t rows, std::size_t v) {
  QUIPU_TRY_ASSIGN(const Bytes rest, VectorTableRest(payload, rows));
  if (rest.size() != VectorsOf(rows) * kBoundsBytes) {
    return Status::Corruption("time bounds: wrong size");
  }
  const std::uint8_t* entry = rest.data() + v * kBoundsBytes;
  const TimeBounds bounds{LoadLe<TimeUs>(entry), LoadLe<TimeUs>(entry + sizeof(TimeUs))};
  if (bounds.min > bounds.max) return Status::Corruption("time bounds: minimum above maximum");
  return bounds;
}

Status DecodeTimes(Bytes payload, std::size_t rows, std::size_t v, std::vector<TimeUs>* out) {
  QUIPU_TRY_ASSIGN(Bytes block, VectorBlock(payload, rows, v));
  out->resize(RowsOfVector(rows, v));
  QUIPU_TRY(DecodeInts(&block, *out));
  return ExpectEnd(block, "times");
}

}  // namespace quipu
