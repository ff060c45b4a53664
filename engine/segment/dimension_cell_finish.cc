// The end of DimensionCellBuilder: which services pay, values sorted, combinations numbered in their order, cells laid out by combination.
#include <algorithm>
#include <array>
#include <tuple>

#include "base/check.h"
#include "segment/dimension_cell_builder.h"
#include "segment/pending_values.h"
#include "segment/summary_columns.h"

namespace quipu {

class DimensionCellBuilder::Finisher {
 public:
  Finisher(DimensionCellBuilder* builder, DimensionSet set) : b_(*builder) {
    out_.set = std::move(set);
    for (std::size_t d = 0; d < b_.set_.dimensions.size(); ++d) {
      if (std::binary_search(out_.set.dimensions.begin(), out_.set.dimensions.end(),
                             b_.set_.dimensions[d]))
        kept_dimensions_.push_back(d);
    }
    for (Measure& measure : b_.measures_) {
      if (std::binary_search(out_.set.measures.begin(), out_.set.measures.end(), measure.id))
        measures_.push_back(&measure);
    }
    std::sort(measures_.begin(), measures_.end(),
              [](const Measure* x, const Measure* y) { return x->id < y->id; });
    for (Measure* measure : measures_) measure->stats.resize(b_.rows_.size());
  }

  Result<FinishedDimensionCells> Run() {
    if (b_.given_up_ || out_.set.dimensions.empty()) return std::move(out_);
    ListCells();
    Weigh();
    for (std::uint32_t place = 0; place < services_.size(); ++place) {
      if (services_[place].is_covered) out_.covered.push_back(b_.services_[place]);
    }
    std::sort(out_.covered.begin(), out_.covered.end());
    if (out_.covered.empty()) return std::move(out_);
    Number();
    EncodeSketches();
    QUIPU_TRY(EncodeCombinations(values_, codes_, combinations_, &out_.payload));
    for (const Ordered& ordered : order_) EmitGroup(ordered);
    std::erase_if(columns_.measures,
                  [](const SummaryColumns::Measure& m) { return m.cells.empty(); });
    out_.payload += columns_.Encode();
    return std::move(out_);
  }

 private:
  /// A cell of a level: the builder's cells [first, last) of the group's list.
  struct Cell {
    std::uint32_t unit = 0;
    std::size_t first = 0, last = 0;
  };
  struct Group {
    std::vector<std::pair<std::uint32_t, std::uint32_t>> cells;  // (unit, cell), ascending
    std::vector<Cell> days;
  };
  struct Service {
    bool is_covered = false, has_hours = false, has_day_sketches = false,
         has_month_sketches = false;
    std::uint64_t hour_numbers = 0, day_numbers = 0;
    std::uint64_t day_pairs = 0, month_pairs = 0;  // (cell, measure) with values
    std::uint64_t values = 0;
  };
  struct Ordered {
    std::array<std::uint32_t, kSetDimensionsMax> codes{};
    ServiceOrdinal service = 0;
    std::uint32_t group = 0, place = 0;
    std::uint32_t combination = 0;
  };
  using Encoded = std::vector<std::vector<std::string>>;  // by measure, by sketch

  [[nodiscard]] std::uint32_t PlaceOf(std::size_t group) const {
    return static_cast<std::uint32_t>(b_.groups_.key(group) >>
                                      (kCodeBits * b_.set_.dimensions.size()));
  }
  [[nodiscard]] std::uint32_t CodeOf(std::size_t group, std::size_t d) const {
    const std::size_t behind = b_.set_.dimensions.size() - 1 - d;
    return static_cast<std::uint32_t>(b_.groups_.key(group) >> (kCodeBits * behind)) & kCodeMax;
  }

  void ListCells() {
    groups_.resize(b_.groups_.size());
    for (std::size_t c = 0; c < b_.cells_.size(); ++c) {
      groups_[b_.cells_.key(c) >> kUnitBits].cells.emplace_back(
          static_cast<std::uint32_t>(b_.cells_.key(c) & kUnitMask), static_cast<std::uint32_t>(c));
    }
    for (Group& group : groups_) {
      std::sort(group.cells.begin(), group.cells.end());
      for (std::size_t i = 0; i < group.cells.size(); ++i) {
        const std::uint32_t unit = group.cells[i].first;
        const std::uint32_t day = b_.by_hour_ ? unit / kHoursPerDay : unit;
        if (group.days.empty() || group.days.back().unit != day) group.days.push_back({day, i, i});
        group.days.back().last = i + 1;
      }
    }
  }

