#include "quipu/event.h"

#include <algorithm>
#include <utility>

#include "base/event_rows_pool.h"

namespace quipu {

EventBatch::EventBatch() = default;
EventBatch::EventBatch(const EventBatch& other)
    : producer(other.producer),
      partial(other.partial),
      rows_(other.rows_ ? std::make_unique<EventRows>(*other.rows_) : nullptr) {}
EventBatch::EventBatch(EventBatch&&) noexcept = default;
EventBatch& EventBatch::operator=(const EventBatch& other) {
  EventBatch copy(other);
  return *this = std::move(copy);
}
EventBatch& EventBatch::operator=(EventBatch&& other) noexcept {
  if (this == &other) return *this;
  producer = std::move(other.producer);
  partial = other.partial;
  EventRowsPool::GiveBack(std::exchange(rows_, std::move(other.rows_)));
  return *this;
}
EventBatch::~EventBatch() { EventRowsPool::GiveBack(std::move(rows_)); }

void EventBatch::Add(const Event& event) {
  if (!rows_) rows_ = EventRowsPool::Take();
  rows_->Add(event);
}

std::size_t EventBatch::size() const noexcept { return rows_ ? rows_->rows().size() : 0; }
std::size_t EventBatch::bytes() const noexcept { return rows_ ? rows_->bytes() : 0; }

void EventBatch::Clear() noexcept {
  if (rows_) rows_->Clear();
  producer.reset();  // a stamp used twice would have the next events taken for a replay
}

Event EventBatch::At(std::size_t i) const { return rows_->At(i); }

std::size_t IngestReply::Count(Outcome o) const noexcept {
  return static_cast<std::size_t>(std::count(outcomes.begin(), outcomes.end(), o));
}

}  // namespace quipu
