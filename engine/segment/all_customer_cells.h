// AllCustomerCells: the cells of all customers.
//
// The rows of a slice are grouped by (service, hour); each column is then read by itself, day by day, so that one column at a time is
// in the cache. Its values wait with those of the day (PendingValues). Where they go from there is decided late:
//
//     rows -> values by (service, day), pending --> statistics by hour ------------> hour -> day -> month
//                                              \-> bins by hour (day, month) ------/       /
//                                               \-> sketch of the day, at once -----------/
//
// Most hours stay below kSketchRowsMin rows and never have a bin. Bins are filled where an hour earns a sketch, and whenever pending
// values pass SummaryBounds::pending_bytes: by hour while that stays within SummaryBounds, else by day, by month or not at all.
//
// What values count for depends on the rows alone (CountedBytes), so Verify comes to the same decision on where quantiles are kept;
// when pending values went to bins shows nowhere.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "segment/cell_emitter.h"
#include "segment/row_spans.h"
#include "segment/summary_slice.h"

namespace quipu {

class AllCustomerCells {
 public:
  AllCustomerCells(std::uint32_t hours_in_month, const SummaryBounds& bounds, CellEmitter* emitter)
      : hours_in_month_(hours_in_month), bounds_(bounds), emitter_(emitter) {}
  /// The cells of a service, which stay where they are.
  ServiceCells& Service(ServiceOrdinal id);
  [[nodiscard]] std::size_t services() const { return service_count_; }
  /// (Hour, measure) pairs that are not yet in the emitter's count.
  [[nodiscard]] std::uint64_t hour_entries() const { return hour_entries_; }
  /// Rows of a slice by (number of the service in the slice) x hours_in_month + hour. Their days know their customers already.
  void Add(const RowSpans& spans, SummarySlice* slice);
  /// Counts what is pending: hour_entries() is then that of all rows.
  void CountAll();
  /// After CountAll: emits all cells of the service with the smallest ordinal, which is gone afterwards; false if there is none.
  bool FinishNextService();

 private:
  /// The finest units whose values of all customers are kept.
  enum class Kept { kByHour, kByDay, kByMonth, kNothing };
  // The rows of a slice on one day of one service, by hour.
  struct DayRows {
    SummarySlice::Service* service = nullptr;
    std::uint32_t day = 0;
    std::span<const std::uint32_t> rows;
    std::size_t first_run = 0, runs = 0;  // of runs_
  };

  void GroupByDay(const RowSpans& spans, SummarySlice* slice);
  void AddNarrow(const SummarySlice& slice, std::size_t column, const DayRows& at);
  void AddWide(const SummarySlice& slice, std::size_t column, const DayRows& at);
  void Gather(const DecimalColumn& column, std::size_t base, const DayRows& at);
  std::span<const PendingValues::Run> GatherPresent(const DecimalColumn& column, std::size_t base,
                                                    const DayRows& at);
  void CountPending(ServiceCells& service, std::uint32_t day, std::size_t place);
  template <class AddTo>
  void AddStats(ServiceCells& service, std::uint32_t hour, std::size_t place, const AddTo& add);
  MeasureCell* Keeper(ServiceCells& service, std::uint32_t hour, std::size_t place) const;
  ValueBin* Bin(ServiceCells& service, std::uint32_t hour, std::size_t place) const;
  void SettlePending();
  void SettlePending(ServiceCells& service, std::uint32_t day, std::size_t place);
  template <class Use>
  void ForEachMeasure(const Use& use);
  void BoundValues();
  [[nodiscard]] std::uint64_t ValueBytesMax() const;
  void KeepCoarser();
  void FoldHours(ServiceCells::Day* day);
  void Fold(OpenCell* from, OpenCell* to);
  void FoldInto(const MeasureStats& stats, ValueBin* values, MeasureCell* to);

  void FinishService(ServiceOrdinal id, ServiceCells& service);
  void PlacePending(ServiceCells& service, std::uint32_t day, OpenCell* day_cell) const;
  void CloseHours(ServiceCells& service, std::uint32_t day, OpenCell* day_cell, ClosedCells* hours);
  ClosedCell CloseSummed(OpenCell* cell, const ServiceCells& service, std::uint32_t unit,
                         Kept coarsest, const DistinctSketch& customers);

  std::uint32_t hours_in_month_;
  const SummaryBounds& bounds_;
  CellEmitter* emitter_;
  std::map<ServiceOrdinal, ServiceCells> services_;
  Kept kept_ = Kept::kByHour;
  std::uint64_t counted_bytes_ = 0;  // of the values kept
  std::uint64_t pending_bytes_ = 0;
  std::size_t service_count_ = 0;
  std::uint64_t hour_entries_ = 0;

  // Of the slice in work; kept to be used again.
  std::vector<DayRows> days_;
  std::vector<PendingValues::Run> runs_, present_runs_;
  std::vector<std::int64_t> gathered_;  // values of one day
};

}  // namespace quipu
