#include "ingest/validate.h"

#include <gtest/gtest.h>

#include <functional>

#include "base/clock.h"
#include "base/test_seed.h"

namespace quipu {
namespace {

/// The definition, step by step: collect the bits, then ask whether the number was allowed to be written like this.
bool NaiveIsUtf8(std::string_view s) {
  for (std::size_t i = 0; i < s.size();) {
    const auto lead = static_cast<unsigned char>(s[i]);
    std::size_t length = 0;
    std::uint32_t point = 0;
    if ((lead & 0x80) == 0) {
      length = 1;
      point = lead;
    } else if ((lead & 0xE0) == 0xC0) {
      length = 2;
      point = lead & 0x1Fu;
    } else if ((lead & 0xF0) == 0xE0) {
      length = 3;
      point = lead & 0x0Fu;
    } else if ((lead & 0xF8) == 0xF0) {
      length = 4;
      point = lead & 0x07u;
    } else {
      return false;
    }
    if (i + length > s.size()) return false;
    for (std::size_t k = 1; k < length; ++k) {
      const auto next = static_cast<unsigned char>(s[i + k]);
      if ((next & 0xC0) != 0x80) return false;
      point = (point << 6) | (next & 0x3Fu);
    }
    const std::size_t shortest = point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    if (length != shortest || point > 0x10FFFF || (point >= 0xD800 && point <= 0xDFFF))
      return false;
    i += length;
  }
  return true;
}

TEST(Utf8Test, KnownForms) {
  for (const std::string good : {"", "plain ascii text, longer than eight", "\xC2\x80", "\xDF\xBF",
                                 "\xE0\xA0\x80", "\xED\x9F\xBF", "\xEE\x80\x80", "\xF0\x90\x80\x80",
                                 "\xF4\x8F\xBF\xBF", "12345678\xC3\xA9"}) {
    EXPECT_TRUE(IsUtf8(good)) << good;
  }
  const std::string zero("a\0b", 3);
  EXPECT_TRUE(IsUtf8(zero));
  for (const std::string bad :
       {"\x80", "\xC0\x80", "\xC1\xBF", "\xE0\x9F\xBF", "\xED\xA0\x80", "\xED\xBF\xBF",
        "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFF", "\xC3", "\xE2\x82",
        "\xF0\x9F\x92", "12345678\xC3"}) {
    EXPECT_FALSE(IsUtf8(bad)) << bad;
  }
}

TEST(Utf8Test, AgreesWithTheNaiveDecoder) {
  const std::uint64_t seed = TestSeed();
  SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed));
  Random random(seed);
  // Bytes at the edges of the rules, so that well-formed sequences come up often.
  const unsigned char edges[] = {0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC1, 0xC2,
                                 0xDF, 0xE0, 0xE1, 0xED, 0xEF, 0xF0, 0xF1, 0xF4, 0xF5};
  int good = 0;
  for (int round = 0; round < 300'000; ++round) {
    std::string s(random.Below(2) * 8, 'x');
    const std::uint64_t n = random.Below(7);
    for (std::uint64_t i = 0; i < n; ++i) {
      s.push_back(static_cast<char>(random.Below(4) == 0 ? random.Below(256)
                                                         : edges[random.Below(std::size(edges))]));
    }
    ASSERT_EQ(IsUtf8(s), NaiveIsUtf8(s)) << testing::PrintToString(s);
    good += NaiveIsUtf8(s) ? 1 : 0;
  }
  EXPECT_GT(good, 1000);
  // Every sequence of two and three bytes with a lead byte of interest.
  for (int a = 0xC0; a < 0x100; ++a) {
    for (int b = 0; b < 0x100; ++b) {
      for (const int c : {0x7F, 0x80, 0xBF, 0xC0}) {
        const std::string s = {static_cast<char>(a), static_cast<char>(b), static_cast<char>(c)};
        ASSERT_EQ(IsUtf8(s), NaiveIsUtf8(s)) << a << " " << b << " " << c;
        ASSERT_EQ(IsUtf8(s.substr(0, 2)), NaiveIsUtf8(s.substr(0, 2))) << a << " " << b;
      }
    }
  }
}

constexpr TimeUs kBound = 1'800'000'000 * kSecondUs;

std::optional<EventProblem> Check(const std::function<void(Event*)>& change,
                                  TimeUs bound = kBound) {
  Event e;
  e.id = "i";
  e.customer = "c";
  e.service = "s";
  e.time = kBound - 1;
  e.dimensions = {{"d", "v"}};
  e.measures = {{"m", 1}};
  change(&e);
  EventBatch batch;
  batch.Add(Event{});  // so that the index is not 0
  batch.Add(e);
  return Validate(BatchView(batch), 1, bound);
}

void ExpectFault(const std::function<void(Event*)>& change, std::string_view field,
                 std::string_view message) {
  const auto problem = Check(change);
  ASSERT_TRUE(problem) << field << ": " << message;
  EXPECT_EQ(problem->index, 1u);
  EXPECT_EQ(problem->field, field);
  EXPECT_NE(problem->message.find(message), std::string::npos) << problem->message;
}

