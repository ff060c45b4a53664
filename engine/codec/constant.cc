#include "codec/constant.h"

#include <algorithm>

namespace quipu {

std::size_t MeasureConstant(IntVector* v, std::size_t /*limit*/) {
  return v->min == v->max ? VarintBytes(ZigZag(v->min)) : kNoSize;
}

void EncodeConstant(IntVector* v, std::string* out) { ByteWriter(out).Varint(ZigZag(v->min)); }

Status DecodeConstant(ByteReader* in, std::span<std::int64_t> out) {
  const std::int64_t value = UnZigZag(in->Varint());
  std::fill(out.begin(), out.end(), value);
  return in->status("constant");
}

}  // namespace quipu
