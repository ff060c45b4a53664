#include "quipu/time.h"

#include <date/date.h>
#include <gtest/gtest.h>

#include <sstream>

#include "base/test_seed.h"

namespace quipu {
namespace {

std::string Canonical(std::string_view text) {
  const Result<ParsedTime> t = ParseTime(text);
  if (!t) return std::string(StatusCodeName(t.error().code()));
  return FormatTime(t->time_us) + (t->truncated ? " truncated" : "");
}

TEST(Time, ParsesAndPrints) {
  const std::pair<const char*, const char*> kCases[] = {
      {"1970-01-01", "1970-01-01T00:00:00Z"},
      {"2026-03-01T10:20", "2026-03-01T10:20:00Z"},
      {"2026-03-01 10:20Z", "2026-03-01T10:20:00Z"},
      {"2026-03-01T10:20:30", "2026-03-01T10:20:30Z"},
      {"2026-03-01T10:20:30.5Z", "2026-03-01T10:20:30.500Z"},
      {"2026-03-01T10:20:30.000001", "2026-03-01T10:20:30.000001Z"},
      {"2026-03-01T10:20:30.1234567", "2026-03-01T10:20:30.123456Z truncated"},
      {"2026-03-01T10:20:30.123456000", "2026-03-01T10:20:30.123456Z"},
      {"2026-03-01T00:00:00+05:45", "2026-02-28T18:15:00Z"},
      {"2026-03-01T00:00:00-0800", "2026-03-01T08:00:00Z"},
      {"2024-02-29T23:59:59-00:01", "2024-03-01T00:00:59Z"},
      {"2000-02-29", "2000-02-29T00:00:00Z"},
      {"0001-01-01", "0001-01-01T00:00:00Z"},
      {"9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999Z"},
      {"1969-12-31T23:59:59.999999Z", "1969-12-31T23:59:59.999999Z"},
      {"0000-12-31", "out of range"},
      {"0001-01-01T00:00:00+00:01", "out of range"},
      {"9999-12-31T23:59:59-00:01", "out of range"},
  };
  for (const auto& [text, want] : kCases) EXPECT_EQ(Canonical(text), want) << text;
  EXPECT_EQ(FormatTime(kTimeMin), "0001-01-01T00:00:00Z");
  EXPECT_EQ(FormatTime(kTimeMax), "10000-01-01T00:00:00Z");
  EXPECT_FALSE(FormatTime(INT64_MIN).empty());
  EXPECT_FALSE(FormatTime(INT64_MAX).empty());
}

TEST(Time, RefusesWhatIsNoTime) {
  for (const char* text : {"",
                           "2026",
                           "2026-03",
                           "2026-3-1",
                           "2026-13-01",
                           "2026-00-10",
                           "2026-01-00",
                           "2026-01-32",
                           "2025-02-29",
                           "1900-02-29",
                           "2026-04-31",
                           "2026-03-01T",
                           "2026-03-01T10",
                           "2026-03-01T10:",
                           "2026-03-01T24:00",
                           "2026-03-01T10:60",
                           "2026-03-01T10:20:60",
                           "2026-03-01T10:20:3",
                           "2026-03-01T10:20:30.",
                           "2026-03-01T10:20:30.Z",
                           "2026-03-01T10:20:30ZZ",
                           "2026-03-01T10:20:30+05",
                           "2026-03-01T10:20:30+5:45",
                           "2026-03-01T10:20:30+05:4",
                           "2026-03-01T10:20:30+05-45",
                           "2026-03-01T10:20:30+24:00",
                           "2026-03-01T10:20:30+00:60",
                           "2026-03-01Z",
                           "2026/03/01",
                           "2026-03-01X10:20",
                           " 2026-03-01",
                           "2026-03-01 ",
                           "+2026-03-01",
                           "20x6-03-01"}) {
    EXPECT_EQ(Canonical(text), "invalid argument") << text;
  }
}

TEST(Time, RoundTripsAndAgreesWithTheDateLibrary) {
  const std::uint64_t seed = TestSeed();
  SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed));
  Random random(seed);
  for (int i = 0; i < 20'000; ++i) {
    TimeUs t = kTimeMin + static_cast<TimeUs>(random.Below(kTimeMax - kTimeMin));
    if (random.Below(2) == 0) t -= t % kSecondUs;
    const std::string text = FormatTime(t);
    const Result<ParsedTime> back = ParseTime(text);
    ASSERT_TRUE(back.has_value()) << text;
    ASSERT_EQ(back->time_us, t) << text;
    ASSERT_FALSE(back->truncated);
    std::ostringstream want;
    using date::operator<<;
    want << date::format("%FT%T",
                         date::sys_time<std::chrono::microseconds>(std::chrono::microseconds(t)));
    ASSERT_EQ(want.str().substr(0, 19), text.substr(0, 19));
    ASSERT_EQ(want.str().substr(0, 19) + (text.size() > 20 ? want.str().substr(19) : "") + "Z",
              text.size() == 24 ? text.substr(0, 23) + "000Z" : text);
    // The same instant, written with an offset.
    const auto minutes = static_cast<TimeUs>(random.Below(24 * 60));
    const TimeUs local = t + minutes * kMinuteUs;
    if (local < kTimeMax) {
      std::string shifted = FormatTime(local);
      shifted.pop_back();
      char offset[16];
      std::snprintf(offset, sizeof offset, i % 2 == 0 ? "+%02d:%02d" : "+%02d%02d",
                    static_cast<int>(minutes / 60), static_cast<int>(minutes % 60));
      ASSERT_EQ(ParseTime(shifted + offset)->time_us, t) << shifted << offset;
    }
  }
}

