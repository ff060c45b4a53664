// BatchView: a read-only look into the packed form of a public EventBatch, without building an Event per row.
#pragma once

#include <optional>
#include <string_view>

#include "base/event_rows.h"
#include "quipu/event.h"

namespace quipu {

class BatchView {
 public:
  explicit BatchView(const EventBatch& batch)
      : rows_(batch.rows_ ? batch.rows_.get() : &NoRows()) {}

  struct DimensionText {
    std::string_view name, value;
  };
  struct MeasureText {
    std::string_view name;
    Decimal value;
  };

  [[nodiscard]] const EventRows& rows() const { return *rows_; }
  [[nodiscard]] std::size_t size() const { return rows_->rows().size(); }
  [[nodiscard]] std::string_view id(std::size_t i) const { return rows_->Id(i); }
  [[nodiscard]] std::string_view source(std::size_t i) const {
    return Text(i, EventRows::kSourceCode);
  }
  [[nodiscard]] std::string_view customer(std::size_t i) const {
    return Text(i, EventRows::kCustomerCode);
  }
  [[nodiscard]] std::string_view service(std::size_t i) const {
    return Text(i, EventRows::kServiceCode);
  }
  [[nodiscard]] bool has_time(std::size_t i) const { return rows_->rows()[i].has_time; }
  [[nodiscard]] TimeUs time(std::size_t i) const { return rows_->rows()[i].time; }
  [[nodiscard]] Decimal quantity(std::size_t i) const {
    return rows_->Number(rows_->rows()[i].first_number);
  }
  [[nodiscard]] std::optional<Decimal> cost(std::size_t i) const {
    if (!shape(i).has_cost) return std::nullopt;
    return rows_->Number(rows_->rows()[i].first_number + 1);
  }
  [[nodiscard]] std::size_t dimensions(std::size_t i) const { return shape(i).dimensions; }
  [[nodiscard]] DimensionText dimension(std::size_t i, std::size_t d) const {
    return {Name(shape(i).first_name + d), Text(i, EventRows::kFirstValueCode + d)};
  }
  [[nodiscard]] std::size_t measures(std::size_t i) const { return shape(i).measures; }
  [[nodiscard]] MeasureText measure(std::size_t i, std::size_t m) const {
    const EventRows::Shape& s = shape(i);
    return {Name(s.first_name + s.dimensions + m),
            rows_->Number(rows_->rows()[i].first_number + 1 + (s.has_cost ? 1 : 0) + m)};
  }

  /// A hash of everything in the batch: tells a retry of a producer's batch from another batch under the same number.
  [[nodiscard]] std::uint64_t ContentHash() const;

 private:
  static const EventRows& NoRows();
  [[nodiscard]] const EventRows::Shape& shape(std::size_t i) const {
    return rows_->shapes()[rows_->rows()[i].shape];
  }
  [[nodiscard]] std::string_view Name(std::size_t n) const {
    return rows_->EntryText(rows_->names()[n]);
  }
  [[nodiscard]] std::string_view Text(std::size_t i, std::size_t code) const {
    return rows_->EntryText(rows_->codes()[rows_->rows()[i].first_code + code]);
  }
  const EventRows* rows_;
};

}  // namespace quipu
