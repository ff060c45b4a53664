#include "codec/frame_of_reference.h"

#include "base/check.h"

namespace quipu {

std::size_t MeasureResiduals(std::size_t n, std::int64_t min, std::int64_t max) {
  return VarintBytes(ZigZag(min)) + 1 + PackedBytes(n, BitsFor(Difference(max, min)));
}

void WriteResiduals(std::span<const std::uint64_t> values, std::int64_t min, std::int64_t max,
                    std::string* out) {
  ByteWriter writer(out);
  const int width = BitsFor(Difference(max, min));
  writer.Varint(ZigZag(min));
  writer.U8(static_cast<std::uint8_t>(width));
  PackBits(values, width, out, static_cast<std::uint64_t>(min));
}

Result<ResidualBlock> ReadResiduals(ByteReader* in, std::size_t n) {
  ResidualBlock block;
  block.base = static_cast<std::uint64_t>(UnZigZag(in->Varint()));
  block.width = in->U8();
  if (block.width > 64) {
    return Status::Corruption("residuals: more than 64 bits each: " + std::to_string(block.width));
  }
  block.packed = in->Raw(PackedBytes(n, block.width));
  if (!in->ok()) return in->status("residuals");
  if (!PaddingIsZero(block.packed, n, block.width))
    return Status::Corruption("residuals: bits after the last one are set");
  return block;
}

std::size_t MeasureFrameOfReference(IntVector* v, std::size_t /*limit*/) {
  return MeasureResiduals(v->values.size(), v->min, v->max);
}

void EncodeFrameOfReference(IntVector* v, std::string* out) {
  WriteResiduals(AsUnsigned(v->values), v->min, v->max, out);
}

Status DecodeFrameOfReference(ByteReader* in, std::span<std::int64_t> out) {
  QUIPU_TRY_ASSIGN(const ResidualBlock block, ReadResiduals(in, out.size()));
  UnpackBits(block.packed, block.width, AsUnsigned(out), block.base);
  return Status();
}

}  // namespace quipu
