// How cells are filled. Rows come sorted by (customer, service, time), are cut into slices of at most a row group, and go two ways:
// to the cells of all customers (AllCustomerCells) and run by run to those of one customer (CustomerCells). What is finished goes to
// the CellEmitter, which minds the bounds.
//
// All of this is addition in commutative monoids (exact sums, min, max, sketches), hence the cells do not depend on how rows were split
// into batches.
#include <algorithm>
#include <array>
#include <unordered_map>

#include "base/check.h"
#include "segment/all_customer_cells.h"
#include "segment/customer_cells.h"

namespace quipu {
namespace {

constexpr std::size_t kSliceRowsMax = 65'536;

}  // namespace

struct SummaryBuilder::State {
  State(MonthIndex month_index, const Names* customer_names, const SummaryBounds& summary_bounds)
      : month(month_index),
        names(customer_names),
        bounds(summary_bounds),
        month_start(MonthStart(month_index)),
        hours_in_month(
            static_cast<std::uint32_t>((MonthStart(month_index + 1) - month_start) / kHourUs)),
        emitter(bounds),
        customers(bounds, &emitter),
        all(hours_in_month, bounds, &emitter) {}

  Status Add(const RowBatch& rows);
  void AddSlice();
  void PlaceHours();
  void PlaceRun(std::uint32_t service, std::size_t first, std::size_t last);
  void AddLater(DistinctSketch* sketch, std::uint64_t hash);
  void AddSeen();
  std::uint32_t SliceServiceOf(ServiceOrdinal id);
  std::uint64_t HashOf(CustomerOrdinal customer);
  Status CheckBounds() const;

  const MonthIndex month;
  const Names* const names;
  const SummaryBounds bounds;
  const TimeUs month_start;
  const std::uint32_t hours_in_month;
  CellEmitter emitter;
  CustomerCells customers;
  AllCustomerCells all;
  bool customer_known = false;
  CustomerOrdinal hashed_customer = 0;
  std::uint64_t customer_hash = 0;

  // A customer seen on a day.
  struct Seen {
    DistinctSketch* sketch = nullptr;
    std::uint64_t hash = 0;
  };
  std::array<Seen, 16> seen;  // not yet added; a ring
  std::size_t seen_next = 0;

