// Identity for lines that bring none.
//
// A log file has no event ids, yet importing it twice must not count twice, importing it after it grew must add only the new
// lines, and a line that occurs twice in it happened twice. So the id of line n is a hash of *everything up to and including*
// line n:
//
//   h(0) = 16 zero bytes
//   h(n) = XXH3-128( h(n-1) || XXH3-128(line n) || length of line n as 8 bytes, little-endian )
//
// written as 32 hex digits, hashes in their canonical (big-endian) byte order. Lines count without their LF or CRLF; headers,
// blank lines and bad lines count too. The name of the file and its compression do not enter.
//
// The ids are stored: this function must never change. running_id_test.cc holds golden values.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace quipu::import {

class RunningId {
 public:
  using Value = std::array<unsigned char, 16>;
  using Text = std::array<char, 32>;

  /// Takes in the next line. `length` is that of the whole line where `text` was cut.
  void Add(std::string_view text, std::uint64_t length);
  void Add(std::string_view text) { Add(text, text.size()); }
  /// The id of the last line added.
  [[nodiscard]] const Value& value() const noexcept { return hash_; }
  [[nodiscard]] static Text Hex(const Value& value);

 private:
  Value hash_{};
};

}  // namespace quipu::import
