// BatchView: a read-only look into the packed form of a public EventBatch, without building an Event per row.
#pragma once

#include <optional>
#include <string_view>

#include "quipu/event.h"

namespace quipu {

class BatchView {
 public:
  explicit BatchView(const EventBatch& batch) : batch_(&batch) {}

  struct DimensionText {
    std::string_view name, value;
  };
  struct MeasureText {
    std::string_view name;
    const Decimal* value;
  };

  [[nodiscard]] std::size_t size() const { return batch_->rows_.size(); }
  [[nodiscard]] std::string_view id(std::size_t i) const { return Text(row(i).id); }
  [[nodiscard]] std::string_view source(std::size_t i) const { return Text(row(i).source); }
  [[nodiscard]] std::string_view customer(std::size_t i) const { return Text(row(i).customer); }
  [[nodiscard]] std::string_view service(std::size_t i) const { return Text(row(i).service); }
  [[nodiscard]] bool has_time(std::size_t i) const { return row(i).has_time; }
  [[nodiscard]] TimeUs time(std::size_t i) const { return row(i).time; }
  [[nodiscard]] const Decimal& quantity(std::size_t i) const { return row(i).quantity; }
  /// Null if the event has no cost.
  [[nodiscard]] const Decimal* cost(std::size_t i) const {
    return row(i).has_cost ? &row(i).cost : nullptr;
  }
  [[nodiscard]] std::size_t dimensions(std::size_t i) const { return row(i).dimensions; }
  [[nodiscard]] DimensionText dimension(std::size_t i, std::size_t d) const {
    const auto& ref = batch_->dimensions_[row(i).first_dimension + d];
    return {Text(ref.name), Text(ref.value)};
  }
  [[nodiscard]] std::size_t measures(std::size_t i) const { return row(i).measures; }
  [[nodiscard]] MeasureText measure(std::size_t i, std::size_t m) const {
    const auto& ref = batch_->measures_[row(i).first_measure + m];
    return {Text(ref.name), &ref.value};
  }

  /// A hash of everything in the batch: tells a retry of a producer's batch from another batch under the same number.
  [[nodiscard]] std::uint64_t ContentHash() const;

 private:
  [[nodiscard]] const EventBatch::Row& row(std::size_t i) const { return batch_->rows_[i]; }
  [[nodiscard]] std::string_view Text(EventBatch::Text t) const { return batch_->View(t); }
  const EventBatch* batch_;
};

}  // namespace quipu
