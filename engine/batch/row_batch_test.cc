#include "batch/row_batch.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"

namespace quipu {
namespace {

std::uint64_t Seed() {
  const char* text = std::getenv("QUIPU_SEED");
  return text != nullptr ? std::strtoull(text, nullptr, 10) : Random::SystemSeed();
}

// One event as a plain record: the simpler truth.
struct PlainRow {
  CustomerOrdinal customer = 0;
  ServiceOrdinal service = 0;
  TimeUs time = 0;
  std::string id, source;
  std::string customer_name() const { return "customer-" + std::to_string(customer); }
  std::map<ColumnId, Decimal> measures;
  std::map<ColumnId, std::string> dimensions;
  bool operator==(const PlainRow&) const = default;
};

struct Shape {
  bool wide = false;  // some values beyond 64 bits
  int scale_max = 6;
  std::uint64_t columns = 4;   // of either kind
  std::uint64_t strings = 20;  // different values per dimension
  bool machine_ids = false;    // no id is text
};

PlainRow RandomRow(Random& random, const Shape& shape) {
  PlainRow row;
  row.customer = static_cast<CustomerOrdinal>(random.Below(5));
  row.service = static_cast<ServiceOrdinal>(random.Below(3));
  row.time = static_cast<TimeUs>(random.Below(100)) - 50;
  row.source = random.Below(3) == 0 ? "mobile" : "";
  row.id = std::string(random.Below(12), 'i') + std::to_string(random.Below(1000));
  if (shape.machine_ids || random.Below(4) == 0) {
    constexpr IdForm kForms[] = {IdForm::kUuidV4, IdForm::kUuidV7, IdForm::kHex16, IdForm::kUlid};
    Identity identity{{random.Next(), random.Next()}, 0, kForms[random.Below(std::size(kForms))]};
    if (HasMillis(identity.form))
      identity.millis = 1 + static_cast<std::int64_t>(random.Below(1000));
    row.id.clear();
    SpellId(IdentityScope(row.customer_name(), row.source), identity, &row.id);
  }
  const auto value = [&] {
    const auto mantissa = static_cast<Int128>(random.Below(2'000'000)) - 1'000'000;
    const Int128 big = shape.wide && random.Below(20) == 0
                           ? Int128{4'000'000'000'000} * 1'000'000 * (random.Below(2) == 0 ? 1 : -1)
                           : 0;
    return Decimal(big + mantissa,
                   static_cast<int>(random.Below(static_cast<std::uint64_t>(shape.scale_max) + 1)));
  };
  row.measures[kQuantityColumn] = value();
  for (ColumnId id = 1; id <= shape.columns; ++id) {
    if (random.Below(id + 1) == 0) row.measures[id * 3] = value();
    if (random.Below(id + 1) == 0)
      row.dimensions[id * 2] = "v" + std::to_string(random.Below(shape.strings));
  }
  return row;
}

RowBatch Build(const std::vector<PlainRow>& rows) {
  RowBatchBuilder builder;
  for (const PlainRow& r : rows) {
    builder.BeginRow(r.customer, r.service, r.time, MakeIdentity(r.customer_name(), r.source, r.id),
                     r.id, r.source);
    for (auto m = r.measures.rbegin(); m != r.measures.rend(); ++m)
      builder.AddMeasure(m->first, m->second);
    for (const auto& [id, text] : r.dimensions) builder.AddDimension(id, text);
  }
  RowBatch batch = builder.Finish();
  EXPECT_EQ(builder.size(), 0U);
  return batch;
}

PlainRow RowOf(const RowBatch& batch, std::size_t i) {
  PlainRow row{batch.customers[i],
               batch.services[i],
               batch.times[i],
               {},
               std::string(batch.sources.Text(i)),
               {},
               {}};
  row.id = batch.IdText(i, row.customer_name());
  for (const auto& c : batch.measures) {
    if (c.IsPresent(i)) row.measures[c.id] = c.Value(i);
  }
  for (const auto& c : batch.dimensions) {
    if (c.IsPresent(i)) row.dimensions[c.id] = std::string(c.Text(i));
  }
  return row;
}

void CheckDictionary(const CodedColumn& column, std::size_t rows) {
  ASSERT_EQ(column.codes.size(), rows);
  std::set<std::string_view> seen;
  for (std::size_t i = 0; i < column.dictionary.size(); ++i)
    EXPECT_TRUE(seen.insert(column.dictionary[i]).second);
}

// The invariants at the top of row_batch.h.
void CheckInvariants(const RowBatch& batch) {
  const std::size_t n = batch.size();
  ASSERT_EQ(batch.customers.size(), n);
  ASSERT_EQ(batch.services.size(), n);
  ASSERT_EQ(batch.identities.size(), n);
  ASSERT_EQ(batch.id_forms.size(), n);
  const bool any_text = std::count(batch.id_forms.begin(), batch.id_forms.end(), IdForm::kText) > 0;
  const bool any_millis = std::any_of(batch.id_forms.begin(), batch.id_forms.end(), HasMillis);
  ASSERT_EQ(batch.id_texts.size(), any_text ? n : 0);
  ASSERT_EQ(batch.id_millis.size(), any_millis ? n : 0);
  for (std::size_t i = 0; i < n; ++i) {
    ASSERT_EQ(batch.TextOf(i).empty(), batch.id_forms[i] != IdForm::kText);
    ASSERT_TRUE(HasMillis(batch.id_forms[i]) || batch.IdentityOf(i).millis == 0);
  }
  CheckDictionary(batch.sources, n);
  for (std::size_t k = 0; k < batch.measures.size(); ++k) {
    const DecimalColumn& c = batch.measures[k];
    if (k > 0) {
      EXPECT_LT(batch.measures[k - 1].id, c.id);
    }
    ASSERT_EQ(c.is_wide() ? c.wide.size() : c.narrow.size(), n);
    EXPECT_TRUE(c.narrow.empty() || c.wide.empty());
    ASSERT_TRUE(c.present.empty() || c.present.size() == n);
    bool any = false, needs_wide = false;
    for (std::size_t i = 0; i < n; ++i) {
      any = any || c.IsPresent(i);
      needs_wide = needs_wide || c.Mantissa(i) != static_cast<std::int64_t>(c.Mantissa(i));
      if (!c.IsPresent(i)) {
        EXPECT_TRUE(c.Mantissa(i) == 0);
      }
    }
    EXPECT_EQ(needs_wide, c.is_wide());
    EXPECT_TRUE(any || c.id == kQuantityColumn);
  }
  for (std::size_t k = 0; k < batch.dimensions.size(); ++k) {
    const CodedColumn& c = batch.dimensions[k];
    if (k > 0) {
      EXPECT_LT(batch.dimensions[k - 1].id, c.id);
    }
    CheckDictionary(c, n);
    EXPECT_GT(c.dictionary.size(), 0U);
  }
  ASSERT_FALSE(batch.measures.empty());
  EXPECT_EQ(batch.measures[0].id, kQuantityColumn);
}

const Shape kShapes[] = {{}, {true, 6, 4, 20}, {true, 18, 2, 500}, {false, 0, 0, 1, true}};

TEST(RowBatchBuilder, GivesBackWhatItWasTold) {
  const std::uint64_t seed = Seed();
  SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed));
  Random random(seed);
  for (const Shape& shape : kShapes) {
    std::vector<PlainRow> rows(1 + random.Below(300));
    for (PlainRow& r : rows) r = RandomRow(random, shape);
    const RowBatch batch = Build(rows);
    CheckInvariants(batch);
    ASSERT_EQ(batch.size(), rows.size());
    for (std::size_t i = 0; i < rows.size(); ++i) ASSERT_EQ(RowOf(batch, i), rows[i]);
    EXPECT_GT(batch.bytes(), rows.size() * 32);
  }
}

