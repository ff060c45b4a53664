// The text forms of include/quipu/as_of.h.
#include "quipu/as_of.h"

#include <algorithm>
#include <charconv>

#include "base/check.h"

namespace quipu {
namespace {

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsNameByte(char c) {
  return IsDigit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
         std::string_view("-_.:/").find(c) != std::string_view::npos;
}

}  // namespace

Status CheckFreezeName(std::string_view name) {
  const std::string shown = "freeze '" + std::string(name.substr(0, kFreezeNameBytesMax)) + "': ";
  if (name.empty() || name.size() > kFreezeNameBytesMax)
    return Status::InvalidArgument(shown + "a name has 1 to 64 bytes");
  if (!std::all_of(name.begin(), name.end(), IsNameByte))
    return Status::InvalidArgument(shown + "a name is made of letters, digits and - _ . : /");
  if (std::all_of(name.begin(), name.end(), IsDigit))
    return Status::InvalidArgument(shown +
                                   "a name of digits alone would be taken for a commit's number");
  return {};
}

Result<AsOf> AsOf::Parse(std::string_view text) {
  AsOf as_of;
  if (!text.empty() && std::all_of(text.begin(), text.end(), IsDigit)) {
    std::uint64_t seq = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seq);
    if (error != std::errc())
      return Status::InvalidArgument("'" + std::string(text.substr(0, 64)) +
                                     "' is too large for a commit's number");
    as_of.commit = seq;
    return as_of;
  }
  QUIPU_TRY(CheckFreezeName(text));
  as_of.freeze = std::string(text);
  return as_of;
}

std::string AsOf::ToString() const {
  if (!freeze.empty()) return "freeze '" + freeze + "'";
  return commit ? "commit " + std::to_string(*commit) : "now";
}

}  // namespace quipu
