// For tests of segments: names made from numbers, rows made from a seed, and the two ways of asking "are these the same rows".
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/vfs_testing.h"
#include "segment/segment.h"

namespace quipu {

/// "customer-7", "service-1", "dimension-3", "measure-2": names that need no table.
class NumberNames final : public Names {
 public:
  [[nodiscard]] std::string_view Customer(CustomerOrdinal ordinal) const override {
    return Find("customer-", ordinal);
  }
  [[nodiscard]] std::string_view Service(ServiceOrdinal ordinal) const override {
    return Find("service-", ordinal);
  }
  [[nodiscard]] std::string_view Dimension(ColumnId id) const override {
    return Find("dimension-", id);
  }
  [[nodiscard]] std::string_view Measure(ColumnId id) const override {
    return Find("measure-", id);
  }

 private:
  std::string_view Find(const char* prefix, std::uint32_t number) const {
    const std::lock_guard lock(mutex_);
    return *names_.insert(prefix + std::to_string(number)).first;
  }
  mutable std::mutex mutex_;
  mutable std::set<std::string, std::less<>> names_;
};

inline std::uint64_t TestSeed() {
  const char* const given = std::getenv("QUIPU_SEED");
  return given != nullptr ? std::strtoull(given, nullptr, 10) : Random::SystemSeed();
}

inline constexpr MonthIndex kTestMonth = 674;  // March 2026
inline SegmentSpec TestSpec(std::uint64_t segment_id = 12) {
  SegmentSpec spec;
  spec.store_id = {0x0123456789ABCDEF, 0xFEDCBA9876543210};
  spec.segment_id = segment_id;
  spec.month = kTestMonth;
  spec.seq_first = 5;
  spec.seq_last = 9;
  return spec;
}

struct RandomRowsOptions {
  std::size_t rows = 1000;
  std::uint32_t customers = 20;
  std::uint32_t services = 3;
  std::uint32_t measures = 4;  ///< Besides quantity; the first of them is cost.
  std::uint32_t dimensions = 5;
  bool wide = true;  ///< Some values that need more than 64 bits.
};

namespace segment_testing_internal {

inline std::string RandomId(Random& random, std::uint64_t kind, std::size_t row) {
  if (kind == 0) return UuidText(random.Next(), random.Next());
  if (kind == 1) {
    std::string hex = UuidText(random.Next(), random.Next());
    hex.erase(std::remove(hex.begin(), hex.end(), '-'), hex.end());
    return hex;
  }
  if (kind == 2) return "request-" + std::to_string(row);
  return std::string(1 + random.Below(256), static_cast<char>(33 + random.Below(90)))
             .substr(0, 200) +
         std::to_string(row);
}

inline Decimal RandomValue(Random& random, std::uint32_t column, bool wide) {
  const auto small = static_cast<std::int64_t>(random.Below(1000));
  if (column % 5 == 0) return Decimal(small);
  if (column % 5 == 1) return Decimal(static_cast<std::int64_t>(random.Below(10'000'000)), 6);
  if (column % 5 == 2) return Decimal(-small, static_cast<int>(random.Below(4)));
  if (column % 5 == 3 && wide && random.Below(50) == 0) {
    const Int128 huge = static_cast<Int128>(random.Next() % 99'999'999'999'999'999) *
                            1'000'000'000'000'000'000 * 100 +
                        7;
    return Decimal(random.Below(2) == 0 ? huge : -huge, 17);
  }
  return Decimal(static_cast<std::int64_t>(random.Next() >> 2), 9);
}

}  // namespace segment_testing_internal

/// Rows of kTestMonth in segment order, of every kind that there is.
inline RowBatch RandomRows(Random& random, const Names& names, const RandomRowsOptions& options) {
  namespace internal = segment_testing_internal;
  RowBatchBuilder builder;
  const TimeUs from = MonthStart(kTestMonth), length = MonthStart(kTestMonth + 1) - from;
  const std::uint64_t id_kind = random.Below(5);
  for (std::size_t row = 0; row < options.rows; ++row) {
    const auto customer = static_cast<CustomerOrdinal>(random.Below(options.customers) * 3 + 1);
    const auto service = static_cast<ServiceOrdinal>(random.Below(options.services));
    // Few distinct times, so that the identity has to decide the order of some rows.
    const TimeUs time = from + static_cast<TimeUs>(random.Below(10'000)) * (length / 10'000) +
                        (random.Below(2) == 0 ? 0 : 1);
    const std::string id =
        internal::RandomId(random, id_kind == 4 ? random.Below(4) : id_kind, row);
    const std::string source =
        random.Below(8) == 0 ? "source-" + std::to_string(random.Below(5)) : "";
    builder.BeginRow(customer, service, time, MakeIdentity(names.Customer(customer), source, id),
                     id, source);
    builder.AddMeasure(kQuantityColumn, Decimal(static_cast<std::int64_t>(1 + random.Below(3))));
    for (std::uint32_t m = 1; m <= options.measures; ++m) {
      const bool there = m % 4 == 0 ? service == 0 : random.Below(4) != 0;
      if (there) builder.AddMeasure(m, internal::RandomValue(random, m, options.wide));
    }
    for (std::uint32_t d = 0; d < options.dimensions; ++d) {
      const std::uint64_t distinct = d % 4 == 0 ? 3 : d % 4 == 1 ? 500 : d % 4 == 2 ? 100'000 : 1;
      const std::uint64_t value = random.Below(distinct);
      if (d % 3 == 2 && random.Below(2) == 0) continue;
      builder.AddDimension(d * 2, value == 0 ? "" : "value-" + std::to_string(value));
    }
  }
  const RowBatch unsorted = builder.Finish();
  std::vector<RowRef> order;
  for (const std::uint32_t row : SegmentOrder(unsorted)) order.push_back({0, row});
  const RowBatch* const batch = &unsorted;
  return Gather({&batch, 1}, order);
}

/// Rows [first, first + count) of a batch.
inline RowBatch SliceOf(const RowBatch& rows, std::size_t first, std::size_t count) {
  std::vector<RowRef> refs;
  for (std::size_t i = 0; i < count; ++i)
    refs.push_back({0, static_cast<std::uint32_t>(first + i)});
  const RowBatch* const batch = &rows;
  return Gather({&batch, 1}, refs);
}

/// True if row a of `x` and row b of `y` are the same in everything.
inline bool SameRow(const RowBatch& x, std::size_t a, const RowBatch& y, std::size_t b) {
  return x.customers[a] == y.customers[b] && SameIdentity(x, a, y, b) && SameContent(x, a, y, b);
}

/// Writes rows as one segment in pieces of `piece` rows (0 = all at once).
inline Result<SegmentMeta> WriteSegment(Vfs* vfs, const Names& names, const RowBatch& rows,
                                        std::size_t piece = 0,
                                        const SegmentSpec& spec = TestSpec()) {
  QUIPU_TRY_ASSIGN(const std::unique_ptr<SegmentWriter> writer,
                   SegmentWriter::Create(vfs, "/s", spec, &names));
  if (piece == 0) {
    QUIPU_TRY(writer->Append(rows));
  } else {
    for (std::size_t first = 0; first < rows.size(); first += piece) {
      QUIPU_TRY(writer->Append(SliceOf(rows, first, std::min(piece, rows.size() - first))));
    }
  }
  return writer->Finish();
}

inline std::string PathOf(const SegmentMeta& meta) { return JoinPath("/s", meta.file_name); }

/// Puts bytes into a new file, as they are.
inline void PutFile(Vfs* vfs, const std::string& path, const std::string& bytes) {
  Result<std::unique_ptr<WritableFile>> file = vfs->Create(path);
  ASSERT_TRUE(file) << file.error().ToString();
  ASSERT_TRUE((*file)->Append(AsBytes(bytes)).ok());
  ASSERT_TRUE((*file)->Sync().ok());
  ASSERT_TRUE((*file)->Close().ok());
}

#define QUIPU_ASSERT_OK(expr)                                    \
  do {                                                           \
    const ::quipu::Status quipu_status_ = (expr);                \
    ASSERT_TRUE(quipu_status_.ok()) << quipu_status_.ToString(); \
  } while (false)

}  // namespace quipu
