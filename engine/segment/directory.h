// The customer directory: which rows belong to whom. Rows of a segment are sorted by (customer, service, time), so customer and service
// are not columns but runs of rows; the directory is the sorted list of runs.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "batch/row_batch.h"

namespace quipu {

struct Run {
  CustomerOrdinal customer = 0;
  ServiceOrdinal service = 0;
  std::uint32_t first_row = 0;
  std::uint32_t rows = 0;
  friend bool operator==(const Run&, const Run&) = default;
};

class Directory {
 public:
  /// Appends rows that follow the last ones: extends the last run or starts a new one. (customer, service) must not go back.
  void Append(CustomerOrdinal customer, ServiceOrdinal service, std::uint32_t rows);
  [[nodiscard]] std::span<const Run> runs() const { return runs_; }
  /// The runs of one customer, by service; empty if it has none.
  [[nodiscard]] std::span<const Run> Find(CustomerOrdinal customer) const;
  /// The run that holds `row` (< rows()).
  [[nodiscard]] const Run& RunOf(std::uint32_t row) const;
  /// True if every run is of one of these, which ascend.
  [[nodiscard]] bool HasNoServiceBut(std::span<const ServiceOrdinal> services) const;
  [[nodiscard]] std::uint64_t rows() const { return rows_; }
  [[nodiscard]] std::uint32_t customers() const { return customers_; }

  void EncodeTo(std::string* out) const;  ///< formats/segment.md, "Directory"
  /// Checks order, gaps and the total number of rows.
  static Result<Directory> Decode(Bytes in, std::uint64_t rows);

 private:
  std::vector<Run> runs_;
  std::uint64_t rows_ = 0;
  std::uint32_t customers_ = 0;
};

}  // namespace quipu