  // Kept to be used again.
  SummarySlice slice;
  std::unordered_map<ServiceOrdinal, std::uint32_t> slice_numbers;
  std::vector<std::uint32_t> keys;  // slice service x hours_in_month + hour
  RowSpans grouped;
};

// Cells of all customers cannot be left out. All three only grow: what is too much now is too much at the end.
Status SummaryBuilder::State::CheckBounds() const {
  if (emitter.IsWithinBounds(all.hour_entries())) return Status();
  return Status::Exhausted(
      "summaries: too many services x measures in one month segment: " +
      std::to_string(all.services()) + " services and " + std::to_string(emitter.slots()) +
      " measures so far need more than " + std::to_string(bounds.cells) + " cells or " +
      std::to_string(bounds.entries) +
      " (cell, measure) pairs; record fewer services or measures in one store");
}

Status SummaryBuilder::State::Add(const RowBatch& rows) {
  QUIPU_TRY(CheckBounds());
  slice.rows = &rows;
  slice.slots.clear();
  for (const DecimalColumn& column : rows.measures)
    slice.slots.push_back(emitter.SlotOf(column.id));
  for (std::size_t first = 0; first < rows.size(); first += kSliceRowsMax) {
    slice.first = first;
    slice.last = std::min(rows.size(), first + kSliceRowsMax);
    AddSlice();
  }
  return CheckBounds();
}

void SummaryBuilder::State::AddSlice() {
  const RowBatch& rows = *slice.rows;
  slice.services.clear();
  slice_numbers.clear();
  PlaceHours();
  keys.resize(slice.last - slice.first);
  for (std::size_t first = slice.first, last = first; first < slice.last; first = last) {
    const CustomerOrdinal customer = rows.customers[first];
    const ServiceOrdinal service = rows.services[first];
    for (++last;
         last < slice.last && rows.customers[last] == customer && rows.services[last] == service;)
      ++last;
    const std::uint32_t number = SliceServiceOf(service);
    PlaceRun(number, first, last);
    customers.Add(slice, first, last, slice.services[number]);
  }
  AddSeen();
  grouped.Group(keys, std::uint64_t{slice.services.size()} * hours_in_month);
  all.Add(grouped, &slice);
}

void SummaryBuilder::State::PlaceHours() {
  slice.hours.resize(slice.last - slice.first);
  for (std::size_t i = slice.first; i < slice.last; ++i) {
    const TimeUs in_month = slice.rows->times[i] - month_start;
    const auto hour = static_cast<std::uint64_t>(in_month) / static_cast<std::uint64_t>(kHourUs);
    QUIPU_CHECK(in_month >= 0 && hour < hours_in_month);
    slice.hours[i - slice.first] = static_cast<std::uint32_t>(hour);
  }
}

std::uint32_t SummaryBuilder::State::SliceServiceOf(ServiceOrdinal id) {
  const auto [at, is_new] =
      slice_numbers.emplace(id, static_cast<std::uint32_t>(slice.services.size()));
  if (is_new)
    slice.services.push_back(
        {&all.Service(id), std::vector(slice.slots.size(), SummarySlice::kNoPlace)});
  return at->second;
}

std::uint64_t SummaryBuilder::State::HashOf(CustomerOrdinal customer) {
  if (!customer_known || hashed_customer != customer) {
    customer_hash = Hash64(names->Customer(customer));
    hashed_customer = customer;
    customer_known = true;
  }
  return customer_hash;
}

// Sketches of many days take turns, and none is in the cache when its turn comes: each gets a little time to come.
void SummaryBuilder::State::AddLater(DistinctSketch* sketch, std::uint64_t hash) {
  sketch->Prefetch(hash);
  std::swap(seen[seen_next].sketch, sketch);
  std::swap(seen[seen_next].hash, hash);
  seen_next = (seen_next + 1) % seen.size();
  if (sketch != nullptr) sketch->Add(hash);
}

void SummaryBuilder::State::AddSeen() {
  for (Seen& s : seen) {
    if (s.sketch != nullptr) s.sketch->Add(s.hash);
    s.sketch = nullptr;
  }
}

// Keys of a run's rows; each of its days sees the customer once.
void SummaryBuilder::State::PlaceRun(std::uint32_t service, std::size_t first, std::size_t last) {
  const std::uint64_t hash = HashOf(slice.rows->customers[first]);
  ServiceCells& cells = *slice.services[service].cells;
  std::uint32_t day_end = 0;
  for (std::size_t i = first - slice.first; i < last - slice.first; ++i) {
    const std::uint32_t hour = slice.hours[i];
    if (hour >= day_end) {
      AddLater(&cells.DayOf(hour).customers, hash);
      day_end = (hour / kHoursPerDay + 1) * kHoursPerDay;
    }
    keys[i] = service * hours_in_month + hour;
  }
}

SummaryBuilder::SummaryBuilder(MonthIndex month, const Names* names, const SummaryBounds& bounds)
    : state_(std::make_unique<State>(month, names, bounds)) {}

SummaryBuilder::~SummaryBuilder() = default;

Status SummaryBuilder::Add(const RowBatch& rows) { return state_->Add(rows); }

Result<std::string> SummaryBuilder::Finish() {
  const std::unique_ptr<State> state = std::move(state_);
  state_ = std::make_unique<State>(state->month, state->names, state->bounds);
  state->customers.Close();
  state->all.CountAll();
  QUIPU_TRY(state->CheckBounds());
  while (state->all.FinishNextService()) QUIPU_TRY(state->CheckBounds());
  return state->emitter.Encode();
}

}  // namespace quipu
