#include "ingest/validate.h"

#include <array>
#include <cstring>
#include <string>

#include "base/bytes.h"

namespace quipu {
namespace {

/// Length of the well-formed sequence that starts at p (n bytes left), or 0.
std::size_t SequenceLength(const unsigned char* p, std::size_t n) {
  const auto continues = [&](std::size_t k, unsigned low, unsigned high) {
    return k < n && p[k] >= low && p[k] <= high;
  };
  const unsigned lead = p[0];
  if (lead < 0x80) return 1;
  if (lead >= 0xC2 && lead <= 0xDF) return continues(1, 0x80, 0xBF) ? 2 : 0;
  if (lead >= 0xE0 && lead <= 0xEF) {
    const unsigned low = lead == 0xE0 ? 0xA0 : 0x80;   // no overlong forms
    const unsigned high = lead == 0xED ? 0x9F : 0xBF;  // no surrogates
    return continues(1, low, high) && continues(2, 0x80, 0xBF) ? 3 : 0;
  }
  if (lead >= 0xF0 && lead <= 0xF4) {
    const unsigned low = lead == 0xF0 ? 0x90 : 0x80;
    const unsigned high = lead == 0xF4 ? 0x8F : 0xBF;  // nothing above U+10FFFF
    return continues(1, low, high) && continues(2, 0x80, 0xBF) && continues(3, 0x80, 0xBF) ? 4 : 0;
  }
  return 0;
}

/// What is wrong with a text field of `min`..`max` bytes; empty if nothing.
std::string TextFault(std::string_view s, std::size_t min, std::size_t max) {
  if (s.size() < min) return "is empty";
  if (s.size() > max) {
    return "has " + std::to_string(s.size()) + " bytes; at most " + std::to_string(max) +
           " are allowed";
  }
  if (!IsUtf8(s)) return "is not valid UTF-8";
  return {};
}

std::optional<EventProblem> Problem(std::size_t i, std::string field, std::string message) {
  return EventProblem{i, std::move(field), std::move(message)};
}

std::optional<EventProblem> NumberProblem(std::size_t i, std::string field, const Decimal& value) {
  if (value.IsStorable()) return std::nullopt;
  return Problem(i, std::move(field), "magnitude must be below 10^20, is " + value.ToString());
}

/// Few names per event (at most 64), so a quadratic search for repeats beats a set.
template <class NameAt>
bool IsRepeated(std::size_t k, const NameAt& name_at) {
  for (std::size_t earlier = 0; earlier < k; ++earlier) {
    if (name_at(earlier) == name_at(k)) return true;
  }
  return false;
}

std::optional<EventProblem> CheckDimensions(const BatchView& batch, std::size_t i) {
  const std::size_t n = batch.dimensions(i);
  if (n > kDimensionsMax) return Problem(i, "dimensions", "more than 64 of them");
  const auto name_at = [&](std::size_t d) { return batch.dimension(i, d).name; };
  for (std::size_t d = 0; d < n; ++d) {
    const auto [name, value] = batch.dimension(i, d);
    if (auto fault = TextFault(name, 1, kNameBytesMax); !fault.empty()) {
      return Problem(i, "dimension name", std::move(fault));
    }
    if (name == "customer" || name == "service" || name == "window_start") {
      return Problem(i, "dimension " + std::string(name), "this name is reserved; use another one");
    }
    if (IsRepeated(d, name_at))
      return Problem(i, "dimension " + std::string(name), "is given twice");
    if (auto fault = TextFault(value, 0, kDimensionBytesMax); !fault.empty()) {
      return Problem(i, "dimension " + std::string(name), std::move(fault));
    }
  }
  return std::nullopt;
}

std::optional<EventProblem> CheckMeasures(const BatchView& batch, std::size_t i) {
  const std::size_t n = batch.measures(i);
  if (n > kMeasuresMax) return Problem(i, "measures", "more than 64 of them");
  const auto name_at = [&](std::size_t m) { return batch.measure(i, m).name; };
  for (std::size_t m = 0; m < n; ++m) {
    const auto [name, value] = batch.measure(i, m);
    if (auto fault = TextFault(name, 1, kNameBytesMax); !fault.empty()) {
      return Problem(i, "measure name", std::move(fault));
    }
    if (name == "quantity" || name == "cost") {
      return Problem(i, "measure " + std::string(name),
                     "is built in; set the event's own field instead");
    }
    if (IsRepeated(m, name_at)) return Problem(i, "measure " + std::string(name), "is given twice");
    if (auto problem = NumberProblem(i, "measure " + std::string(name), value)) return problem;
  }
  return std::nullopt;
}

}  // namespace

bool IsUtf8(std::string_view s) {
  const auto* p = reinterpret_cast<const unsigned char*>(s.data());
  std::size_t n = s.size();
  while (n >= 8 && (LoadLe<std::uint64_t>(p) & 0x8080808080808080ull) == 0) {  // ASCII, 8 at a time
    p += 8;
    n -= 8;
  }
  while (n > 0) {
    const std::size_t length = SequenceLength(p, n);
    if (length == 0) return false;
    p += length;
    n -= length;
  }
  return true;
}

std::optional<EventProblem> Validate(const BatchView& batch, std::size_t i, TimeUs time_bound) {
  if (auto fault = TextFault(batch.id(i), 0, kNameBytesMax); !fault.empty()) {
    return Problem(i, "id", std::move(fault));
  }
  if (auto fault = TextFault(batch.source(i), 0, kNameBytesMax); !fault.empty()) {
    return Problem(i, "source", std::move(fault));
  }
  if (auto fault = TextFault(batch.customer(i), 1, kNameBytesMax); !fault.empty()) {
    return Problem(i, "customer", std::move(fault));
  }
  if (auto fault = TextFault(batch.service(i), 1, kNameBytesMax); !fault.empty()) {
    return Problem(i, "service", std::move(fault));
  }
  if (batch.has_time(i)) {
    const TimeUs t = batch.time(i);
    if (t < kTimeMin || t >= kTimeMax)
      return Problem(i, "time", "is outside the years 0001 to 9999");
    if (t >= time_bound) {
      return Problem(i, "time",
                     FormatTime(t) +
                         " is too far in the future; check the clock of the sender "
                         "or raise Options::future_bound_us");
    }
  }
  if (auto problem = NumberProblem(i, "quantity", batch.quantity(i))) return problem;
  if (const auto cost = batch.cost(i)) {
    if (auto problem = NumberProblem(i, "cost", *cost)) return problem;
  }
  if (auto problem = CheckDimensions(batch, i)) return problem;
  return CheckMeasures(batch, i);
}

}  // namespace quipu
