#include "generate/workload.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <queue>

#include "cli/try.h"

namespace quipu::generate {
namespace {

constexpr std::size_t kBlockBytes = std::size_t{1} << 20;
constexpr std::uint64_t kEventsOfDayMax = 20'000'000;  // 16 bytes each while a day is sorted
constexpr double kDayMicros = 86'400e6;
constexpr double kLateShare = 0.01;
constexpr double kResentShare = 0.005;
constexpr double kLateMax = 3 * kDayMicros;
constexpr double kResendMax = 3'600e6;

struct Choice {
  double up_to;  // of a uniform in [0, 1)
  std::string_view name;
};
constexpr std::array<Choice, 6> kServices = {{{0.55, "api"},
                                              {0.70, "database"},
                                              {0.82, "bandwidth"},
                                              {0.90, "functions"},
                                              {0.96, "compute"},
                                              {1.00, "storage"}}};
constexpr std::array<Choice, 4> kMethods = {
    {{0.60, "GET"}, {0.85, "POST"}, {0.95, "PUT"}, {1.00, "DELETE"}}};
constexpr std::array<Choice, 4> kStatuses = {
    {{0.93, "200"}, {0.97, "404"}, {0.99, "429"}, {1.00, "500"}}};
constexpr std::array<Choice, 3> kRegions = {
    {{0.50, "us-east"}, {0.80, "eu-west"}, {1.00, "ap-south"}}};

template <std::size_t N>
std::string_view Choose(const std::array<Choice, N>& choices, double u) {
  for (const Choice& c : choices) {
    if (u < c.up_to) return c.name;
  }
  return choices.back().name;
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

void AppendPadded(std::uint64_t value, int digits, std::string* out) {
  std::array<char, 20> text{};
  std::size_t at = text.size();
  while (value != 0 || digits > 0) {
    text[--at] = static_cast<char>('0' + value % 10);
    value /= 10;
    --digits;
  }
  out->append(text.data() + at, text.size() - at);
}

void AppendNumber(std::uint64_t value, std::string* out) {
  AppendPadded(value, value == 0 ? 1 : 0, out);
}

/// value x 10^-scale without zeros at the end.
void AppendDecimal(std::uint64_t value, int scale, std::string* out) {
  std::uint64_t unit = 1;
  for (int i = 0; i < scale; ++i) unit *= 10;
  AppendNumber(value / unit, out);
  std::uint64_t rest = value % unit;
  if (rest == 0) return;
  while (rest % 10 == 0) {
    rest /= 10;
    --scale;
  }
  *out += '.';
  AppendPadded(rest, scale, out);
}

void AppendHex(std::uint64_t value, int from_digit, int digits, std::string* out) {
  for (int i = from_digit; i < from_digit + digits; ++i) {
    *out += "0123456789abcdef"[(value >> (60 - 4 * i)) & 15];
  }
}

/// Version 4, variant 1.
void AppendUuid(std::uint64_t high, std::uint64_t low, std::string* out) {
  high = (high & ~std::uint64_t{0xf000}) | 0x4000;
  low = (low & ~(std::uint64_t{3} << 62)) | (std::uint64_t{2} << 62);
  AppendHex(high, 0, 8, out);
  *out += '-';
  AppendHex(high, 8, 4, out);
  *out += '-';
  AppendHex(high, 12, 4, out);
  *out += '-';
  AppendHex(low, 0, 4, out);
  *out += '-';
  AppendHex(low, 4, 12, out);
}

void AppendClock(TimeUs in_day, std::string* out) {
  const auto us = static_cast<std::uint64_t>(in_day);
  AppendPadded(us / 3'600'000'000, 2, out);
  *out += ':';
  AppendPadded(us / 60'000'000 % 60, 2, out);
  *out += ':';
  AppendPadded(us / 1'000'000 % 60, 2, out);
  *out += '.';
  AppendPadded(us % 1'000'000, 6, out);
}

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
  Generator(const WorkloadOptions& options, TimeUs first_day, const WriteBlock& write)
      : options_(options),
        first_day_(first_day),
        write_(write),
        log_customers_(std::log(static_cast<double>(options.customers))) {
    customer_digits_ = std::max(6, static_cast<int>(fmt::to_string(options.customers - 1).size()));
    for (std::uint32_t day = 0; day < options.days; ++day) {
      dates_.push_back(FormatTime(first_day + day * kDayUs).substr(0, 10));
    }
    block_.reserve(kBlockBytes + 1024);
  }

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
          const auto by = static_cast<TimeUs>(draw.late_by * kLateMax);
          waiting_.push({time + by, day, index, false});
        } else {
          SERVER_TRY(Send({time, day, index, false}, draw));
        }
      }
    }
    SERVER_TRY(SendWaiting(kTimeMax));
    return FlushBlock();
  }

 private:
  void CountDays() {
    counts_.assign(options_.days, 0);
    SplitMix64 random(options_.seed);
    for (std::uint64_t i = 0; i < options_.events; ++i) {
      ++counts_[static_cast<std::size_t>(random.NextUnit() * options_.days)];
    }
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
    if (!what.again) {
      ++done_;
      if (draw.resend < kResentShare) {
        const auto by = static_cast<TimeUs>(draw.resend_by * kResendMax);
        waiting_.push({what.arrival + by, what.day, what.index, true});
      }
    }
    AppendLine(what.day, draw);
    return block_.size() >= kBlockBytes ? FlushBlock() : Status();
  }

  Status FlushBlock() {
    const bool go_on = write_(block_, done_);
    block_.clear();
    return go_on ? Status() : Status::Cancelled("stopped");
  }

  void AppendLine(std::uint32_t day, const Draw& d) {
    std::string* out = &block_;
    const std::string_view service = Choose(kServices, d.u5);
    const bool counted = service == "api" || service == "database";
    const std::uint64_t micro_quantity =
        counted ? 1'000'000
                : static_cast<std::uint64_t>(std::llround(std::exp(8 * d.u2 * d.u6) * 1e6));
    *out += R"({"id":")";
    AppendUuid(d.id_high, d.id_low, out);
    *out += R"(","time":")";
    *out += dates_[day];
    *out += 'T';
    AppendClock(d.TimeInDay(), out);
    *out += R"(Z","customer":"cus_)";
    AppendPadded(static_cast<std::uint64_t>(std::exp(d.u4 * log_customers_)), customer_digits_,
                 out);
    *out += R"(","service":")";
    *out += service;
    *out += R"(","quantity":)";
    AppendDecimal(micro_quantity, 6, out);
    *out += R"(,"cost":)";
    AppendDecimal((micro_quantity + 5) / 10, 9, out);  // 0.0001 x quantity at 9 decimals
    *out += R"(,"dimensions":{"endpoint":"/api/v1/r)";
    AppendNumber(static_cast<std::uint64_t>(std::exp(d.u6 * log_endpoints_)), out);
    *out += R"(","method":")";
    *out += Choose(kMethods, d.u7);
    *out += R"(","status":")";
    *out += Choose(kStatuses, Fraction(97 * d.u7));
    *out += R"(","region":")";
    *out += Choose(kRegions, Fraction(31 * d.u6));
    *out += R"("},"measures":{"duration_ms":)";
    AppendNumber(static_cast<std::uint64_t>(std::exp(2 + 6 * d.u3 * d.u6)), out);
    *out += R"(,"tokens":)";
    AppendNumber(static_cast<std::uint64_t>(std::exp(3 + 7 * d.u2 * d.u4)), out);
    *out += "}}\n";
  }

  const WorkloadOptions& options_;
  TimeUs first_day_;
  const WriteBlock& write_;
  double log_customers_;
  double log_endpoints_ = std::log(200.0);
  int customer_digits_ = 6;
  std::vector<std::uint32_t> counts_;
  std::vector<std::string> dates_;
  std::priority_queue<Waiting, std::vector<Waiting>, std::greater<>> waiting_;
  std::string block_;
  std::uint64_t done_ = 0;
};

