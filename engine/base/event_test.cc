#include "quipu/event.h"

#include <gtest/gtest.h>

#include "quipu/result_set.h"

namespace quipu {
namespace {

TEST(EventBatch, GivesBackWhatWasAdded) {
  EventBatch batch;
  EXPECT_TRUE(batch.empty());
  for (int i = 0; i < 100; ++i) {
    const std::string id = "id-" + std::to_string(i), value(static_cast<std::size_t>(i), 'v');
    Event e;
    e.id = id;
    e.customer = "acme";
    e.service = "api";
    e.quantity = Decimal(i, 3);
    if (i % 2 == 0) e.time = i - 50;
    if (i % 3 == 0) e.cost = Decimal(-i, 2);
    for (int d = 0; d < i % 4; ++d) e.dimensions.push_back({"dim", value});
    for (int m = 0; m < i % 5; ++m) e.measures.push_back({"ms", Decimal(m)});
    batch.Add(e);
  }
  ASSERT_EQ(batch.size(), 100u);
  EXPECT_GT(batch.bytes(), 1'000u);
  for (int i = 0; i < 100; ++i) {
    const Event e = batch.At(static_cast<std::size_t>(i));
    EXPECT_EQ(e.id, "id-" + std::to_string(i));
    EXPECT_EQ(e.source, "");
    EXPECT_EQ(e.customer, "acme");
    EXPECT_EQ(e.service, "api");
    EXPECT_EQ(e.quantity, Decimal(i, 3));
    EXPECT_EQ(e.time, i % 2 == 0 ? std::optional<TimeUs>(i - 50) : std::nullopt);
    EXPECT_EQ(e.cost.has_value(), i % 3 == 0);
    ASSERT_EQ(e.dimensions.size(), static_cast<std::size_t>(i % 4));
    for (const Dimension& d : e.dimensions) {
      EXPECT_EQ(d.name, "dim");
      EXPECT_EQ(d.value, std::string(static_cast<std::size_t>(i), 'v'));
    }
    ASSERT_EQ(e.measures.size(), static_cast<std::size_t>(i % 5));
    for (std::size_t m = 0; m < e.measures.size(); ++m) {
      EXPECT_EQ(e.measures[m].value, Decimal(static_cast<std::int64_t>(m)));
    }
  }
  batch.producer = ProducerStamp{"p", 1, 1};
  batch.Clear();
  EXPECT_TRUE(batch.empty());
  EXPECT_EQ(batch.bytes(), 0u);
  EXPECT_FALSE(batch.producer.has_value());
}

TEST(EventBatch, OversizeStaysBoundedAndIsOverTheLimit) {
  EventBatch batch;
  const std::string big(kBatchBytesMax, 'x');
  Event e;
  e.customer = "acme";
  e.dimensions.push_back({"blob", big});
  for (int i = 0; i < 4; ++i) batch.Add(e);
  EXPECT_EQ(batch.size(), 4u);
  EXPECT_GT(batch.bytes(), kBatchBytesMax);
  EXPECT_LT(batch.bytes(), 3 * kBatchBytesMax);
  EXPECT_EQ(batch.At(0).dimensions[0].value, big);
  Event many;
  many.dimensions.resize(70'000);
  batch.Clear();
  batch.Add(many);
  EXPECT_EQ(batch.At(0).dimensions.size(), 65'535u);
}

TEST(IngestReply, Counts) {
  IngestReply reply;
  reply.outcomes = {Outcome::kAccepted, Outcome::kDuplicate, Outcome::kAccepted};
  EXPECT_EQ(reply.Count(Outcome::kAccepted), 2u);
  EXPECT_EQ(reply.Count(Outcome::kDuplicate), 1u);
  EXPECT_EQ(reply.Count(Outcome::kInvalid), 0u);
}

TEST(ResultSet, TextAndFind) {
  ResultSet set;
  auto column = [](const char* name, ColumnType type, std::vector<std::uint8_t> present) {
    ResultColumn c;
    c.name = name;
    c.type = type;
    c.present = std::move(present);
    return c;
  };
  ResultColumn time = column("window_start", ColumnType::kTime, {1});
  time.times = {0};
  ResultColumn text = column("s", ColumnType::kString, {1});
  text.strings = {"x"};
  ResultColumn number = column("n", ColumnType::kInteger, {1});
  number.integers = {-3};
  ResultColumn money = column("d", ColumnType::kDecimal, {1, 0});
  money.decimals = {Decimal(5, 1), Decimal()};
  set.columns = {time, text, number, money};
  EXPECT_EQ(set.Find("window_start")->Text(0), "1970-01-01T00:00:00Z");
  EXPECT_EQ(set.Find("s")->Text(0), "x");
  EXPECT_EQ(set.Find("n")->Text(0), "-3");
  EXPECT_EQ(set.Find("d")->Text(0), "0.5");
  EXPECT_EQ(set.Find("d")->Text(1), "");
  EXPECT_EQ(set.Find("x"), nullptr);
  EXPECT_EQ(ColumnTypeName(ColumnType::kDecimal), "decimal");
}

}  // namespace
}  // namespace quipu
