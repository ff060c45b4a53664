#include "output/plain_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace quipu::output {
namespace {

bool IsControl(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

bool IsContinuation(char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }

}  // namespace

std::string Visible(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    if (!IsControl(c)) {
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else {
      fmt::format_to(std::back_inserter(out), "\\x{:02x}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

std::string Quoted(std::string_view text, std::size_t max) {
  bool cut = false;
  if (text.size() > max) {
    std::size_t n = max;
    while (n > 0 && IsContinuation(text[n])) --n;
    text = text.substr(0, n);
    cut = true;
  }
  return '"' + Visible(text) + (cut ? "...\"" : "\"");
}

std::size_t Width(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return !IsContinuation(c); }));
}

}  // namespace quipu::output
