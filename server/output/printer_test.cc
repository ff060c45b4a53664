#include "output/printer.h"

#include <gtest/gtest.h>

#include "output/plain_text.h"

namespace quipu::output {
namespace {

ResultSet Sample() {
  ResultSet r;
  r.as_of = 17;
  r.columns.resize(4);
  r.columns[0] = {
      .name = "window_start",
      .type = ColumnType::kTime,
      .present = {1, 1},
      .times = {*ParseTimeInZone("2026-03-01", "UTC"), *ParseTimeInZone("2026-03-02", "UTC")},
      .strings = {},
      .integers = {},
      .decimals = {}};
  r.columns[1] = {.name = "path",
                  .type = ColumnType::kString,
                  .present = {1, 0},
                  .times = {},
                  .strings = {"=a,\"\xc3\xa9\n", ""},
                  .integers = {},
                  .decimals = {}};
  r.columns[2] = {.name = "count",
                  .type = ColumnType::kInteger,
                  .present = {1, 1},
                  .times = {},
                  .strings = {},
                  .integers = {7, 12345},
                  .decimals = {}};
  r.columns[3] = {.name = "avg(x)",
                  .type = ColumnType::kDecimal,
                  .present = {1, 0},
                  .times = {},
                  .strings = {},
                  .integers = {},
                  .decimals = {Decimal(1234567891, 9), Decimal()}};
  return r;
}

TEST(Table, AlignedWithFoot) {
  ResultSet r = Sample();
  EXPECT_EQ(ToTable(r, WindowUnit::kDay),
            "window_start  path     count    avg(x)\n"
            "------------  -------  -----  --------\n"
            "2026-03-01    =a,\"\xc3\xa9\\n      7  1.234568\n"
            "2026-03-02    -        12345         -\n"
            "2 rows, as of commit 17\n");
  r.exact = false;
  r.relative_error = 0.004;
  r.columns[3].exact = false;
  EXPECT_NE(ToTable(r, WindowUnit::kHour)
                .find("2 rows, as of commit 17, approximate (percentiles within 0.4 %)\n"),
            std::string::npos);
}

TEST(Table, FootNamesTheBoundOfEachApproximation) {
  ResultSet r = Sample();
  const auto foot = [&] {
    const std::string table = ToTable(r, WindowUnit::kDay);
    return table.substr(table.find("2 rows"));
  };
  r.columns[2].name = "distinct(customer)";  // exact: it must not bring its bound along
  EXPECT_EQ(foot(), "2 rows, as of commit 17\n");
  r.exact = r.columns[3].exact = false;
  r.columns[3].name = "p50(x)";
  r.relative_error = 0.004;
  EXPECT_EQ(foot(), "2 rows, as of commit 17, approximate (percentiles within 0.4 %)\n");
  r.columns[2].exact = false;
  EXPECT_EQ(
      foot(),
      "2 rows, as of commit 17, approximate (percentiles within 0.4 %, distinct counts with a "
      "standard error of 1.6 %)\n");
  r.relative_error = 0;
  r.columns[3].exact = true;
  EXPECT_EQ(foot(),
            "2 rows, as of commit 17, approximate (distinct counts with a standard error of 1.6 "
            "%)\n");
  r.columns[2].name = "change_percent(distinct(customer))";
  EXPECT_EQ(foot(),
            "2 rows, as of commit 17, approximate (distinct counts with a standard error of 1.6 "
            "%; changes compare such values)\n");
}

TEST(Table, HoursShowTheirOffset) {
  ResultSet r = Sample();
  EXPECT_NE(ToTable(r, WindowUnit::kHour).find("2026-03-01 00:00  "), std::string::npos);
  r.zone = "Asia/Kathmandu";
  EXPECT_NE(ToTable(r, WindowUnit::kHour).find("2026-03-01 05:45+05:45"), std::string::npos);
}

TEST(Json, ExactNumbersAndNulls) {
  EXPECT_EQ(ToJson(Sample()),
            "{\"columns\":[{\"name\":\"window_start\",\"type\":\"time\"},{\"name\":\"path\","
            "\"type\":\"string\"},"
            "{\"name\":\"count\",\"type\":\"integer\"},{\"name\":\"avg(x)\",\"type\":\"decimal\"}],"
            "\"rows\":[\n"
            "[\"2026-03-01T00:00:00Z\",\"=a,\\\"\xc3\xa9\\n\",7,1.234567891],\n"
            "[\"2026-03-02T00:00:00Z\",null,12345,null]],\"as_of\":17,\"exact\":true}\n");
}

TEST(Json, Strings) { EXPECT_EQ(JsonString("a\"\\\n\x01/"), "\"a\\\"\\\\\\n\\u0001/\""); }

TEST(Csv, QuotesFormulasAndAbsence) {
  ResultSet r = Sample();
  EXPECT_EQ(ToCsv(r),
            "window_start,path,count,avg(x)\n"
            "2026-03-01T00:00:00Z,\"'=a,\"\"\xc3\xa9\n\",7,1.234567891\n"
            "2026-03-02T00:00:00Z,,12345,\n");
  r.columns[1].present[1] = 1;
  EXPECT_NE(ToCsv(r).find("2026-03-02T00:00:00Z,\"\",12345"), std::string::npos);
  for (const char* start : {"=", "+", "-", "@"}) {
    r.columns[1].strings[1] = std::string(start) + "1";
    EXPECT_NE(ToCsv(r).find(",'" + std::string(start) + "1,"), std::string::npos);
  }
}

TEST(ShortDecimal, RoundsHalfToEven) {
  EXPECT_EQ(ShortDecimal(Decimal(12345678, 7)), "1.234568");
  EXPECT_EQ(ShortDecimal(Decimal(10000005, 7)), "1");
  EXPECT_EQ(ShortDecimal(Decimal(10000015, 7)), "1.000002");
  EXPECT_EQ(ShortDecimal(Decimal(-10000015, 7)), "-1.000002");
  EXPECT_EQ(ShortDecimal(Decimal(99999999, 7)), "10");
  EXPECT_EQ(ShortDecimal(Decimal(1, 18)), "0");
  EXPECT_EQ(ShortDecimal(Decimal(5)), "5");
}

TEST(PlainText, SafeForATerminal) {
  EXPECT_EQ(Visible("a\x1b[31m\n"), "a\\x1b[31m\\n");
  EXPECT_EQ(Quoted("abcdef", 3), "\"abc...\"");
  EXPECT_EQ(Quoted("ab\xc3\xa9", 3), "\"ab...\"");
  EXPECT_EQ(Width("h\xc3\xa9"), 2u);
}

}  // namespace
}  // namespace quipu::output
