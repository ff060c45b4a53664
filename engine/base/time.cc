#include "quipu/time.h"

#include <array>

#include "base/calendar.h"
#include "base/check.h"
#include "base/civil.h"
#include "base/zone.h"

namespace quipu {
namespace {

/// Civil time as the text says it, before any offset is applied.
struct CivilText {
  TimeUs local_us = 0;
  TimeUs offset_us = 0;
  bool has_offset = false;
  bool truncated = false;
};

Status Malformed(std::string_view text) {
  constexpr std::size_t kShown = 64;
  std::string message =
      "not a time, expected like 2026-03-01 or 2026-03-01T10:20:30.5Z or with an offset +05:45: '";
  message += text.substr(0, kShown);
  message += text.size() > kShown ? "...'" : "'";
  return Status::InvalidArgument(std::move(message));
}

Status OutOfYears(std::string_view text) {
  return Status::OutOfRange("a time must lie in the years 0001 to 9999 (UTC): '" +
                            std::string(text.substr(0, 64)) + "'");
}

/// `n` digits at p as a number, or -1.
int Digits(const char* p, int n) {
  int v = 0;
  for (int i = 0; i < n; ++i) {
    const auto d = static_cast<unsigned>(p[i] - '0');
    if (d > 9) return -1;
    v = v * 10 + static_cast<int>(d);
  }
  return v;
}

int TwoDigits(const char* p, int max) {
  const int v = Digits(p, 2);
  return v <= max ? v : -1;
}

/// Reads ".digits"; returns the end, or nullptr.
const char* ReadFraction(const char* p, const char* end, CivilText* out) {
  const char* const first = ++p;
  TimeUs unit = kSecondUs / 10;
  for (; p != end && *p >= '0' && *p <= '9'; ++p, unit /= 10) {
    out->local_us += unit * (*p - '0');
    if (unit == 0 && *p != '0') out->truncated = true;
  }
  return p == first ? nullptr : p;
}

/// Reads "Z", "+hh:mm" or "-hhmm" up to the end.
bool ReadOffset(const char* p, const char* end, CivilText* out) {
  out->has_offset = true;
  if (*p == 'Z') return p + 1 == end;
  if (*p != '+' && *p != '-') return false;
  const auto size = end - p;
  if (size != 5 && !(size == 6 && p[3] == ':')) return false;
  const int hours = TwoDigits(p + 1, 23), minutes = TwoDigits(end - 2, 59);
  if (hours < 0 || minutes < 0) return false;
  out->offset_us = (hours * 60 + minutes) * kMinuteUs;
  if (*p == '-') out->offset_us = -out->offset_us;
  return true;
}

/// The part from "T" on.
bool ReadClock(const char* p, const char* end, CivilText* out) {
  if (end - p < 6 || (*p != 'T' && *p != ' ') || p[3] != ':') return false;
  const int hour = TwoDigits(p + 1, 23), minute = TwoDigits(p + 4, 59);
  if (hour < 0 || minute < 0) return false;
  out->local_us += (hour * 60 + minute) * kMinuteUs;
  p += 6;
  if (p != end && *p == ':') {
    if (end - p < 3) return false;
    const int second = TwoDigits(p + 1, 59);
    if (second < 0) return false;
    out->local_us += second * kSecondUs;
    p += 3;
    if (p != end && *p == '.') {
      p = ReadFraction(p, end, out);
      if (p == nullptr) return false;
    }
  }
  return p == end || ReadOffset(p, end, out);
}

Status ReadCivil(std::string_view text, CivilText* out) {
  const char* const p = text.data();
  if (text.size() < 10 || p[4] != '-' || p[7] != '-') return Malformed(text);
  const int year = Digits(p, 4), month = TwoDigits(p + 5, 12), day = TwoDigits(p + 8, 31);
  if (year < 0 || month < 1 || day < 1) return Malformed(text);
  if (year == 0) return OutOfYears(text);
  if (static_cast<unsigned>(day) > DaysInMonth(year, static_cast<unsigned>(month))) {
    return Malformed(text);
  }
  out->local_us =
      DaysFromCivil(year, static_cast<unsigned>(month), static_cast<unsigned>(day)) * kDayUs;
  if (text.size() > 10 && !ReadClock(p + 10, p + text.size(), out)) return Malformed(text);
  return {};
}

char* PutDigits(char* p, std::uint64_t v, int n) {
  for (int i = n - 1; i >= 0; --i, v /= 10) p[i] = static_cast<char>('0' + v % 10);
  return p + n;
}

/// "2026-03-01T10:20:30[.fraction]" of a time that is already local; returns the end.
char* PutCivil(char* p, TimeUs local) {
  const TimeUs rest = local % kDayUs;  // no FloorTo: any 64-bit number may come here
  const CivilDate date = CivilFromDays(local / kDayUs - (rest < 0));
  const auto in_day = static_cast<std::uint64_t>(rest < 0 ? rest + kDayUs : rest);
  auto year = static_cast<std::uint64_t>(date.year);
  if (date.year < 0) {  // outside the accepted years; for messages only
    *p++ = '-';
    year = 0 - year;
  }
  p = PutDigits(p, year, year > 99'999 ? 6 : year > 9'999 ? 5 : 4);
  *p++ = '-';
  p = PutDigits(p, date.month, 2);
  *p++ = '-';
  p = PutDigits(p, date.day, 2);
  *p++ = 'T';
  const std::uint64_t seconds = in_day / kSecondUs, micros = in_day % kSecondUs;
  p = PutDigits(p, seconds / 3600, 2);
  *p++ = ':';
  p = PutDigits(p, seconds / 60 % 60, 2);
  *p++ = ':';
  p = PutDigits(p, seconds % 60, 2);
  if (micros == 0) return p;
  *p++ = '.';
  return micros % 1000 == 0 ? PutDigits(p, micros / 1000, 3) : PutDigits(p, micros, 6);
}

constexpr std::size_t kTextBytesMax = 48;

}  // namespace

Result<ParsedTime> ParseTime(std::string_view text) {
  CivilText civil;
  QUIPU_TRY(ReadCivil(text, &civil));
  const TimeUs t = civil.local_us - civil.offset_us;
  if (t < kTimeMin || t >= kTimeMax) return OutOfYears(text);
  return ParsedTime{t, civil.truncated};
}

std::string FormatTime(TimeUs time_us) {
  std::array<char, kTextBytesMax> buffer;
  char* p = PutCivil(buffer.data(), time_us);
  *p++ = 'Z';
  return {buffer.data(), p};
}

Result<std::string> FormatTimeInZone(TimeUs time_us, std::string_view zone) {
  QUIPU_TRY_ASSIGN(const Zone* tz, Zone::Find(zone));
  if (time_us < kTimeMin || time_us > kTimeMax) {
    return Status::OutOfRange("a time must lie in the years 0001 to 9999 (UTC)");
  }
  // RFC 3339 knows no seconds in an offset; old local mean times have them. Cutting them from both the clock and the offset keeps
  // the text exact about the instant.
  const TimeUs offset = tz->At(time_us).offset_us / kMinuteUs * kMinuteUs;
  std::array<char, kTextBytesMax> buffer;
  char* p = PutCivil(buffer.data(), time_us + offset);
  if (zone == "UTC") {
    *p++ = 'Z';
  } else {
    const auto minutes = static_cast<std::uint64_t>((offset < 0 ? -offset : offset) / kMinuteUs);
    *p++ = offset < 0 ? '-' : '+';
    p = PutDigits(p, minutes / 60, 2);
    *p++ = ':';
    p = PutDigits(p, minutes % 60, 2);
  }
  return std::string(buffer.data(), p);
}

Result<TimeUs> ParseTimeInZone(std::string_view text, std::string_view zone) {
  CivilText civil;
  QUIPU_TRY(ReadCivil(text, &civil));
  TimeUs t = civil.local_us - civil.offset_us;
  if (!civil.has_offset) {
    QUIPU_TRY_ASSIGN(const Zone* tz, Zone::Find(zone));
    t = tz->FirstInstantOf(civil.local_us);
    // The edges of the range are years away from any change of offset.
    if (civil.local_us - tz->At(t).offset_us < kTimeMin) return OutOfYears(text);
  }
  if (t < kTimeMin || t >= kTimeMax) return OutOfYears(text);
  return t;
}

}  // namespace quipu
