#include "import/running_id.h"

#include <xxhash.h>

#include <cstddef>
#include <cstring>

namespace quipu::import {

void RunningId::Add(std::string_view text, std::uint64_t length) {
  std::array<unsigned char, 40> block{};
  std::memcpy(block.data(), hash_.data(), 16);
  XXH128_canonical_t canonical{};
  XXH128_canonicalFromHash(&canonical, XXH3_128bits(text.data(), text.size()));
  std::memcpy(block.data() + 16, canonical.digest, 16);
  for (std::size_t i = 0; i < 8; ++i) {
    block[32 + i] = static_cast<unsigned char>(length >> (8 * i));
  }
  XXH128_canonicalFromHash(&canonical, XXH3_128bits(block.data(), block.size()));
  std::memcpy(hash_.data(), canonical.digest, 16);
}

RunningId::Text RunningId::Hex(const Value& value) {
  static constexpr std::string_view kDigits = "0123456789abcdef";
  Text hex{};
  for (std::size_t i = 0; i < value.size(); ++i) {
    hex[2 * i] = kDigits[value[i] >> 4];
    hex[2 * i + 1] = kDigits[value[i] & 15];
  }
  return hex;
}

}  // namespace quipu::import
