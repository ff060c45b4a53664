#include "base/bytes.h"

namespace quipu {

void ByteWriter::Varint(std::uint64_t v) {
  while (v >= 0x80) {
    U8(static_cast<std::uint8_t>(v | 0x80));
    v >>= 7;
  }
  U8(static_cast<std::uint8_t>(v));
}

void ByteWriter::Varint128(Uint128 v) {
  while (v >= 0x80) {
    U8(static_cast<std::uint8_t>(static_cast<std::uint8_t>(v) | 0x80));
    v >>= 7;
  }
  U8(static_cast<std::uint8_t>(v));
}

void ByteWriter::Pad(std::size_t alignment) {
  if (alignment < 2) return;
  const std::size_t over = out_->size() % alignment;
  if (over != 0) out_->append(alignment - over, '\0');
}

Status ByteReader::status(std::string_view what) const {
  if (ok()) return {};
  return Status::Corruption(std::string(what) + ": ends too early or holds a malformed number");
}

std::uint64_t ByteReader::Varint() {
  std::uint64_t v = 0;
  for (unsigned shift = 0; shift < 64 && p_ != end_; shift += 7) {
    const std::uint8_t byte = *p_++;
    if (shift == 63 && byte > 1) break;  // would not fit
    v |= static_cast<std::uint64_t>(byte & 0x7F) << shift;
    if (byte == 0 && shift != 0) break;  // not the shortest form: one value has one spelling
    if (byte < 0x80) return v;
  }
  Fail();
  return 0;
}

Uint128 ByteReader::Varint128() {
  Uint128 v = 0;
  for (unsigned shift = 0; shift < 128 && p_ != end_; shift += 7) {
    const std::uint8_t byte = *p_++;
    if (shift == 126 && byte > 3) break;  // would not fit
    v |= static_cast<Uint128>(byte & 0x7F) << shift;
    if (byte == 0 && shift != 0) break;  // not the shortest form: one value has one spelling
    if (byte < 0x80) return v;
  }
  Fail();
  return 0;
}

std::string_view ByteReader::Text() {
  const std::uint64_t n = Varint();
  if (n > remaining()) {
    Fail();
    return {};
  }
  return AsText(Raw(static_cast<std::size_t>(n)));
}

Bytes ByteReader::Raw(std::size_t n) {
  if (n > remaining()) {
    Fail();
    return {};
  }
  Bytes out(p_, n);
  p_ += n;
  return out;
}

}  // namespace quipu
