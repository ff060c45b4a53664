#include "ingest/validate.h"

#include <algorithm>
#include <cstring>
#include <span>
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

bool IsReservedDimension(std::string_view name) {
  return name == "customer" || name == "service" || name == "window_start";
}
bool IsBuiltInMeasure(std::string_view name) { return name == "quantity" || name == "cost"; }

std::optional<EventProblem> CheckDimensions(const BatchView& batch, std::size_t i) {
  const std::size_t n = batch.dimensions(i);
  if (n > kDimensionsMax) return Problem(i, "dimensions", "more than 64 of them");
  const auto name_at = [&](std::size_t d) { return batch.dimension(i, d).name; };
  for (std::size_t d = 0; d < n; ++d) {
    const auto [name, value] = batch.dimension(i, d);
    if (auto fault = TextFault(name, 1, kNameBytesMax); !fault.empty()) {
      return Problem(i, "dimension name", std::move(fault));
    }
    if (IsReservedDimension(name)) {
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
    if (IsBuiltInMeasure(name)) {
      return Problem(i, "measure " + std::string(name),
                     "is built in; set the event's own field instead");
    }
    if (IsRepeated(m, name_at)) return Problem(i, "measure " + std::string(name), "is given twice");
    if (auto problem = NumberProblem(i, "measure " + std::string(name), value)) return problem;
  }
  return std::nullopt;
}

bool IsAscii(std::string_view s) {
  std::uint64_t bits = 0;
  std::size_t i = 0;
  for (; i + 32 <= s.size(); i += 32) {
    const char* const p = s.data() + i;
    bits |= LoadLe<std::uint64_t>(p) | LoadLe<std::uint64_t>(p + 8) |
            LoadLe<std::uint64_t>(p + 16) | LoadLe<std::uint64_t>(p + 24);
  }
  for (; i < s.size(); ++i) bits |= static_cast<std::uint8_t>(s[i]);
  return (bits & 0x8080808080808080u) == 0;
}

/// Every rule about one distinct string.
bool IsEntryValid(const EventRows::Entry& entry, std::string_view text, bool is_ascii) {
  if (entry.length > (entry.role >= EventRows::kFirstValue ? kDimensionBytesMax : kNameBytesMax))
    return false;
  const bool may_be_empty =
      entry.role == EventRows::kSource || entry.role >= EventRows::kFirstValue;
  if (entry.length == 0 && !may_be_empty) return false;
  if (entry.role == EventRows::kDimensionName && IsReservedDimension(text)) return false;
  if (entry.role == EventRows::kMeasureName && IsBuiltInMeasure(text)) return false;
  return is_ascii || IsUtf8(text);
}

/// How many names of each kind, and none twice. Equal names are the same entry.
bool IsShapeValid(const EventRows& rows, const EventRows::Shape& shape) {
  if (shape.dimensions > kDimensionsMax || shape.measures > kMeasuresMax) return false;
  const auto all_differ = [](std::span<const std::uint32_t> names) {
    for (std::size_t k = 1; k < names.size(); ++k) {
      const auto earlier = names.first(k);
      if (std::find(earlier.begin(), earlier.end(), names[k]) != earlier.end()) return false;
    }
    return true;
  };
  return all_differ(rows.names().subspan(shape.first_name, shape.dimensions)) &&
         all_differ(rows.names().subspan(shape.first_name + shape.dimensions, shape.measures));
}

}  // namespace

bool IsAllValid(const EventRows& rows, TimeUs time_bound) {
  const bool is_ascii = IsAscii(rows.text());
  for (std::size_t e = 0; e < rows.entries().size(); ++e) {
    if (!IsEntryValid(rows.entries()[e], rows.EntryText(e), is_ascii)) return false;
  }
  for (const EventRows::Shape& shape : rows.shapes()) {
    if (!IsShapeValid(rows, shape)) return false;
  }
  for (const Decimal& number : rows.wide()) {  // one of 64 bits is below 10^20
    if (!number.IsStorable()) return false;
  }
  bool valid = true;
  for (const EventRows::Row& row : rows.rows()) {
    valid &= row.id_length <= kNameBytesMax;
    valid &=
        !row.has_time || (row.time >= kTimeMin && row.time < kTimeMax && row.time < time_bound);
  }
  for (std::size_t i = 0; valid && !is_ascii && i < rows.rows().size(); ++i)
    valid = IsUtf8(rows.Id(i));
  return valid;
}

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
