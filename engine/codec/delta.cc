#include "codec/delta.h"

#include "codec/frame_of_reference.h"

namespace quipu {

std::size_t MeasureDelta(IntVector* v, std::size_t /*limit*/) {
  return VarintBytes(ZigZag(v->values[0])) +
         MeasureResiduals(v->values.size() - 1, v->delta_min, v->delta_max);
}

void EncodeDelta(const IntVector& v, std::string* out) {
  std::array<std::uint64_t, kVectorValuesMax> deltas;
  const std::int64_t* p = v.values.data();
  const std::size_t n = v.values.size();
  std::uint64_t* to = deltas.data();
  for (std::size_t i = 1; i < n; ++i) to[i - 1] = Difference(p[i], p[i - 1]);
  ByteWriter(out).Varint(ZigZag(p[0]));
  WriteResiduals({deltas.data(), n - 1}, v.delta_min, v.delta_max, out);
}

Status DecodeDelta(ByteReader* in, std::span<std::int64_t> out) {
  const std::span<std::uint64_t> sums = AsUnsigned(out);
  auto sum = static_cast<std::uint64_t>(UnZigZag(in->Varint()));
  Status read = ReadResiduals(in, sums.subspan(1));
  if (!read.ok()) return read;
  std::uint64_t* p = sums.data();
  p[0] = sum;
  for (std::size_t i = 1; i < sums.size(); ++i) p[i] = sum += p[i];
  return Status();
}

}  // namespace quipu
