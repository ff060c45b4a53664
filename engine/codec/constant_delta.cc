#include "codec/constant_delta.h"

namespace quipu {

std::size_t MeasureConstantDelta(IntVector* v, std::size_t /*limit*/) {
  if (v->delta_min != v->delta_max) return kNoSize;
  return VarintBytes(ZigZag(v->values[0])) + VarintBytes(ZigZag(v->delta_min));
}

void EncodeConstantDelta(IntVector* v, std::string* out) {
  ByteWriter writer(out);
  writer.Varint(ZigZag(v->values[0]));
  writer.Varint(ZigZag(v->delta_min));
}

Status DecodeConstantDelta(ByteReader* in, std::span<std::int64_t> out) {
  const auto first = static_cast<std::uint64_t>(UnZigZag(in->Varint()));
  const auto delta = static_cast<std::uint64_t>(UnZigZag(in->Varint()));
  std::uint64_t* p = AsUnsigned(out).data();
  for (std::size_t i = 0; i < out.size(); ++i) p[i] = first + i * delta;
  return in->status("constant delta");
}

}  // namespace quipu