  [[nodiscard]] MeasureStats Sum(const Group& group, const Cell& cell,
                                 const Measure& measure) const {
    MeasureStats sum;
    for (std::size_t i = cell.first; i < cell.last; ++i)
      sum.Merge(measure.stats[group.cells[i].second]);
    return sum;
  }
  [[nodiscard]] std::uint64_t Rows(const Group& group, const Cell& cell) const {
    std::uint64_t rows = 0;
    for (std::size_t i = cell.first; i < cell.last; ++i) rows += b_.rows_[group.cells[i].second];
    return rows;
  }

  /// Which services pay for which levels.
  void Weigh() {
    services_.resize(b_.services_.size());
    for (std::size_t g = 0; g < groups_.size(); ++g) WeighGroup(groups_[g], &services_[PlaceOf(g)]);
    for (std::size_t place = 0; place < services_.size(); ++place) {
      Service& s = services_[place];
      const std::uint64_t rows = b_.service_rows_[place], per_number = out_.set.rows_min;
      s.is_covered = rows >= per_number * s.day_numbers;
      s.has_hours = s.is_covered && b_.by_hour_ && rows >= per_number * s.hour_numbers;
      const auto pays = [&](std::uint64_t pairs) {
        return s.is_covered && pairs > 0 && s.values >= out_.set.sketch_rows_min * pairs;
      };
      s.has_day_sketches = b_.sketches_ == Sketches::kByDay && pays(s.day_pairs);
      s.has_month_sketches = b_.sketches_ != Sketches::kNone && pays(s.month_pairs);
    }
  }

  void WeighGroup(const Group& group, Service* service) const {
    constexpr std::uint64_t kNumbersOfMeasure = 2;
    service->hour_numbers += group.cells.size();
    service->day_numbers += group.days.size();
    for (const Measure* measure : measures_) {
      bool in_month = false;
      for (const Cell& day : group.days) {
        bool in_day = false;
        for (std::size_t i = day.first; i < day.last; ++i) {
          const std::uint64_t count = measure->stats[group.cells[i].second].count;
          service->hour_numbers += count > 0 ? kNumbersOfMeasure : 0;
          service->values += count;
          in_day = in_day || count > 0;
        }
        service->day_numbers += in_day ? kNumbersOfMeasure : 0;
        service->day_pairs += in_day ? 1 : 0;
        in_month = in_month || in_day;
      }
      service->month_pairs += in_month ? 1 : 0;
    }
  }

  /// Sorts what is covered and numbers values and combinations.
  void Number() {
    std::vector<std::vector<std::uint32_t>> rank_of(kept_dimensions_.size());
    for (std::size_t k = 0; k < kept_dimensions_.size(); ++k)
      rank_of[k] = SortValues(kept_dimensions_[k]);
    for (std::size_t g = 0; g < groups_.size(); ++g) {
      if (!services_[PlaceOf(g)].is_covered) continue;
      Ordered& ordered = order_.emplace_back();
      for (std::size_t k = 0; k < kept_dimensions_.size(); ++k)
        ordered.codes[k] = rank_of[k][CodeOf(g, kept_dimensions_[k])];
      ordered.place = PlaceOf(g);
      ordered.service = b_.services_[ordered.place];
      ordered.group = static_cast<std::uint32_t>(g);
    }
    std::sort(order_.begin(), order_.end(), [](const Ordered& x, const Ordered& y) {
      return std::tie(x.codes, x.service) < std::tie(y.codes, y.service);
    });
    codes_.resize(kept_dimensions_.size());
    for (std::size_t i = 0; i < order_.size(); ++i) {
      if (i == 0 || order_[i].codes != order_[i - 1].codes) {
        ++combinations_;
        for (std::size_t k = 0; k < codes_.size(); ++k) codes_[k].push_back(order_[i].codes[k]);
      }
      order_[i].combination = static_cast<std::uint32_t>(combinations_ - 1);
    }
  }

  /// The values of a dimension that are used, sorted, into `values_`; by code of the builder the new code.
  std::vector<std::uint32_t> SortValues(std::size_t d) {
    const StringList& texts = b_.values_[d].texts;
    std::vector<bool> used(texts.size() + 1, false);
    for (std::size_t g = 0; g < groups_.size(); ++g) {
      if (services_[PlaceOf(g)].is_covered) used[CodeOf(g, d)] = true;
    }
    std::vector<std::uint32_t> codes;
    for (std::uint32_t code = 1; code <= texts.size(); ++code) {
      if (used[code]) codes.push_back(code);
    }
    std::sort(codes.begin(), codes.end(),
              [&](std::uint32_t x, std::uint32_t y) { return texts[x - 1] < texts[y - 1]; });
    std::vector<std::uint32_t> rank(texts.size() + 1, 0);
    StringList& sorted = values_.emplace_back();
    for (const std::uint32_t code : codes) {
      sorted.Add(texts[code - 1]);
      rank[code] = static_cast<std::uint32_t>(sorted.size());
    }
    return rank;
  }

