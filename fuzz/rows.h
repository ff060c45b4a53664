// Rows made of arbitrary bytes, and the names that go with them: for the targets that write before they read.
#pragma once

#include <algorithm>
#include <array>
#include <cstdio>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/calendar.h"
#include "base/check.h"
#include "batch/row_batch.h"
#include "quipu/event.h"
#include "segment/dimension_set.h"
#include "segment/names.h"

namespace quipu::fuzz {

inline constexpr MonthIndex kMonth = 675;  // April 2026
inline constexpr std::uint32_t kCustomers = 5, kServices = 3, kColumns = 4;

/// "c0".."c4", "s0".."s2", "d0".."d3", quantity, cost, "m2", "m3".
class FuzzNames final : public Names {
 public:
  std::string_view Customer(CustomerOrdinal o) const override { return At(kC, o); }
  std::string_view Service(ServiceOrdinal o) const override { return At(kS, o); }
  std::string_view Dimension(ColumnId c) const override { return At(kD, c); }
  std::string_view Measure(ColumnId c) const override { return At(kM, c); }

 private:
  using List = std::array<std::string_view, 5>;
  static constexpr List kC = {"c0", "c1", "c2", "c3", "c4"}, kS = {"s0", "s1", "s2"},
                        kD = {"d0", "d1", "d2", "d3"}, kM = {"quantity", "cost", "m2", "m3"};
  static std::string_view At(const List& list, std::uint32_t n) {
    return n < list.size() ? list[n] : std::string_view();
  }
};

/// Cells by dimension of every service, however few rows stand behind them.
inline DimensionSet FuzzSet() {
  DimensionSet set;
  set.dimensions = {0, 1};
  set.measures = {0, 2};
  set.rows_min = 0;
  set.sketch_rows_min = 1;
  return set;
}

/// Takes bytes from the front; zeros behind the end.
class Input {
 public:
  Input(const std::uint8_t* data, std::size_t size) : at_(data), left_(size) {}
  [[nodiscard]] std::size_t left() const { return left_; }
  std::uint64_t Take(std::size_t bytes) {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < bytes && left_ > 0; ++i, --left_, ++at_)
      value |= std::uint64_t{*at_} << (8 * i);
    return value;
  }
  std::string TakeText(std::size_t bytes) {
    bytes = std::min(bytes, left_);
    std::string text(reinterpret_cast<const char*>(at_), bytes);
    at_ += bytes;
    left_ -= bytes;
    return text;
  }

 private:
  const std::uint8_t* at_;
  std::size_t left_;
};

/// An id of any form: the spelled ones from 16 bytes, texts as they come.
inline std::string TakeId(Input* in) {
  const std::uint64_t kind = in->Take(1);
  if (kind % 4 == 0) return "t" + in->TakeText(kind / 4 % 32);
  const std::uint64_t high = in->Take(8), low = in->Take(8);
  std::array<char, 64> text{};
  if (kind % 4 == 1) {
    std::snprintf(text.data(), text.size(), "%016llx", static_cast<unsigned long long>(high));
  } else if (kind % 4 == 2) {
    std::snprintf(text.data(), text.size(), "%016llx%016llx", static_cast<unsigned long long>(high),
                  static_cast<unsigned long long>(low));
  } else {
    std::snprintf(text.data(), text.size(), "%08llx-%04llx-%llx%03llx-%04llx-%012llx",
                  static_cast<unsigned long long>(high >> 32),
                  static_cast<unsigned long long>(high >> 16 & 0xFFFF),
                  static_cast<unsigned long long>(kind / 4 % 8),
                  static_cast<unsigned long long>(high & 0xFFF),
                  static_cast<unsigned long long>(low >> 48),
                  static_cast<unsigned long long>(low & 0xFFFF'FFFF'FFFF));
  }
  return text.data();
}

/// A storable number of any width.
inline Decimal TakeDecimal(Input* in) {
  const std::uint64_t shape = in->Take(1);
  const auto low = static_cast<std::int64_t>(in->Take(shape % 9));
  const Int128 wide =
      shape >= 128 ? Int128{static_cast<std::int64_t>(in->Take(8))} << 40 : Int128{0};
  const Decimal value(wide + low, static_cast<int>(shape % (Decimal::kScaleMax + 1)));
  return value.IsStorable() ? value : Decimal(low % 1000);
}

/// Rows in the order of a segment; at most `rows_max`, possibly none.
inline RowBatch TakeRows(Input* in, std::size_t rows_max) {
  RowBatchBuilder builder;
  const FuzzNames names;
  const TimeUs month = MonthStart(kMonth);
  while (in->left() > 0 && builder.size() < rows_max) {
    const std::uint64_t who = in->Take(1), columns = in->Take(1);
    const auto customer = static_cast<CustomerOrdinal>(who % kCustomers);
    const std::string source = who >= 128 ? "edge" : "", id = TakeId(in);
    builder.BeginRow(customer, static_cast<ServiceOrdinal>(who / kCustomers % kServices),
                     month + static_cast<TimeUs>(in->Take(columns % 7) % (30 * kDayUs)),
                     MakeIdentity(names.Customer(customer), source, id), id, source);
    builder.AddMeasure(kQuantityColumn, TakeDecimal(in));
    for (ColumnId c = kCostColumn; c < kColumns; ++c) {
      if ((columns >> c & 1) != 0) builder.AddMeasure(c, TakeDecimal(in));
    }
    for (ColumnId c = 0; c < kColumns; ++c) {
      if ((columns >> (4 + c) & 1) != 0) builder.AddDimension(c, in->TakeText(in->Take(1) % 16));
    }
  }
  const RowBatch rows = builder.Finish();
  std::vector<RowRef> order;
  for (const std::uint32_t row : SegmentOrder(rows)) order.push_back({0, row});
  const RowBatch* const batch = &rows;
  return order.empty() ? RowBatch() : Gather({&batch, 1}, order);
}

}  // namespace quipu::fuzz
