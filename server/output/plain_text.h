// Text from outside made safe to show: a terminal must never obey what a log line contains.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace quipu::output {

/// Control characters become \n, \t, \xHH; everything else stays.
std::string Visible(std::string_view text);
/// `Visible` in double quotes, cut to about `max` bytes: for error messages.
std::string Quoted(std::string_view text, std::size_t max = 60);
/// Columns that UTF-8 text takes on a terminal, counting one for each code point.
std::size_t Width(std::string_view text);

}  // namespace quipu::output
