// Events shaped like the reference workload (skewed customers, six services, four dimensions, two measures), made straight into batches:
// a benchmark must not measure its own text parsing.
#pragma once

#include <cmath>
#include <cstdint>
#include <string>

#include "base/clock.h"
#include "quipu/event.h"

namespace quipu {

class UsageEvents {
 public:
  UsageEvents(std::uint64_t seed, std::uint32_t customers) : random_(seed), customers_(customers) {}

  static constexpr TimeUs kStart = 1'767'225'600 * kSecondUs;  // 2026-01-01
  static constexpr int kDays = 90;

  /// The next event, its time in the given part of the 90 days; it views this object until the next call.
  const Event& Next(double from, double to) {
    MakeOne(from, to);
    return event_;
  }

  /// Adds `n` events whose times lie in the given part [from, to) of the 90 days, 0 <= from < to <= 1.
  void Fill(EventBatch* batch, std::size_t n, double from, double to) {
    for (std::size_t i = 0; i < n; ++i) batch->Add(Next(from, to));
  }

 private:
  void MakeOne(double from, double to) {
    static constexpr const char* kServices[] = {"api",       "database", "bandwidth",
                                                "functions", "compute",  "storage"};
    static constexpr double kShares[] = {0.55, 0.70, 0.82, 0.90, 0.96, 1.0};
    static constexpr const char* kMethods[] = {"GET", "POST", "PUT", "DELETE"};
    static constexpr const char* kStatuses[] = {"200", "200", "200", "404"};
    static constexpr const char* kRegions[] = {"us-east", "eu-west", "ap-south"};
    const double u2 = random_.Uniform();
    const double u3 = random_.Uniform();
    const double u6 = random_.Uniform();
    customer_ = "cus_" +
                std::to_string(static_cast<std::uint64_t>(std::pow(customers_, random_.Uniform())));
    id_ = UuidText(random_.Next(), random_.Next());
    endpoint_ = "/api/v1/r" + std::to_string(static_cast<int>(std::pow(200.0, u6)));
    const double service = random_.Uniform();
    std::size_t s = 0;
    while (service >= kShares[s]) ++s;
    event_.id = id_;
    event_.time = kStart + static_cast<TimeUs>((from + (to - from) * random_.Uniform()) * kDays *
                                               static_cast<double>(kDayUs));
    event_.customer = customer_;
    event_.service = kServices[s];
    const auto micros = static_cast<std::int64_t>(std::exp(8 * u2 * u6) * 1e6);
    event_.quantity = s < 2 ? Decimal(1) : Decimal(micros, 6);
    event_.cost = s < 2 ? Decimal(1, 4) : Decimal(micros / 10, 9);
    event_.dimensions = {{"endpoint", endpoint_},
                         {"method", kMethods[random_.Below(4)]},
                         {"region", kRegions[random_.Below(3)]},
                         {"status", kStatuses[random_.Below(4)]}};
    event_.measures = {
        {"duration_ms", static_cast<std::int64_t>(std::exp(2 + 6 * u3 * u6))},
        {"tokens", static_cast<std::int64_t>(std::exp(3 + 7 * u2 * random_.Uniform()))}};
  }

  Random random_;
  std::uint32_t customers_;
  std::string customer_, id_, endpoint_;
  Event event_;
};

}  // namespace quipu
