#include "usage/entropy.h"

#include <algorithm>
#include <cmath>
#include <unordered_map>

namespace quipu::usage {
namespace {

constexpr double kTriangleBits = 0.2787;  // uniform over the day minus the triangle, in bits

/// Bits a value of the given counts.
double EntropyBits(const std::vector<std::uint64_t>& counts) {
  double n = 0;
  for (const std::uint64_t c : counts) n += static_cast<double>(c);
  double bits = 0;
  for (const std::uint64_t c : counts) {
    if (c == 0) continue;
    const double p = static_cast<double>(c) / n;
    bits -= p * std::log2(p);
  }
  return bits;
}

/// The same for values; sorts them.
double EntropyBitsOfValues(std::vector<std::uint32_t>* values) {
  std::sort(values->begin(), values->end());
  std::vector<std::uint64_t> counts;
  for (std::size_t i = 0; i < values->size(); ++i) {
    if (i == 0 || (*values)[i] != (*values)[i - 1]) counts.push_back(0);
    ++counts.back();
  }
  return EntropyBits(counts);
}

double TimeBits(const std::unordered_map<std::uint64_t, std::uint64_t>& group_sizes,
                std::uint32_t days, double events) {
  const double range_bits = std::log2(static_cast<double>(days) * 86'400e6) - kTriangleBits;
  double bits = 0;
  for (const auto& [group, n] : group_sizes) {
    const auto size = static_cast<double>(n);
    bits += size * range_bits - std::lgamma(size + 1) / std::log(2.0);
  }
  return bits / events;
}

}  // namespace

std::vector<ColumnEntropy> EntropyOfColumns(const RowFile& file) {
  std::vector<std::uint32_t> duration, tokens, quantity;
  std::vector<std::uint64_t> endpoint(256), method(256), status(256), region(256);
  std::unordered_map<std::uint64_t, std::uint64_t> groups;
  ForEachRow(file, false, [&](const WorkloadRow& row) {
    if (duration.size() >= kEntropyEventsMax) return;
    duration.push_back(row.duration_ms);
    tokens.push_back(row.tokens);
    quantity.push_back(static_cast<std::uint32_t>(row.quantity_micro));  // below 3 x 10^9
    ++endpoint[row.endpoint];
    ++method[row.method];
    ++status[row.status];
    ++region[row.region];
    ++groups[std::uint64_t{row.customer} * generate::kWorkloadServices + row.service];
  });
  const auto events = static_cast<double>(duration.size());
  return {{"id", 122.0 / 8},
          {"time", TimeBits(groups, file.workload.days, events) / 8},
          {"quantity", EntropyBitsOfValues(&quantity) / 8},
          {"cost", 0},
          {"duration_ms", EntropyBitsOfValues(&duration) / 8},
          {"tokens", EntropyBitsOfValues(&tokens) / 8},
          {"endpoint", EntropyBits(endpoint) / 8},
          {"method", EntropyBits(method) / 8},
          {"status", EntropyBits(status) / 8},
          {"region", EntropyBits(region) / 8},
          {"customer", 0},
          {"service", 0}};
}

}  // namespace quipu::usage