  /// All sketches of a level; of services where they are too large, none.
  void EncodeSketches() {
    if (b_.sketches_ == Sketches::kByDay) {
      Encode(&Service::has_day_sketches, &day_sketches_);
      day_index_ = b_.sketch_index_;
      b_.FoldSketches();
    }
    if (b_.sketches_ == Sketches::kByMonth) Encode(&Service::has_month_sketches, &month_sketches_);
  }

  void Encode(bool Service::*wanted, Encoded* out) {
    std::vector<std::uint64_t> bytes(services_.size(), 0);
    for (Measure* measure : measures_) {
      std::vector<std::string>& sketches = out->emplace_back(measure->bins.size());
      for (std::size_t s = 0; s < measure->bins.size(); ++s) {
        const std::uint32_t place = PlaceOf(b_.sketch_index_.key(s) >> kUnitBits);
        if (!(services_[place].*wanted) || measure->bins[s].empty()) continue;
        measure->bins[s].Settled().EncodeTo(&sketches[s]);
        bytes[place] += sketches[s].size();
      }
    }
    for (std::size_t place = 0; place < services_.size(); ++place) {
      if (bytes[place] > kSetSketchBytesMax / services_.size()) services_[place].*wanted = false;
    }
  }

  void EmitGroup(const Ordered& ordered) {
    const Group& group = groups_[ordered.group];
    const Service& service = services_[ordered.place];
    if (columns_.measures.empty()) {
      for (const Measure* measure : measures_) columns_.measures.emplace_back().id = measure->id;
    }
    if (service.has_hours) {
      std::vector<Cell> hours;
      for (std::size_t i = 0; i < group.cells.size(); ++i)
        hours.push_back({group.cells[i].first, i, i + 1});
      Emit(ordered, CellLevel::kHour, hours, nullptr, nullptr);
    }
    Emit(ordered, CellLevel::kDay, group.days, service.has_day_sketches ? &day_sketches_ : nullptr,
         &day_index_);
    Emit(ordered, CellLevel::kMonth, {{0, 0, group.cells.size()}},
         service.has_month_sketches ? &month_sketches_ : nullptr, &b_.sketch_index_);
  }

  void Emit(const Ordered& ordered, CellLevel level, const std::vector<Cell>& cells,
            const Encoded* sketches, KeyIndex* index) {
    const Group& group = groups_[ordered.group];
    columns_.groups.push_back(
        {ordered.combination, ordered.service, level, static_cast<std::uint32_t>(cells.size())});
    for (const Cell& cell : cells) {
      const auto number = static_cast<std::uint32_t>(columns_.rows.size());
      columns_.units.push_back(cell.unit);
      columns_.rows.push_back(Rows(group, cell));
      columns_.flags.push_back(sketches != nullptr ? kCellHasQuantiles : std::uint8_t{0});
      for (std::size_t m = 0; m < measures_.size(); ++m) {
        const MeasureStats stats = Sum(group, cell, *measures_[m]);
        if (stats.count == 0) continue;
        SummaryColumns::Measure& column = columns_.measures[m];
        column.cells.push_back(number);
        column.stats.push_back(stats);
        if (sketches == nullptr) continue;
        const std::uint32_t s =
            index->FindOrAdd(std::uint64_t{ordered.group} << kUnitBits | cell.unit);
        const std::string& sketch = (*sketches)[m][s];
        column.sketch_bytes.push_back(static_cast<std::uint32_t>(sketch.size()));
        column.sketches += sketch;
      }
    }
  }

  DimensionCellBuilder& b_;
  FinishedDimensionCells out_;
  std::vector<std::size_t> kept_dimensions_;  // places in the builder's set
  std::vector<Measure*> measures_;            // by id
  std::vector<Group> groups_;
  std::vector<Service> services_;  // by place
  std::vector<Ordered> order_;
  std::size_t combinations_ = 0;
  std::vector<StringList> values_;
  std::vector<std::vector<std::uint32_t>> codes_;
  Encoded day_sketches_, month_sketches_;
  KeyIndex day_index_;
  SummaryColumns columns_;
};

Result<FinishedDimensionCells> DimensionCellBuilder::Finish(
    std::span<const ServiceOrdinal> services, std::span<const ColumnId> dimensions,
    std::span<const ColumnId> measures) {
  return Finisher(this, RestrictedTo(set_, services, dimensions, measures)).Run();
}

}  // namespace quipu