Status CheckRange(std::string_view flag, std::uint64_t value, std::uint64_t min,
                  std::uint64_t max) {
  if (value >= min && value <= max) return {};
  return Status::InvalidArgument(
      fmt::format("{} is {}; it lies in {} to {}", flag, value, min, max));
}

}  // namespace

Status Generate(const WorkloadOptions& options, const WriteBlock& write) {
  SERVER_TRY(CheckRange("--events", options.events, 1, 1'000'000'000));
  SERVER_TRY(CheckRange("--customers", options.customers, 2, 1'000'000'000));
  SERVER_TRY(CheckRange("--days", options.days, 1, 3660));
  if (options.events / options.days > kEventsOfDayMax) {
    return Status::InvalidArgument(fmt::format(
        "more than {} events a day need too much memory; give more --days", kEventsOfDayMax));
  }
  auto from = ParseTimeInZone(options.from, "UTC");
  if (!from) return from.error().WithContext("--from");
  if (*from % kDayUs != 0) {
    return Status::InvalidArgument("--from is a day, like 2026-01-01, without a time");
  }
  if (*from > kTimeMax - (std::int64_t{options.days} + 4) * kDayUs) {
    return Status::InvalidArgument("--from plus --days goes beyond the year 9999");
  }
  return Generator(options, *from, write).Run();
}

}  // namespace quipu::generate
