#include "quipu/event.h"

#include <algorithm>

namespace quipu {
namespace {

// A batch stops copying strings here. It is then far above kBatchBytesMax, so that Ingest refuses the whole of it; what was cut off
// is never stored, offsets stay within 32 bits and memory stays bounded whatever a caller adds.
constexpr std::size_t kTextBytesKept = 2 * kBatchBytesMax;
constexpr std::size_t kRefsKept = kTextBytesKept / 16;
constexpr std::size_t kRefsPerEventMax = 65'535;

std::size_t RefsToKeep(std::size_t asked, std::size_t held) {
  return std::min({asked, kRefsPerEventMax, kRefsKept - std::min(held, kRefsKept)});
}

}  // namespace

EventBatch::Text EventBatch::Put(std::string_view text) {
  text = text.substr(0, kTextBytesKept - std::min(text_.size(), kTextBytesKept));
  const Text t{static_cast<std::uint32_t>(text_.size()), static_cast<std::uint32_t>(text.size())};
  text_.append(text);
  return t;
}

void EventBatch::Add(const Event& event) {
  Row row;
  row.id = Put(event.id);
  row.source = Put(event.source);
  row.customer = Put(event.customer);
  row.service = Put(event.service);
  row.has_time = event.time.has_value();
  row.time = event.time.value_or(0);
  row.quantity = event.quantity;
  row.has_cost = event.cost.has_value();
  row.cost = event.cost.value_or(Decimal());
  row.first_dimension = static_cast<std::uint32_t>(dimensions_.size());
  row.first_measure = static_cast<std::uint32_t>(measures_.size());
  row.dimensions =
      static_cast<std::uint16_t>(RefsToKeep(event.dimensions.size(), dimensions_.size()));
  row.measures = static_cast<std::uint16_t>(RefsToKeep(event.measures.size(), measures_.size()));
  for (std::size_t i = 0; i < row.dimensions; ++i) {
    const Dimension& d = event.dimensions[i];
    const Text name = Put(d.name);
    dimensions_.push_back({name, Put(d.value)});
  }
  for (std::size_t i = 0; i < row.measures; ++i) {
    const Measure& m = event.measures[i];
    measures_.push_back({Put(m.name), m.value});
  }
  rows_.push_back(row);
}

std::size_t EventBatch::bytes() const noexcept {
  return text_.size() + rows_.size() * sizeof(Row) + dimensions_.size() * sizeof(DimensionRef) +
         measures_.size() * sizeof(MeasureRef);
}

void EventBatch::Clear() noexcept {
  text_.clear();
  rows_.clear();
  dimensions_.clear();
  measures_.clear();
  producer.reset();  // a stamp used twice would have the next events taken for a replay
}

Event EventBatch::At(std::size_t i) const {
  const Row& row = rows_[i];
  Event event;
  event.id = View(row.id);
  event.source = View(row.source);
  event.customer = View(row.customer);
  event.service = View(row.service);
  if (row.has_time) event.time = row.time;
  event.quantity = row.quantity;
  if (row.has_cost) event.cost = row.cost;
  event.dimensions.reserve(row.dimensions);
  for (std::size_t d = 0; d < row.dimensions; ++d) {
    const DimensionRef& ref = dimensions_[row.first_dimension + d];
    event.dimensions.push_back({View(ref.name), View(ref.value)});
  }
  event.measures.reserve(row.measures);
  for (std::size_t m = 0; m < row.measures; ++m) {
    const MeasureRef& ref = measures_[row.first_measure + m];
    event.measures.push_back({View(ref.name), ref.value});
  }
  return event;
}

std::size_t IngestReply::Count(Outcome o) const noexcept {
  return static_cast<std::size_t>(std::count(outcomes.begin(), outcomes.end(), o));
}

}  // namespace quipu
