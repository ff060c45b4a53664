#include "base/canary.h"

#ifdef QUIPU_CANARIES

#include <algorithm>
#include <array>
#include <cstdlib>
#include <string_view>

#include "base/check.h"

namespace quipu {
namespace {

constexpr std::array<std::string_view, 7> kNames = {
    "folder-not-synced", "rows-dropped",         "totals-unchecked",   "claimed-first",
    "progress-apart",    "default-wal-recovery", "watermark-unchecked"};

/// One bit a canary.
unsigned ReadAlive() {
  const char* const given = std::getenv("QUIPU_CANARY");
  std::string_view left = given != nullptr ? given : "";
  unsigned alive = 0;
  while (!left.empty()) {
    const std::string_view name = left.substr(0, left.find(','));
    left.remove_prefix(std::min(left.size(), name.size() + 1));
    unsigned bit = 0;
    for (std::size_t i = 0; i < kNames.size(); ++i) bit |= name == kNames[i] ? 1u << i : 0;
    QUIPU_CHECK(bit != 0 && "QUIPU_CANARY names no canary");
    alive |= bit;
  }
  return alive;
}

}  // namespace

bool IsCanary(Canary canary) {
  static const unsigned alive = ReadAlive();
  return (alive >> static_cast<unsigned>(canary) & 1u) != 0;
}

}  // namespace quipu

#endif
