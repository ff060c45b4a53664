#include "store/hot_index.h"

#include <algorithm>

namespace quipu {
namespace {

template <class T>
std::vector<T> Arrange(const std::vector<T>& values, const std::vector<std::uint32_t>& rows) {
  std::vector<T> arranged;
  if (values.empty()) return arranged;  // narrow or wide, or present everywhere
  arranged.resize(rows.size());
  std::transform(rows.begin(), rows.end(), arranged.begin(),
                 [&](std::uint32_t row) { return values[row]; });
  return arranged;
}

}  // namespace

HotIndex::HotIndex(const RowBatch& batch)
    : batch_(batch),
      rows_(SegmentOrder(batch)),
      times_(Arrange(batch.times, rows_)),
      measures_(std::make_unique<Lazy<DecimalColumn>[]>(batch.measures.size())),
      codes_(std::make_unique<Lazy<std::vector<std::uint32_t>>[]>(batch.dimensions.size())) {
  for (std::uint32_t place = 0; place < rows_.size(); ++place) {
    const CustomerOrdinal customer = batch.customers[rows_[place]];
    const ServiceOrdinal service = batch.services[rows_[place]];
    if (runs_.empty() || runs_.back().customer != customer || runs_.back().service != service)
      runs_.push_back({customer, service, place});
  }
  runs_.push_back({0, 0, static_cast<std::uint32_t>(rows_.size())});
}

std::span<const HotIndex::Run> HotIndex::RunsOf(CustomerOrdinal customer) const {
  const std::span<const Run> runs(runs_.data(), runs_.size() - 1);
  const auto [first, last] =
      std::equal_range(runs.begin(), runs.end(), Run{customer, 0, 0},
                       [](const Run& a, const Run& b) { return a.customer < b.customer; });
  return runs.subspan(static_cast<std::size_t>(first - runs.begin()),
                      static_cast<std::size_t>(last - first));
}

const DecimalColumn& HotIndex::Measure(std::size_t column) const {
  const auto loaded = measures_[column].Get([&]() -> Result<DecimalColumn> {
    const DecimalColumn& in = batch_.measures[column];
    return DecimalColumn{in.id, in.scale, Arrange(in.present, rows_), Arrange(in.narrow, rows_),
                         Arrange(in.wide, rows_)};
  });
  return **loaded;
}

const std::vector<std::uint32_t>& HotIndex::Codes(std::size_t column) const {
  const auto loaded = codes_[column].Get([&]() -> Result<std::vector<std::uint32_t>> {
    return Arrange(batch_.dimensions[column].codes, rows_);
  });
  return **loaded;
}

}  // namespace quipu
