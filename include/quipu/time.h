// quipu/time.h
//
// Times are int64 microseconds since 1970-01-01T00:00:00 UTC, without leap seconds. Outside they are RFC 3339 text.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "quipu/status.h"

namespace quipu {

/// Microseconds since the Unix epoch, UTC.
using TimeUs = std::int64_t;

inline constexpr TimeUs kSecondUs = 1'000'000;
inline constexpr TimeUs kMinuteUs = 60 * kSecondUs;
inline constexpr TimeUs kHourUs = 60 * kMinuteUs;
inline constexpr TimeUs kDayUs = 24 * kHourUs;
/// Years 0001..9999 are accepted; these are the bounds, half open.
inline constexpr TimeUs kTimeMin = -62'135'596'800 * kSecondUs;
inline constexpr TimeUs kTimeMax = 253'402'300'800 * kSecondUs;

/// What `ParseTime` did with fractional digits beyond microseconds.
struct ParsedTime {
  TimeUs time_us = 0;
  bool truncated = false;  ///< Digits after the sixth were cut off (and were not all zero).
};

/// Parses `2026-03-01`, `2026-03-01T10:20:30[.fraction][Z|+05:45|-0800]`, also with a space instead of `T` and without
/// seconds; no zone means UTC. kInvalidArgument otherwise, kOutOfRange outside years 0001..9999.
Result<ParsedTime> ParseTime(std::string_view text);

/// RFC 3339 in UTC: `2026-03-01T10:20:30Z`, with 3 or 6 fractional digits only where needed.
std::string FormatTime(TimeUs time_us);

/// RFC 3339 in an IANA zone: `2026-03-01T00:00:00+05:45`. kInvalidArgument for an unknown zone.
Result<std::string> FormatTimeInZone(TimeUs time_us, std::string_view zone);

/// Local civil text (as `ParseTime` accepts, without offset) in an IANA zone to UTC. An ambiguous local time means its first
/// occurrence; one skipped by a DST change means the instant of the change. Text with its own offset ignores `zone`.
Result<TimeUs> ParseTimeInZone(std::string_view text, std::string_view zone);

}  // namespace quipu