TEST(RowBatchBuilder, AnEmptyBatchStillHasItsQuantity) {
  const RowBatch batch = RowBatchBuilder().Finish();
  EXPECT_TRUE(batch.empty());
  CheckInvariants(batch);
  CheckInvariants(Gather({}, {}));
}

TEST(RowBatchBuilder, WorksAgainAfterFinish) {
  RowBatchBuilder builder;
  for (int round = 0; round < 2; ++round) {
    builder.BeginRow(1, 2, 3, MakeIdentity("c", "", "id"), "id", "");
    builder.AddMeasure(kQuantityColumn, Decimal(1));
    builder.AddDimension(7, "eu");
    const RowBatch batch = builder.Finish();
    CheckInvariants(batch);
    ASSERT_EQ(batch.size(), 1U);
    EXPECT_EQ(batch.FindDimension(7)->Text(0), "eu");
    EXPECT_EQ(batch.FindDimension(6), nullptr);
    EXPECT_EQ(batch.FindMeasure(kQuantityColumn)->Value(0), Decimal(1));
    EXPECT_EQ(batch.FindMeasure(kCostColumn), nullptr);
  }
}

TEST(Gather, AgreesWithCopyingRowByRow) {
  const std::uint64_t seed = Seed();
  SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed));
  Random random(seed);
  for (int round = 0; round < 60; ++round) {
    std::vector<std::vector<PlainRow>> plain(1 + random.Below(4));
    std::vector<RowBatch> batches;
    for (auto& rows : plain) {
      const Shape& shape = kShapes[random.Below(std::size(kShapes))];
      rows.resize(1 + random.Below(80));
      for (PlainRow& r : rows) r = RandomRow(random, shape);
      batches.push_back(Build(rows));
    }
    std::vector<const RowBatch*> sources;
    for (const RowBatch& b : batches) sources.push_back(&b);
    std::vector<RowRef> refs;
    for (std::uint64_t stretch = random.Below(12); stretch > 0; --stretch) {
      const auto b = static_cast<std::uint32_t>(random.Below(plain.size()));
      const auto first = static_cast<std::uint32_t>(random.Below(plain[b].size()));
      const auto last =
          first + static_cast<std::uint32_t>(random.Below(plain[b].size() - first)) + 1;
      for (std::uint32_t r = first; r < last; r += round % 3 == 0 ? 2 : 1) refs.push_back({b, r});
    }
    std::vector<PlainRow> expected;
    for (const RowRef& ref : refs) expected.push_back(plain[ref.batch][ref.row]);
    const RowBatch out = Gather(sources, refs);
    CheckInvariants(out);
    ASSERT_EQ(out.size(), refs.size());
    for (std::size_t i = 0; i < refs.size(); ++i) ASSERT_EQ(RowOf(out, i), expected[i]);
  }
}

