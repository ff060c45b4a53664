// Lines of a byte source, without their LF or CRLF, numbered from 1. Memory is bounded: a line longer than kLineBytesMax is
// reported as such, cut, and the reader goes on after it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "import/byte_source.h"

namespace quipu::import {

/// Enough for the largest legal event (64 dimensions of 4 KiB) written with every byte escaped.
inline constexpr std::size_t kLineBytesMax = std::size_t{4} << 20;

struct Line {
  std::string_view text;     ///< Valid until the next call. Cut to kLineBytesMax.
  std::uint64_t number = 0;  ///< From 1.
  std::uint64_t length = 0;  ///< Of the whole line; more than text.size() if it was cut.
  [[nodiscard]] bool too_long() const noexcept { return length != text.size(); }
};

/// Why a line that is too long is refused.
std::string TooLong(std::uint64_t line_bytes);

class LineReader {
 public:
  explicit LineReader(ByteSource& source) : source_(source), buffer_(std::size_t{256} << 10) {}

  /// The next line, or false at the end. A last line without an ending counts.
  Result<bool> Next(Line* line);

 private:
  Result<bool> Fill();  ///< False at the end of the source.
  void Keep(const char* data, std::size_t n);

  ByteSource& source_;
  std::vector<char> buffer_;
  std::size_t begin_ = 0, end_ = 0;
  std::string partial_;  // of a line that crosses buffers
  std::uint64_t partial_length_ = 0;
  std::uint64_t number_ = 0;
};

}  // namespace quipu::import
