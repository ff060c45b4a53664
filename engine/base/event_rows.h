// EventRows: the packed form of an EventBatch, made so that a string is hashed once, on the caller's thread, and never again.
//
// Events of a batch repeat themselves: the same customers, services, dimension names and values. Every distinct string is an entry of one
// dictionary, told apart by its role (a customer "api" and a service "api" are two entries, as are equal values of two dimensions), and an
// event is a row of entry numbers. Which dimensions and measures an event has, in which order, is its shape; most batches have few.
//
//   Add({.id = "r-1", .customer = "acme", .service = "api", .dimensions = {{"region", "eu"}}, .measures = {{"ms", 41}}})
//
//   entries   0 customer "acme"   1 service "api"   2 source ""   3 dimension name "region"   4 measure name "ms"   5 value of 3 "eu"
//   shapes    0: dimensions {3}, measures {4}, no cost
//   row 0     id "r-1", shape 0, codes {0, 1, 2, 5}, numbers {1, 41}
//
// Invariants:
//   (1) No two entries have the same role and text; entries stand in the order of their first use.
//   (2) codes of a row: customer, service, source, then a value for each dimension of its shape. numbers: quantity, then cost if the
//       shape has one, then one for each measure of its shape.
//   (3) A number of 64 bits stands in `numbers` with its scale; any other in `wide`, with its place in `numbers` and scale kWide.
//   (4) Nothing is checked: names repeated in one event, bad UTF-8, any length are kept as they came. Beyond kBytesKept, far above what
//       Ingest takes, an event is kept without dimensions and measures and strings are cut, so that memory stays bounded.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "quipu/event.h"

namespace quipu {

class EventRows {
 public:
  static constexpr std::size_t kBytesKept = 2 * kBatchBytesMax;
  static constexpr std::uint8_t kWide = 0xFF;

  /// What a string is in its event. kFirstValue + n: a value of the dimension whose name is entry n.
  using Role = std::uint32_t;
  static constexpr Role kCustomer = 0, kService = 1, kSource = 2, kDimensionName = 3,
                        kMeasureName = 4, kFirstValue = 5;
  struct Entry {
    std::uint32_t offset = 0, length = 0;
    Role role = kCustomer;
    std::uint32_t hash = 0;        ///< TextHash of the text.
    std::uint32_t last_shape = 0;  ///< Of a service: the shape of its last event.
  };
  struct Shape {
    std::uint32_t first_name = 0;  ///< In names(): entries of the dimensions, then of the measures.
    std::uint16_t dimensions = 0, measures = 0;
    bool has_cost = false;
  };
  /// Codes of a row before its dimension values.
  static constexpr std::size_t kCustomerCode = 0, kServiceCode = 1, kSourceCode = 2,
                               kFirstValueCode = 3;
  struct Row {
    TimeUs time = 0;
    std::uint32_t id_offset = 0, id_length = 0;
    std::uint32_t first_code = 0, first_number = 0;
    std::uint32_t shape = 0;
    bool has_time = false;
  };

  EventRows();
  void Add(const Event& event);
  void Clear();
  [[nodiscard]] std::size_t bytes() const;
  /// Memory held, filled or not.
  [[nodiscard]] std::size_t held_bytes() const;
  /// Asks the memory for this object, and once that is there, for what it holds (of a batch of few events). Batches come from other
  /// threads: to read them without is a miss of the cache after the other.
  void PrefetchSelf() const {
    const char* const self = reinterpret_cast<const char*>(this);
    for (std::size_t at = 0; at < sizeof *this; at += 64) __builtin_prefetch(self + at);
  }
  void PrefetchContents() const {
    for (const void* p :
         {static_cast<const void*>(text_.data()), static_cast<const void*>(rows_.data()),
          static_cast<const void*>(codes_.data()), static_cast<const void*>(numbers_.data()),
          static_cast<const void*>(entries_.data()), static_cast<const void*>(shapes_.data()),
          static_cast<const void*>(names_.data())}) {
      __builtin_prefetch(p);
    }
    __builtin_prefetch(reinterpret_cast<const char*>(entries_.data()) + 64);
    __builtin_prefetch(reinterpret_cast<const char*>(entries_.data()) + 128);
  }
  [[nodiscard]] Event At(std::size_t i) const;

  [[nodiscard]] std::span<const Row> rows() const { return rows_; }
  [[nodiscard]] std::span<const Entry> entries() const { return entries_; }
  [[nodiscard]] std::span<const Shape> shapes() const { return shapes_; }
  [[nodiscard]] std::span<const std::uint32_t> names() const { return names_; }
  [[nodiscard]] std::span<const std::uint32_t> codes() const { return codes_; }
  [[nodiscard]] std::span<const std::int64_t> numbers() const { return numbers_; }
  [[nodiscard]] std::span<const std::uint8_t> scales() const { return scales_; }
  [[nodiscard]] std::span<const Decimal> wide() const { return wide_; }
  /// All text of the batch, ids included.
  [[nodiscard]] std::string_view text() const { return text_; }
  [[nodiscard]] std::string_view EntryText(std::size_t entry) const {
    return {text_.data() + entries_[entry].offset, entries_[entry].length};
  }
  [[nodiscard]] std::string_view Id(std::size_t i) const {
    return {text_.data() + rows_[i].id_offset, rows_[i].id_length};
  }
  [[nodiscard]] Decimal Number(std::size_t n) const {
    const auto mantissa = numbers_[n];
    return scales_[n] == kWide ? wide_[static_cast<std::size_t>(mantissa)]
                               : Decimal(mantissa, scales_[n]);
  }

 private:
  struct Slot {
    std::uint32_t hash = 0;
    std::uint32_t entry_plus_1 = 0;
  };
  [[nodiscard]] std::string_view Fit(std::string_view text) const;
  std::uint32_t Append(std::string_view text);
  std::uint32_t Find(std::string_view text, Role role);
  std::uint32_t AddEntry(std::string_view text, Role role, std::uint32_t hash);
  void GrowSlots();
  void ReserveFor(const Event& event);
  [[nodiscard]] bool Matches(const Shape& shape, std::span<const Dimension> dimensions,
                             std::span<const Measure> measures, bool has_cost) const;
  std::uint32_t FindShape(std::uint32_t service, std::span<const Dimension> dimensions,
                          std::span<const Measure> measures, bool has_cost);
  void AddNumber(const Decimal& value);

  std::uint64_t seed_;
  std::string text_;  // fewer than 2^32 bytes
  std::vector<Row> rows_;
  std::vector<std::uint32_t> codes_;
  std::vector<std::int64_t> numbers_;
  std::vector<std::uint8_t> scales_;
  std::vector<Decimal> wide_;
  std::vector<Entry> entries_;
  std::vector<Slot> slots_;  // open addressing, a power of two, at most half full; empty at first
  std::vector<Shape> shapes_;
  std::vector<std::uint32_t> names_;
};

}  // namespace quipu