TEST(Gather, ColumnGoesWideOnlyWhenItMustAndDropsUnusedOnes) {
  const auto one = [](const Decimal& quantity, std::optional<ColumnId> dimension) {
    RowBatchBuilder builder;
    builder.BeginRow(0, 0, 0, MakeIdentity("c", "", "a"), "a", "");
    builder.AddMeasure(kQuantityColumn, quantity);
    if (dimension) builder.AddDimension(*dimension, "x");
    builder.BeginRow(0, 0, 0, MakeIdentity("c", "", "b"), "b", "");
    builder.AddMeasure(kQuantityColumn, Decimal(1));
    return builder.Finish();
  };
  const RowBatch whole = one(Decimal(9'000'000'000'000'000'000), 4);
  const RowBatch tenths = one(Decimal(5, 1), std::nullopt);
  const RowBatch wide = one(Decimal(Int128{9'000'000'000'000'000'000} * 10, 0), std::nullopt);
  EXPECT_TRUE(wide.measures[0].is_wide());
  const RowBatch* batches[] = {&whole, &tenths, &wide};
  const RowRef both[] = {{0, 0}, {1, 0}};
  const RowBatch widened = Gather(batches, both);
  EXPECT_TRUE(widened.measures[0].is_wide());
  EXPECT_EQ(widened.measures[0].scale, 1);
  EXPECT_EQ(widened.dimensions.size(), 1U);
  const RowRef small[] = {{0, 1}, {1, 0}, {2, 1}};
  const RowBatch narrowed = Gather(batches, small);
  EXPECT_FALSE(narrowed.measures[0].is_wide());
  EXPECT_TRUE(narrowed.dimensions.empty());
  EXPECT_EQ(narrowed.measures[0].Value(1), Decimal(5, 1));
}

TEST(SameContent, ComparesValuesAcrossScalesAndDictionaries) {
  const std::uint64_t seed = Seed();
  SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed));
  Random random(seed);
  for (int round = 0; round < 300; ++round) {
    std::vector<PlainRow> a{RandomRow(random, kShapes[0]), RandomRow(random, kShapes[2])};
    std::vector<PlainRow> b{RandomRow(random, kShapes[1]), a[0]};
    b[1].id = "another";  // identity and customer do not count
    b[1].customer += 1;
    switch (random.Below(7)) {
      case 0:
        b[1].time += 1;
        break;
      case 1:
        b[1].service += 1;
        break;
      case 2:
        b[1].measures[kQuantityColumn] =
            *Decimal::Add(b[1].measures[kQuantityColumn], Decimal(1, 6));
        break;
      case 3:
        b[1].dimensions[100] = "more";
        break;
      case 4:
        b[1].dimensions.erase(2);
        break;
      case 5:
        b[1].measures.erase(3);
        break;
      default:
        break;
    }
    const bool same = a[0].time == b[1].time && a[0].service == b[1].service &&
                      a[0].measures == b[1].measures && a[0].dimensions == b[1].dimensions;
    const RowBatch batch_a = Build(a), batch_b = Build(b);
    EXPECT_EQ(SameContent(batch_a, 0, batch_b, 1), same);
    EXPECT_EQ(SameContent(batch_b, 1, batch_a, 0), same);
  }
}

