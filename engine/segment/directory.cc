#include "segment/directory.h"

#include <algorithm>

#include "base/check.h"
#include "codec/int_codec.h"

namespace quipu {
namespace {

/// A block of an int list holds at most 1,024 values and takes at least an encoding byte and one more.
constexpr std::uint64_t kBlockBytesMin = 2;
constexpr std::uint64_t kRowsMax = 1ull << 32;

Status Damaged(const std::string& what) { return Status::Corruption("directory: " + what); }

Status DecodeColumn(Bytes* in, std::vector<std::int64_t>* column, std::string_view name) {
  const Status status = DecodeIntList(in, *column);
  return status.ok() ? status : status.WithContext("directory: " + std::string(name));
}

}  // namespace

void Directory::Append(CustomerOrdinal customer, ServiceOrdinal service, std::uint32_t rows) {
  if (rows == 0) return;
  QUIPU_CHECK(rows_ + rows <= kRowsMax);
  const auto first_row = static_cast<std::uint32_t>(rows_);
  rows_ += rows;
  if (!runs_.empty()) {
    Run& last = runs_.back();
    if (last.customer == customer && last.service == service) {
      last.rows += rows;
      return;
    }
    QUIPU_CHECK(std::pair(last.customer, last.service) < std::pair(customer, service));
  }
  if (runs_.empty() || runs_.back().customer != customer) ++customers_;
  runs_.push_back(Run{customer, service, first_row, rows});
}

std::span<const Run> Directory::Find(CustomerOrdinal customer) const {
  const auto first =
      std::lower_bound(runs_.begin(), runs_.end(), customer,
                       [](const Run& run, CustomerOrdinal c) { return run.customer < c; });
  auto last = first;
  while (last != runs_.end() && last->customer == customer) ++last;
  return {first, last};
}

const Run& Directory::RunOf(std::uint32_t row) const {
  QUIPU_CHECK(row < rows_);
  const auto after =
      std::upper_bound(runs_.begin(), runs_.end(), row,
                       [](std::uint32_t r, const Run& run) { return r < run.first_row; });
  return *std::prev(after);
}

// Varint number of runs, then int lists: customer less the customer before, service, rows less 1.
void Directory::EncodeTo(std::string* out) const {
  ByteWriter(out).Varint(runs_.size());
  std::vector<std::int64_t> column(runs_.size());
  CustomerOrdinal before = 0;
  for (std::size_t i = 0; i < runs_.size(); ++i) {
    column[i] = runs_[i].customer - before;
    before = runs_[i].customer;
  }
  EncodeIntList(column, out);
  for (std::size_t i = 0; i < runs_.size(); ++i) column[i] = runs_[i].service;
  EncodeIntList(column, out);
  for (std::size_t i = 0; i < runs_.size(); ++i) column[i] = runs_[i].rows - 1;
  EncodeIntList(column, out);
}

bool Directory::HasNoServiceBut(std::span<const ServiceOrdinal> services) const {
  std::size_t at = 0;  // a customer's runs ascend by service, too
  for (std::size_t r = 0; r < runs_.size(); ++r) {
    if (r == 0 || runs_[r].customer != runs_[r - 1].customer) at = 0;
    while (at < services.size() && services[at] < runs_[r].service) ++at;
    if (at == services.size() || services[at] != runs_[r].service) return false;
  }
  return true;
}

Result<Directory> Directory::Decode(Bytes in, std::uint64_t rows) {
  ByteReader reader(in);
  const std::uint64_t count = reader.Varint();
  QUIPU_TRY(reader.status("directory"));
  if (rows > kRowsMax || count > rows ||
      count > reader.remaining() / kBlockBytesMin * kVectorValuesMax) {
    return Damaged(std::to_string(count) + " runs are impossible for " + std::to_string(rows) +
                   " rows in " + std::to_string(in.size()) + " bytes");
  }
  in = in.last(reader.remaining());
  std::vector<std::int64_t> customers(count), services(count), lengths(count);
  QUIPU_TRY(DecodeColumn(&in, &customers, "customers"));
  QUIPU_TRY(DecodeColumn(&in, &services, "services"));
  QUIPU_TRY(DecodeColumn(&in, &lengths, "rows"));
  if (!in.empty()) return Damaged(std::to_string(in.size()) + " bytes after the end");
  Directory directory;
  directory.runs_.reserve(count);
  std::int64_t customer = 0;
  constexpr std::int64_t kOrdinalMax = 0xFFFFFFFF;
  for (std::size_t i = 0; i < count; ++i) {
    const bool in_range = customers[i] >= 0 && customers[i] <= kOrdinalMax - customer &&
                          services[i] >= 0 && services[i] <= kOrdinalMax && lengths[i] >= 0 &&
                          static_cast<std::uint64_t>(lengths[i]) < rows - directory.rows_;
    const bool ascending = i == 0 || customers[i] > 0 || services[i] > services[i - 1];
    if (!in_range || !ascending)
      return Damaged("run " + std::to_string(i) + " is out of range or out of order");
    customer += customers[i];
    directory.Append(static_cast<CustomerOrdinal>(customer),
                     static_cast<ServiceOrdinal>(services[i]),
                     static_cast<std::uint32_t>(lengths[i] + 1));
  }
  if (directory.rows_ != rows) {
    return Damaged("its runs hold " + std::to_string(directory.rows_) + " rows, the segment " +
                   std::to_string(rows));
  }
  return directory;
}

}  // namespace quipu
