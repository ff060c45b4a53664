#include "generate/workload.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <queue>

#include "cli/try.h"

namespace quipu::generate {
namespace {

constexpr std::uint64_t kEventsOfDayMax = 20'000'000;  // 16 bytes each while a day is sorted
constexpr double kDayMicros = 86'400e6;
constexpr double kLateShare = 0.01;
constexpr double kResentShare = 0.005;
constexpr double kResendMax = 3'600e6;

// Upper ends of the choices, of a uniform in [0, 1); the names are in workload_text.cc, in the same order.
constexpr std::array<double, kWorkloadServices> kServices = {0.55, 0.70, 0.82, 0.90, 0.96, 1.00};
constexpr std::array<double, 4> kMethods = {0.60, 0.85, 0.95, 1.00};
constexpr std::array<double, 4> kStatuses = {0.93, 0.97, 0.99, 1.00};
constexpr std::array<double, 3> kRegions = {0.50, 0.80, 1.00};

template <std::size_t N>
std::uint8_t Choose(const std::array<double, N>& up_to, double u) {
  for (std::size_t i = 0; i < N; ++i) {
    if (u < up_to[i]) return static_cast<std::uint8_t>(i);
  }
  return N - 1;
}

double Fraction(double x) { return x - std::floor(x); }

std::uint64_t EventSeed(std::uint64_t seed, std::uint32_t day, std::uint32_t index) {
  const std::uint64_t place = (std::uint64_t{day} << 32) | index;
  return SplitMix64(SplitMix64(seed).Next() ^ SplitMix64(place).Next()).Next();
}

/// Everything random about one event, in the order in which its stream gives it.
struct Draw {
  double u2, u3, u4, u5, u6, u7, late, late_by, resend, resend_by;
  std::uint64_t id_high, id_low;

  Draw(std::uint64_t seed, std::uint32_t day, std::uint32_t index) {
    SplitMix64 random(EventSeed(seed, day, index));
    for (double* u : {&u2, &u3, &u4, &u5, &u6, &u7, &late, &late_by, &resend, &resend_by}) {
      *u = random.NextUnit();
    }
    id_high = random.Next();
    id_low = random.Next();
  }
  [[nodiscard]] TimeUs TimeInDay() const { return static_cast<TimeUs>((u2 + u3) / 2 * kDayMicros); }
};

struct Waiting {
  TimeUs arrival;
  std::uint32_t day, index;
  bool again;  // the second sending
  friend bool operator>(const Waiting& a, const Waiting& b) {
    if (a.arrival != b.arrival) return a.arrival > b.arrival;
    if (a.day != b.day) return a.day > b.day;
    if (a.index != b.index) return a.index > b.index;
    return a.again && !b.again;
  }
};

class Generator {
 public:
  Generator(const WorkloadOptions& options, TimeUs first_day, const TakeRow& take)
      : options_(options),
        first_day_(first_day),
        end_(first_day + options.days * kDayUs),
        take_(take),
        log_customers_(std::log(static_cast<double>(options.customers))) {}

  Status Run() {
    CountDays();
    std::vector<std::pair<TimeUs, std::uint32_t>> order;
    for (std::uint32_t day = 0; day < options_.days; ++day) {
      order.clear();
      for (std::uint32_t i = 0; i < counts_[day]; ++i) {
        order.emplace_back(Draw(options_.seed, day, i).TimeInDay(), i);
      }
      std::sort(order.begin(), order.end());
      for (const auto& [in_day, index] : order) {
        const TimeUs time = first_day_ + day * kDayUs + in_day;
        SERVER_TRY(SendWaiting(time));
        const Draw draw(options_.seed, day, index);
        if (draw.late < kLateShare) {
          waiting_.push({time + LateBy(time, draw), day, index, false});
        } else {
          SERVER_TRY(Send({time, day, index, false}, draw));
        }
      }
    }
    return SendWaiting(kTimeMax);
  }

 private:
  void CountDays() {
    counts_.assign(options_.days, 0);
    SplitMix64 random(options_.seed);
    for (std::uint64_t i = 0; i < options_.events; ++i) {
      ++counts_[static_cast<std::size_t>(random.NextUnit() * options_.days)];
    }
  }

