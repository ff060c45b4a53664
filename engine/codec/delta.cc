#include "codec/delta.h"

#include "base/check.h"
#include "codec/frame_of_reference.h"

namespace quipu {

std::size_t MeasureDelta(IntVector* v, std::size_t /*limit*/) {
  return VarintBytes(ZigZag(v->values[0])) +
         MeasureResiduals(v->values.size() - 1, v->delta_min, v->delta_max);
}

void EncodeDelta(IntVector* v, std::string* out) {
  ByteWriter(out).Varint(ZigZag(v->values[0]));
  WriteResiduals(v->Differences(), v->delta_min, v->delta_max, out);
}

Status DecodeDelta(ByteReader* in, std::span<std::int64_t> out) {
  const auto first = static_cast<std::uint64_t>(UnZigZag(in->Varint()));
  VectorScratch differences;
  const std::size_t n = out.size() - 1;
  QUIPU_TRY_ASSIGN(const ResidualBlock residuals, ReadResiduals(in, n));
  UnpackBits(residuals.packed, residuals.width, n, residuals.base, &differences);
  std::uint64_t* p = AsUnsigned(out).data();
  p[0] = first;
  Kernels().prefix_sum(differences.data(), n, first, p + 1);
  return Status();
}

}  // namespace quipu
