// The names behind a row's numbers, and the workload as ndjson and csv.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "generate/workload.h"

namespace quipu::generate {
namespace {

constexpr std::size_t kBlockBytes = std::size_t{1} << 20;

constexpr std::array<std::string_view, kWorkloadServices> kServiceNames = {
    "api", "database", "bandwidth", "functions", "compute", "storage"};
constexpr std::array<std::string_view, 4> kMethodNames = {"GET", "POST", "PUT", "DELETE"};
constexpr std::array<std::string_view, 4> kStatusNames = {"200", "404", "429", "500"};
constexpr std::array<std::string_view, 3> kRegionNames = {"us-east", "eu-west", "ap-south"};

std::vector<std::string> MakeEndpointNames() {
  std::vector<std::string> names;
  for (int i = 0; i < kWorkloadEndpoints; ++i) names.push_back(fmt::format("/api/v1/r{}", i));
  return names;
}

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

/// What stands before the values of a row; none needs quotes or escapes of either format.
struct Punctuation {
  std::string_view header;
  std::array<std::string_view, 13> before;  // the values, in the order of AppendLine, and the end
};
constexpr Punctuation kNdjson = {
    "",
    {R"({"id":")", R"(","time":")", R"(","customer":")", R"(","service":")", R"(","quantity":)",
     R"(,"cost":)", R"(,"dimensions":{"endpoint":")", R"(","method":")", R"(","status":")",
     R"(","region":")", R"("},"measures":{"duration_ms":)", R"(,"tokens":)", "}}\n"}};
constexpr Punctuation kCsv = {
    "id,time,customer,service,quantity,cost,dimension:endpoint,dimension:method,dimension:status,"
    "dimension:region,measure:duration_ms,measure:tokens\n",
    {"", ",", ",", ",", ",", ",", ",", ",", ",", ",", ",", ",", "\n"}};

class TextWriter {
 public:
  TextWriter(const WorkloadOptions& options, TextFormat format, const WriteBlock& write)
      : write_(write),
        punctuation_(format == TextFormat::kCsv ? kCsv : kNdjson),
        customer_digits_(CustomerDigits(options.customers)) {
    block_.reserve(kBlockBytes + 1024);
    block_ = punctuation_.header;
  }

  bool Take(const WorkloadRow& row) {
    if (!row.again) ++done_;
    AppendLine(row);
    return block_.size() < kBlockBytes || Flush();
  }
  bool Flush() {
    const bool go_on = write_(block_, done_);
    block_.clear();
    return go_on;
  }

 private:
  void AppendLine(const WorkloadRow& row) {
    std::string* out = &block_;
    auto before = punctuation_.before.begin();
    *out += *before++;
    AppendId(row, out);
    *out += *before++;
    AppendTime(row.time, out);
    *out += *before++;
    AppendCustomer(row.customer, customer_digits_, out);
    *out += *before++;
    *out += ServiceName(row.service);
    *out += *before++;
    AppendDecimal(row.quantity_micro, 6, out);
    *out += *before++;
    AppendDecimal(row.cost_nano(), 9, out);
    *out += *before++;
    *out += EndpointName(row.endpoint);
    *out += *before++;
    *out += MethodName(row.method);
    *out += *before++;
    *out += StatusName(row.status);
    *out += *before++;
    *out += RegionName(row.region);
    *out += *before++;
    AppendNumber(row.duration_ms, out);
    *out += *before++;
    AppendNumber(row.tokens, out);
    *out += *before++;
  }

  /// Always with six digits after the point.
  void AppendTime(TimeUs time, std::string* out) {
    const TimeUs day = time / kDayUs - (time % kDayUs < 0 ? 1 : 0);
    if (day != day_) {
      day_ = day;
      date_ = FormatTime(day * kDayUs).substr(0, 10);
    }
    *out += date_;
    *out += 'T';
    AppendClock(time - day * kDayUs, out);
    *out += 'Z';
  }

  const WriteBlock& write_;
  const Punctuation& punctuation_;
  int customer_digits_;
  TimeUs day_ = kTimeMax;
  std::string date_;
  std::string block_;
  std::uint64_t done_ = 0;
};

}  // namespace

std::string_view ServiceName(std::uint8_t service) { return kServiceNames[service]; }
std::string_view MethodName(std::uint8_t method) { return kMethodNames[method]; }
std::string_view StatusName(std::uint8_t status) { return kStatusNames[status]; }
std::string_view RegionName(std::uint8_t region) { return kRegionNames[region]; }
const std::string& EndpointName(std::uint8_t endpoint) {
  static const std::vector<std::string> kNames = MakeEndpointNames();
  return kNames[endpoint];
}

int CustomerDigits(std::uint64_t customers) {
  return std::max(6, static_cast<int>(fmt::to_string(customers - 1).size()));
}

void AppendCustomer(std::uint32_t customer, int digits, std::string* out) {
  *out += "cus_";
  AppendPadded(customer, digits, out);
}

void AppendId(const WorkloadRow& row, std::string* out) {
  AppendHex(row.id_high, 0, 8, out);
  *out += '-';
  AppendHex(row.id_high, 8, 4, out);
  *out += '-';
  AppendHex(row.id_high, 12, 4, out);
  *out += '-';
  AppendHex(row.id_low, 0, 4, out);
  *out += '-';
  AppendHex(row.id_low, 4, 12, out);
}

Status Generate(const WorkloadOptions& options, TextFormat format, const WriteBlock& write) {
  TextWriter writer(options, format, write);
  Status status = GenerateRows(options, [&](const WorkloadRow& row) { return writer.Take(row); });
  if (!status.ok()) return status;
  return writer.Flush() ? Status() : Status::Cancelled("stopped");
}

}  // namespace quipu::generate