TEST(RemoveRows, LeavesTheOthersAsTheyWere) {
  const std::uint64_t seed = Seed();
  SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed));
  Random random(seed);
  for (const Shape& shape : kShapes) {
    for (int round = 0; round < 30; ++round) {
      std::vector<PlainRow> rows(2 + random.Below(60));
      for (PlainRow& r : rows) r = RandomRow(random, shape);
      RowBatch batch = Build(rows);
      const std::uint64_t stays = random.Below(rows.size());
      const std::uint64_t one_of = 1 + random.Below(8);
      std::vector<std::uint32_t> removed;
      std::vector<PlainRow> left;
      for (std::uint32_t i = 0; i < rows.size(); ++i) {
        if (i != stays && random.Below(one_of) == 0) {
          removed.push_back(i);
        } else {
          left.push_back(rows[i]);
        }
      }
      RemoveRows(removed, &batch);
      CheckInvariants(batch);
      ASSERT_EQ(batch.size(), left.size());
      for (std::size_t i = 0; i < left.size(); ++i) ASSERT_EQ(RowOf(batch, i), left[i]);
    }
  }
}

TEST(SameIdentity, IsEqualityOfCustomerSourceAndId) {
  const std::uint64_t seed = Seed();
  SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed));
  Random random(seed);
  std::vector<PlainRow> rows(60);
  for (PlainRow& r : rows) r = RandomRow(random, kShapes[0]);
  for (std::size_t i = 0; i + 1 < rows.size(); i += 2) {
    if (random.Below(2) == 0) rows[i + 1].id = rows[i].id;
    if (random.Below(2) == 0) rows[i + 1].source = rows[i].source;
    if (random.Below(2) == 0) rows[i + 1].customer = rows[i].customer;
  }
  rows[3].id = "018f3e5c-7a10-7c3b-9f2e-1a2b3c4d5e6f";  // differ in milliseconds alone
  rows[4] = rows[3];
  rows[4].id = "018f3e5c-7a11-7c3b-9f2e-1a2b3c4d5e6f";
  const RowBatch batch = Build(rows);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    for (std::size_t k = 0; k < rows.size(); ++k) {
      ASSERT_EQ(SameIdentity(batch, i, batch, k), rows[i].customer == rows[k].customer &&
                                                      rows[i].source == rows[k].source &&
                                                      rows[i].id == rows[k].id);
    }
  }
}

TEST(SegmentOrder, SortsByCustomerServiceTimeAndIsStable) {
  const std::uint64_t seed = Seed();
  SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed));
  Random random(seed);
  // Spans: few bits (radix when many rows), 64 bits of time (128-bit keys when customers differ too), one value everywhere.
  for (const int span : {0, 1, 2, 3}) {
    for (const std::size_t n : {std::size_t{1}, std::size_t{100}, std::size_t{5000}}) {
      RowBatch batch;
      for (std::size_t i = 0; i < n; ++i) {
        const bool one = span == 2;
        batch.customers.push_back(
            one ? 7 : static_cast<CustomerOrdinal>(random.Below(span == 1 ? 0xFFFFFFFF : 9)));
        batch.services.push_back(one || span == 3 ? 4
                                                  : static_cast<ServiceOrdinal>(random.Below(5)));
        const auto time = static_cast<TimeUs>(
            span == 1 ? random.Next() : random.Below(span == 0 ? 3'000'000'000 : 20));
        batch.times.push_back(one ? -3 : time);
      }
      const auto order = SegmentOrder(batch);
      ASSERT_EQ(order.size(), n);
      EXPECT_EQ(std::set<std::uint32_t>(order.begin(), order.end()).size(), n);
      for (std::size_t i = 1; i < n; ++i)
        ASSERT_TRUE(
            SegmentOrderLess(batch, order[i - 1], batch, order[i]) ||
            (!SegmentOrderLess(batch, order[i], batch, order[i - 1]) && order[i - 1] < order[i]));
    }
  }
  EXPECT_TRUE(SegmentOrder(RowBatch{}).empty());
}

}  // namespace
}  // namespace quipu