TEST(Time, InZones) {
  const TimeUs t = ParseTime("2026-03-01T00:00:00Z")->time_us;
  EXPECT_EQ(*FormatTimeInZone(t, "Asia/Kathmandu"), "2026-03-01T05:45:00+05:45");
  EXPECT_EQ(*FormatTimeInZone(t + 1000, "America/New_York"), "2026-02-28T19:00:00.001-05:00");
  EXPECT_EQ(*FormatTimeInZone(t, "UTC"), "2026-03-01T00:00:00Z");
  EXPECT_EQ(FormatTimeInZone(t, "Mars/Olympus").error().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(FormatTimeInZone(t, "").error().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(FormatTimeInZone(t, "../../etc/passwd").error().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(FormatTimeInZone(INT64_MAX, "UTC").error().code(), StatusCode::kOutOfRange);

  auto utc = [](std::string_view text, std::string_view zone) {
    const Result<TimeUs> r = ParseTimeInZone(text, zone);
    return r ? FormatTime(*r) : std::string(StatusCodeName(r.error().code()));
  };
  EXPECT_EQ(utc("2026-03-01", "Asia/Kathmandu"), "2026-02-28T18:15:00Z");
  EXPECT_EQ(utc("2026-03-29T02:30", "Europe/Berlin"), "2026-03-29T01:00:00Z");  // skipped
  EXPECT_EQ(utc("2026-10-25T02:30", "Europe/Berlin"), "2026-10-25T00:30:00Z");  // first of two
  EXPECT_EQ(utc("2026-10-25T02:30+01:00", "Nowhere"), "2026-10-25T01:30:00Z");  // own offset
  EXPECT_EQ(utc("2026-10-25", "Nowhere"), "invalid argument");
  EXPECT_EQ(utc("0001-01-01", "Asia/Kathmandu"), "out of range");
  EXPECT_EQ(utc("9999-12-31T23:00", "America/New_York"), "out of range");
  EXPECT_EQ(utc("0001-01-01", "UTC"), "0001-01-01T00:00:00Z");
  EXPECT_EQ(utc("9999-12-31T23:59:59", "UTC"), "9999-12-31T23:59:59Z");
}

TEST(Time, ZoneTextSaysTheInstantExactly) {
  const std::uint64_t seed = TestSeed();
  SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed));
  Random random(seed);
  for (const char* zone : {"Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Africa/Monrovia",
                           "Australia/Lord_Howe", "Pacific/Apia"}) {
    for (int i = 0; i < 2'000; ++i) {
      const TimeUs t = -5'000'000'000 * kSecondUs +
                       static_cast<TimeUs>(random.Below(7'000'000'000u * kSecondUs));
      const Result<std::string> text = FormatTimeInZone(t, zone);
      ASSERT_TRUE(text.has_value());
      ASSERT_EQ(ParseTime(*text)->time_us, t) << *text;
    }
  }
}

}  // namespace
}  // namespace quipu
