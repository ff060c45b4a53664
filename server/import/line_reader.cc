#include "import/line_reader.h"

#include <algorithm>
#include <cstring>

#include "cli/try.h"

namespace quipu::import {

std::string TooLong(std::uint64_t line_bytes) {
  return "the line has " + std::to_string(line_bytes) + " bytes; at most " +
         std::to_string(kLineBytesMax) + " are allowed";
}

Result<bool> LineReader::Fill() {
  SERVER_TRY_ASSIGN(end_, source_.Read(buffer_));
  begin_ = 0;
  return end_ > 0;
}

void LineReader::Keep(const char* data, std::size_t n) {
  partial_length_ += n;
  const std::size_t room = kLineBytesMax - std::min(partial_.size(), kLineBytesMax);
  partial_.append(data, std::min(n, room));
}

Result<bool> LineReader::Next(Line* line) {
  partial_.clear();
  partial_length_ = 0;
  bool in_partial = false;
  for (;;) {
    if (begin_ == end_) {
      SERVER_TRY_ASSIGN(const bool more, Fill());
      if (!more) {
        if (!in_partial) return false;
        break;
      }
    }
    const char* start = buffer_.data() + begin_;
    const std::size_t available = end_ - begin_;
    const auto* newline = static_cast<const char*>(std::memchr(start, '\n', available));
    if (newline == nullptr) {
      Keep(start, available);
      in_partial = true;
      begin_ = end_;
      continue;
    }
    const auto n = static_cast<std::size_t>(newline - start);
    begin_ += n + 1;
    if (!in_partial) {  // the usual case: no copy
      line->text = {start, n};
      line->length = n;
    } else {
      Keep(start, n);
    }
    break;
  }
  if (in_partial) {
    line->text = partial_;
    line->length = partial_length_;
  }
  if (!line->too_long() && line->text.ends_with('\r')) {
    line->text.remove_suffix(1);
    --line->length;
  }
  line->number = ++number_;
  return true;
}

}  // namespace quipu::import
