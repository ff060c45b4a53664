#include "segment/lone_summaries.h"

#include <map>
#include <tuple>

namespace quipu {
namespace {

constexpr std::size_t kProblemsMax = 100;

struct Sum {
  std::uint64_t rows = 0;
  std::map<ColumnId, MeasureStats> measures;
  void Add(const SummaryTable& table, std::uint32_t cell, const std::vector<ColumnId>& ids) {
    rows += table.rows(cell);
    for (const ColumnId id : ids) {
      const MeasureStats stats = table.Measure(cell, id);
      if (stats.count > 0) measures[id].Merge(stats);
    }
  }
  friend bool operator==(const Sum&, const Sum&) = default;
};

class Check {
 public:
  Check(const SegmentFooter& footer, const Directory& directory, const SummaryTable& table,
        std::vector<std::string>* wrong)
      : footer_(footer),
        directory_(directory),
        table_(table),
        ids_(table.measures()),
        wrong_(wrong) {}

  void Run() {
    std::map<ServiceOrdinal, std::map<TimeUs, Sum>> days;  // of all customers, from those of each
    for (const quipu::Run& run : directory_.runs()) {
      const Sum month = Days(run.customer, run.service, &days[run.service]);
      Expect(month.rows == run.rows, "the days of a run do not add up to its rows", run.service);
      CheckMonth(run.customer, run.service, month);
    }
    Totals totals;
    for (const auto& [service, by_day] : days) {
      std::map<TimeUs, Sum> mine;
      const Sum month = Days(kAllCustomers, service, &mine);
      Expect(mine == by_day, "the days of all customers are not those of each", service);
      CheckMonth(kAllCustomers, service, month);
      CheckHours(service, mine);
      totals.rows += month.rows;
      for (const auto& [id, stats] : month.measures) {
        totals.measures[id].count += stats.count;
        totals.measures[id].sum.Add(stats.sum);
      }
    }
    totals.identities = footer_.totals.identities;  // those of single rows are not known any more
    if (!(totals == footer_.totals)) {
      Say("the cells add up to " + totals.ToString() + ", the footer says " +
          footer_.totals.ToString());
    }
  }

 private:
  void Say(std::string problem) {
    if (wrong_->size() < kProblemsMax) wrong_->push_back(std::move(problem));
  }
  void Expect(bool is_so, const char* problem, ServiceOrdinal service) {
    if (!is_so) Say(std::string(problem) + ", service " + std::to_string(service));
  }
  Sum Days(CustomerOrdinal customer, ServiceOrdinal service, std::map<TimeUs, Sum>* by_day) {
    Sum sum;
    const auto cells = table_.Find(customer, service, CellLevel::kDay);
    for (std::uint32_t c = cells.first; c < cells.last; ++c) {
      sum.Add(table_, c, ids_);
      (*by_day)[table_.start(c)].Add(table_, c, ids_);
      Expect(table_.end(c) > footer_.time_min && table_.start(c) <= footer_.time_max,
             "a day outside the segment's times", service);
    }
    return sum;
  }
  void CheckMonth(CustomerOrdinal customer, ServiceOrdinal service, const Sum& days) {
    const auto cells = table_.Find(customer, service, CellLevel::kMonth);
    Sum month;
    for (std::uint32_t c = cells.first; c < cells.last; ++c) month.Add(table_, c, ids_);
    Expect(month == days, "a month is not the sum of its days", service);
  }
  void CheckHours(ServiceOrdinal service, const std::map<TimeUs, Sum>& days) {
    std::map<TimeUs, Sum> sums;
    const auto cells = table_.Find(kAllCustomers, service, CellLevel::kHour);
    if (cells.first == cells.last) return;  // allowed, summary.h
    for (std::uint32_t c = cells.first; c < cells.last; ++c)
      sums[FloorTo(table_.start(c), kDayUs)].Add(table_, c, ids_);
    Expect(sums == days, "the hours of all customers do not add up to the days", service);
  }

  const SegmentFooter& footer_;
  const Directory& directory_;
  const SummaryTable& table_;
  const std::vector<ColumnId> ids_;
  std::vector<std::string>* wrong_;
};

}  // namespace

void CheckLoneSummaries(const SegmentFooter& footer, const Directory& directory,
                        const SummaryTable& table, std::vector<std::string>* wrong) {
  Check(footer, directory, table, wrong).Run();
}

void CheckAddsUp(const DimensionCells& cells, const DimensionSetFooter& entry,
                 const SummaryTable& table, std::vector<std::string>* wrong) {
  using Key = std::tuple<ServiceOrdinal, CellLevel, TimeUs>;
  std::map<Key, Sum> by_dimension, of_all;
  const SummaryTable& parts = cells.table();
  for (const auto& [key, range] : parts.groups()) {
    for (std::uint32_t c = range.first; c < range.last; ++c)
      by_dimension[{key.service, key.level, parts.start(c)}].Add(parts, c, entry.set.measures);
  }
  for (const auto& [key, range] : table.groups()) {
    const DimensionCells::Levels* const levels = cells.LevelsOf(key.service);
    const bool has = levels != nullptr && (key.level != CellLevel::kHour || levels->hours);
    if (key.customer != kAllCustomers || !has) continue;
    for (std::uint32_t c = range.first; c < range.last; ++c)
      of_all[{key.service, key.level, table.start(c)}].Add(table, c, entry.set.measures);
  }
  // Hours of all customers may be unknown where those by dimension are not (summary.h).
  std::erase_if(by_dimension, [&](const auto& sum) {
    const auto& [service, level, start] = sum.first;
    const auto hours = table.Find(kAllCustomers, service, CellLevel::kHour);
    return level == CellLevel::kHour && hours.first == hours.last;
  });
  if (by_dimension != of_all && wrong->size() < kProblemsMax)
    wrong->emplace_back("cells by dimension do not add up to those of all customers");
}

}  // namespace quipu