  [[nodiscard]] TimeUs LateBy(TimeUs time, const Draw& draw) const {
    const double most = options_.late_days_max == 0 ? static_cast<double>(end_ - time)
                                                    : options_.late_days_max * kDayMicros;
    return static_cast<TimeUs>(draw.late_by * most);
  }

  /// Everything that waits for an arrival before `until`.
  Status SendWaiting(TimeUs until) {
    while (!waiting_.empty() && waiting_.top().arrival < until) {
      const Waiting next = waiting_.top();
      waiting_.pop();
      SERVER_TRY(Send(next, Draw(options_.seed, next.day, next.index)));
    }
    return {};
  }

  Status Send(const Waiting& what, const Draw& draw) {
    if (!what.again && draw.resend < kResentShare) {
      const auto by = static_cast<TimeUs>(draw.resend_by * kResendMax);
      waiting_.push({what.arrival + by, what.day, what.index, true});
    }
    return take_(RowOf(what, draw)) ? Status() : Status::Cancelled("stopped");
  }

  [[nodiscard]] WorkloadRow RowOf(const Waiting& what, const Draw& d) const {
    WorkloadRow row;
    row.id_high = (d.id_high & ~std::uint64_t{0xf000}) | 0x4000;                     // version 4
    row.id_low = (d.id_low & ~(std::uint64_t{3} << 62)) | (std::uint64_t{2} << 62);  // variant 1
    row.time = first_day_ + what.day * kDayUs + d.TimeInDay();
    row.customer = static_cast<std::uint32_t>(std::exp(d.u4 * log_customers_));
    row.service = Choose(kServices, d.u5);
    const bool counted = row.service < 2;  // api, database
    row.quantity_micro =
        counted ? 1'000'000
                : static_cast<std::uint64_t>(std::llround(std::exp(8 * d.u2 * d.u6) * 1e6));
    row.endpoint = static_cast<std::uint8_t>(std::exp(d.u6 * log_endpoints_));
    row.method = Choose(kMethods, d.u7);
    row.status = Choose(kStatuses, Fraction(97 * d.u7));
    row.region = Choose(kRegions, Fraction(31 * d.u6));
    row.duration_ms = static_cast<std::uint32_t>(std::exp(2 + 6 * d.u3 * d.u6));
    row.tokens = static_cast<std::uint32_t>(std::exp(3 + 7 * d.u2 * d.u4));
    row.again = what.again;
    return row;
  }

  const WorkloadOptions& options_;
  TimeUs first_day_;
  TimeUs end_;
  const TakeRow& take_;
  double log_customers_;
  double log_endpoints_ = std::log(static_cast<double>(kWorkloadEndpoints));
  std::vector<std::uint32_t> counts_;
  std::priority_queue<Waiting, std::vector<Waiting>, std::greater<>> waiting_;
};

Status CheckRange(std::string_view flag, std::uint64_t value, std::uint64_t min,
                  std::uint64_t max) {
  if (value >= min && value <= max) return {};
  return Status::InvalidArgument(
      fmt::format("{} is {}; it lies in {} to {}", flag, value, min, max));
}

}  // namespace

Status GenerateRows(const WorkloadOptions& options, const TakeRow& take) {
  SERVER_TRY(CheckRange("--events", options.events, 1, 1'000'000'000));
  SERVER_TRY(CheckRange("--customers", options.customers, 2, 1'000'000'000));
  SERVER_TRY(CheckRange("--days", options.days, 1, 3660));
  SERVER_TRY(CheckRange("late days", options.late_days_max, 0, 3660));
  if (options.events / options.days > kEventsOfDayMax) {
    return Status::InvalidArgument(fmt::format(
        "more than {} events a day need too much memory; give more --days", kEventsOfDayMax));
  }
  auto from = ParseTimeInZone(options.from, "UTC");
  if (!from) return from.error().WithContext("--from");
  if (*from % kDayUs != 0) {
    return Status::InvalidArgument("--from is a day, like 2026-01-01, without a time");
  }
  if (*from > kTimeMax - (std::int64_t{options.days} + options.late_days_max + 1) * kDayUs) {
    return Status::InvalidArgument("--from plus --days goes beyond the year 9999");
  }
  return Generator(options, *from, take).Run();
}

}  // namespace quipu::generate
