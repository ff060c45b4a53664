// What the tests of this folder share: seeds, random rows, and rows in a form that can be compared.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <string>
#include <vector>

#include "base/check.h"
#include "base/clock.h"
#include "store/catalogue.h"

namespace quipu {

/// QUIPU_SEED from the environment, else a new one; show it with SCOPED_TRACE.
inline std::uint64_t TestSeed() {
  const char* given = std::getenv("QUIPU_SEED");
  return given != nullptr ? std::strtoull(given, nullptr, 10) : Random::SystemSeed();
}

/// Makes events with ids "<prefix><n>", names interned in `catalogue`; the new names' rows gather in `names`.
class RowMaker {
 public:
  RowMaker(Catalogue* catalogue, std::string prefix, std::uint64_t seed)
      : catalogue_(catalogue), prefix_(std::move(prefix)), random_(seed) {}

  RowBatch Make(std::size_t rows, int months = 3) {
    RowBatchBuilder builder;
    for (std::size_t i = 0; i < rows; ++i) AddRow(&builder, months);
    return builder.Finish();
  }
  KvBatch TakeNames() { return std::exchange(names_, {}); }

 private:
  std::uint32_t Intern(NameKind kind, const std::string& name) {
    Result<std::uint32_t> ordinal = catalogue_->Intern(kind, name, &names_);
    QUIPU_CHECK(ordinal.has_value());
    return *ordinal;
  }
  std::string Numbered(const char* prefix, std::uint64_t below) {
    return prefix + std::to_string(random_.Below(below));
  }
  void AddRow(RowBatchBuilder* builder, int months) {
    const std::string customer = Numbered("customer-", 20);
    const std::string source = random_.Below(4) == 0 ? "eu" : "";
    const std::string id = prefix_ + std::to_string(next_id_++);
    const auto month_us =
        static_cast<TimeUs>(random_.Below(static_cast<std::uint64_t>(months))) * 31 * kDayUs;
    const TimeUs time =
        1'767'225'600 * kSecondUs + month_us + static_cast<TimeUs>(random_.Below(28 * kDayUs));
    builder->BeginRow(Intern(NameKind::kCustomer, customer),
                      Intern(NameKind::kService, Numbered("service-", 3)), time,
                      MakeIdentity(customer, source, id), id, source);
    builder->AddMeasure(kQuantityColumn, Decimal(static_cast<Int128>(random_.Below(1000)),
                                                 static_cast<int>(random_.Below(3))));
    if (random_.Below(2) == 0) {
      const Int128 wide =
          random_.Below(50) == 0 ? static_cast<Int128>(random_.Next()) * 1'000'000 : 0;
      builder->AddMeasure(kCostColumn, Decimal(wide + static_cast<Int128>(random_.Below(1000)), 6));
    }
    if (random_.Below(3) == 0)
      builder->AddMeasure(Intern(NameKind::kMeasure, Numbered("measure-", 3)), -7);
    if (random_.Below(3) != 0)
      builder->AddDimension(Intern(NameKind::kDimension, "region"), Numbered("r", 5));
    if (random_.Below(3) == 0)
      builder->AddDimension(Intern(NameKind::kDimension, "session"), Numbered("s", 100'000));
  }

  Catalogue* catalogue_;
  std::string prefix_;
  Random random_;
  std::uint64_t next_id_ = 0;
  KvBatch names_;
};

/// Everything about one row as text, with names in place of ordinals.
inline std::string RowText(const RowBatch& rows, std::size_t i, const Names& names) {
  std::string text(names.Customer(rows.customers[i]));
  text += "|" + std::string(names.Service(rows.services[i])) + "|" + std::to_string(rows.times[i]) +
          "|" + rows.IdText(i, names.Customer(rows.customers[i])) + "|" +
          std::string(rows.sources.Text(i)) + "|" + std::to_string(rows.identities[i].high) + ":" +
          std::to_string(rows.identities[i].low);
  for (const DecimalColumn& c : rows.measures) {
    if (c.IsPresent(i))
      text += "|" + std::string(names.Measure(c.id)) + "=" + c.Value(i).ToString();
  }
  for (const CodedColumn& c : rows.dimensions) {
    if (c.IsPresent(i))
      text += "|" + std::string(names.Dimension(c.id)) + "=" + std::string(c.Text(i));
  }
  return text;
}

inline std::vector<std::string> RowTexts(const RowBatch& rows, const Names& names) {
  std::vector<std::string> texts;
  for (std::size_t i = 0; i < rows.size(); ++i) texts.push_back(RowText(rows, i, names));
  return texts;
}

}  // namespace quipu