TEST(ValidateTest, TextRules) {
  const std::string full(kNameBytesMax, 'x');
  const std::string over(kNameBytesMax + 1, 'x');
  const std::string bad = "\xFF";
  EXPECT_FALSE(Check([](Event*) {}));
  EXPECT_FALSE(Check([](Event* e) { e->id = ""; }));  // the engine makes one
  EXPECT_FALSE(Check([&](Event* e) { e->id = e->source = e->customer = e->service = full; }));
  ExpectFault([&](Event* e) { e->id = over; }, "id", "has 257 bytes; at most 256");
  ExpectFault([&](Event* e) { e->source = over; }, "source", "257 bytes");
  ExpectFault([&](Event* e) { e->customer = over; }, "customer", "257 bytes");
  ExpectFault([&](Event* e) { e->service = over; }, "service", "257 bytes");
  ExpectFault([&](Event* e) { e->customer = ""; }, "customer", "is empty");
  ExpectFault([&](Event* e) { e->service = ""; }, "service", "is empty");
  ExpectFault([&](Event* e) { e->id = bad; }, "id", "UTF-8");
  ExpectFault([&](Event* e) { e->source = bad; }, "source", "UTF-8");
  ExpectFault([&](Event* e) { e->customer = bad; }, "customer", "UTF-8");
  ExpectFault([&](Event* e) { e->service = bad; }, "service", "UTF-8");
}

TEST(ValidateTest, TimeRules) {
  EXPECT_FALSE(Check([](Event* e) { e->time.reset(); }));
  EXPECT_FALSE(Check([](Event* e) { e->time = kTimeMin; }));
  ExpectFault([](Event* e) { e->time = kTimeMin - 1; }, "time", "years 0001 to 9999");
  ExpectFault([](Event* e) { e->time = kTimeMax; }, "time", "years 0001 to 9999");
  ExpectFault([](Event* e) { e->time = kBound; }, "time", "too far in the future");
  EXPECT_FALSE(Check([](Event* e) { e->time = kTimeMax - 1; }, kTimeMax));
}

TEST(ValidateTest, NumberRules) {
  const Decimal largest = *Decimal::Parse("99999999999999999999.999999999999999999");
  const Decimal over(static_cast<Int128>(10'000'000'000) * 10'000'000'000, 0);
  EXPECT_FALSE(Check([&](Event* e) {
    e->quantity = largest;
    e->cost = largest;
    e->measures[0].value = largest;
  }));
  ExpectFault([&](Event* e) { e->quantity = over; }, "quantity", "below 10^20");
  ExpectFault([&](Event* e) { e->cost = over; }, "cost", "below 10^20");
  ExpectFault([&](Event* e) { e->cost = Decimal(-over.mantissa(), 0); }, "cost", "below 10^20");
  ExpectFault([&](Event* e) { e->measures[0].value = over; }, "measure m", "below 10^20");
}

TEST(ValidateTest, DimensionAndMeasureRules) {
  const std::string bad = "\xC0\x80";
  const std::string full(kDimensionBytesMax, 'x');
  const std::string over(kDimensionBytesMax + 1, 'x');
  const std::string long_name(kNameBytesMax + 1, 'n');
  EXPECT_FALSE(Check([&](Event* e) { e->dimensions = {{"d", ""}, {"e", full}}; }));
  ExpectFault([&](Event* e) { e->dimensions[0].value = over; }, "dimension d",
              "4097 bytes; at most 4096");
  ExpectFault([&](Event* e) { e->dimensions[0].value = bad; }, "dimension d", "UTF-8");
  ExpectFault([&](Event* e) { e->dimensions[0].name = ""; }, "dimension name", "empty");
  ExpectFault([&](Event* e) { e->dimensions[0].name = long_name; }, "dimension name", "257 bytes");
  ExpectFault([&](Event* e) { e->dimensions[0].name = bad; }, "dimension name", "UTF-8");
  ExpectFault(
      [&](Event* e) {
        e->dimensions = {{"a", "1"}, {"b", "1"}, {"a", "2"}};
      },
      "dimension a", "given twice");
  for (const std::string_view reserved : {"customer", "service", "window_start"}) {
    ExpectFault([&](Event* e) { e->dimensions[0].name = reserved; },
                "dimension " + std::string(reserved), "reserved");
  }
  ExpectFault([&](Event* e) { e->measures[0].name = ""; }, "measure name", "empty");
  ExpectFault([&](Event* e) { e->measures[0].name = bad; }, "measure name", "UTF-8");
  ExpectFault([&](Event* e) { e->measures = {{"a", 1}, {"a", 1}}; }, "measure a", "given twice");
  ExpectFault([&](Event* e) { e->measures[0].name = "quantity"; }, "measure quantity", "built in");
  ExpectFault([&](Event* e) { e->measures[0].name = "cost"; }, "measure cost", "built in");
  EXPECT_FALSE(Check([&](Event* e) { e->dimensions[0].name = e->measures[0].name = "same"; }));
}

TEST(ValidateTest, Counts) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i <= kDimensionsMax; ++i) names.push_back("n" + std::to_string(i));
  const auto with = [&](std::size_t dimensions, std::size_t measures) {
    return [&names, dimensions, measures](Event* e) {
      e->dimensions.clear();
      e->measures.clear();
      for (std::size_t i = 0; i < dimensions; ++i) e->dimensions.push_back({names[i], ""});
      for (std::size_t i = 0; i < measures; ++i) e->measures.push_back({names[i], 0});
    };
  };
  EXPECT_FALSE(Check(with(64, 64)));
  ExpectFault(with(65, 0), "dimensions", "more than 64");
  ExpectFault(with(0, 65), "measures", "more than 64");
}

}  // namespace
}  // namespace quipu
