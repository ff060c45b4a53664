#include "import/record.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <utility>

#include "cli/try.h"
#include "output/plain_text.h"

namespace quipu::import {
namespace {

template <class List>
auto FindNamed(List& list, std::string_view name) {
  return std::find_if(list.begin(), list.end(), [&](const auto& x) { return x.name == name; });
}

Status CheckName(std::string_view field, std::string_view text) {
  if (text.empty()) return Status::InvalidArgument(fmt::format("{} is empty; name it", field));
  if (text.size() > kNameBytesMax) {
    return Status::InvalidArgument(fmt::format("{} {} has {} bytes; at most {} are allowed", field,
                                               output::Quoted(text), text.size(), kNameBytesMax));
  }
  if (!simdjson::validate_utf8(text)) {
    return Status::InvalidArgument(fmt::format("{} is not UTF-8; convert the file", field));
  }
  return {};
}

template <class List>
Status CheckList(std::string_view kind, const List& list, std::size_t max) {
  if (list.size() > max) {
    return Status::InvalidArgument(
        fmt::format("{} {}s in one event; at most {} are allowed", list.size(), kind, max));
  }
  for (auto it = list.begin(); it != list.end(); ++it) {
    SERVER_TRY(CheckName(kind, it->name));
    const bool twice = std::any_of(list.begin(), it,
                                   [&](const auto& earlier) { return earlier.name == it->name; });
    if (twice) {
      return Status::InvalidArgument(
          fmt::format("{} {} is given twice; keep one", kind, output::Quoted(it->name)));
    }
  }
  return {};
}

}  // namespace

void ParsedEvent::Clear() {
  event.id = event.source = event.customer = event.service = {};
  event.time.reset();
  event.quantity = 1;
  event.cost.reset();
  event.dimensions.clear();
  event.measures.clear();
  has_quantity = time_truncated = false;
}

Result<Decimal> ParseNumber(std::string_view field, std::string_view text) {
  auto number = Decimal::Parse(text);
  if (number) return number;
  const bool digits = number.error().code() == StatusCode::kOutOfRange;
  return Status::InvalidArgument(
      fmt::format("{} is {}, {}", field, output::Quoted(text),
                  digits ? "which has too many digits; a number is below 10^20 with at most 18 "
                           "digits after the point"
                         : "which is not a number; write plain digits like 12 or 0.25"));
}

Status SetTime(std::string_view text, ParsedEvent* out) {
  auto time = ParseTime(text);
  if (!time) {
    return Status::InvalidArgument(
        fmt::format("time is {}, which is not understood; write it like 2026-03-01T10:20:30Z",
                    output::Quoted(text)));
  }
  out->event.time = time->time_us;
  out->time_truncated = time->truncated;
  return {};
}

Status SetField(const Target& target, std::string_view text, ParsedEvent* out) {
  Event& event = out->event;
  switch (target.kind) {
    case TargetKind::kId:
      event.id = text;
      return {};
    case TargetKind::kSource:
      event.source = text;
      return {};
    case TargetKind::kCustomer:
      event.customer = text;
      return {};
    case TargetKind::kService:
      event.service = text;
      return {};
    case TargetKind::kTime:
      return SetTime(text, out);
    case TargetKind::kQuantity: {
      SERVER_TRY_ASSIGN(event.quantity, ParseNumber("quantity", text));
      out->has_quantity = true;
      return {};
    }
    case TargetKind::kCost: {
      SERVER_TRY_ASSIGN(event.cost, ParseNumber("cost", text));
      return {};
    }
    case TargetKind::kDimension:
      event.dimensions.push_back({target.name, text});
      return {};
    case TargetKind::kMeasure: {
      SERVER_TRY_ASSIGN(Decimal value, ParseNumber("measure " + target.name, text));
      event.measures.push_back({target.name, value});
      return {};
    }
  }
  return Status::Internal("unknown target");
}

Result<Constants> Constants::Make(std::vector<Assignment> assignments, bool replace) {
  Constants constants;
  constants.assignments_ = std::move(assignments);
  constants.replace_ = replace;
  for (const Assignment& a : constants.assignments_) {
    if (Status s = SetField(a.target, a.value, &constants.values_); !s.ok()) {
      return s.WithContext("--set");
    }
  }
  return constants;
}

void Constants::Apply(ParsedEvent* out) const {
  for (const Assignment& a : assignments_) Fill(a.target, out);
}

void Constants::Fill(const Target& target, ParsedEvent* out) const {
  const Event& from = values_.event;
  Event& to = out->event;
  const auto text = [&](std::string_view& place, std::string_view value) {
    if (replace_ || place.empty()) place = value;
  };
  switch (target.kind) {
    case TargetKind::kId:
      text(to.id, from.id);
      break;
    case TargetKind::kSource:
      text(to.source, from.source);
      break;
    case TargetKind::kCustomer:
      text(to.customer, from.customer);
      break;
    case TargetKind::kService:
      text(to.service, from.service);
      break;
    case TargetKind::kTime:
      if (replace_ || !to.time) to.time = from.time;
      break;
    case TargetKind::kQuantity:
      if (replace_ || !out->has_quantity) to.quantity = from.quantity;
      break;
    case TargetKind::kCost:
      if (replace_ || !to.cost) to.cost = from.cost;
      break;
    case TargetKind::kDimension: {
      const auto value = FindNamed(from.dimensions, target.name);
      const auto place = FindNamed(to.dimensions, target.name);
      if (place == to.dimensions.end()) {
        to.dimensions.push_back(*value);
      } else if (replace_) {
        *place = *value;
      }
      break;
    }
    case TargetKind::kMeasure: {
      const auto value = FindNamed(from.measures, target.name);
      const auto place = FindNamed(to.measures, target.name);
      if (place == to.measures.end()) {
        to.measures.push_back(*value);
      } else if (replace_) {
        *place = *value;
      }
      break;
    }
  }
}

Status CheckEvent(const ParsedEvent& parsed, std::optional<TimeUs> latest) {
  const Event& event = parsed.event;
  if (event.customer.empty()) {
    return Status::InvalidArgument(
        "customer is missing or empty; every event names one (--set customer=NAME gives a "
        "constant)");
  }
  if (event.service.empty()) {
    return Status::InvalidArgument(
        "service is missing or empty; every event names one (--set service=NAME gives a constant)");
  }
  if (!event.time) {
    return Status::InvalidArgument(
        "time is missing; without it the same line would be another event in the next import "
        "(--set time=T gives a constant)");
  }
  if (latest && *event.time > *latest) {
    return Status::InvalidArgument(
        fmt::format("time {} lies in the future; correct it or leave out --future-bound",
                    FormatTime(*event.time)));
  }
  SERVER_TRY(CheckName("id", event.id));
  if (!event.source.empty()) SERVER_TRY(CheckName("source", event.source));
  SERVER_TRY(CheckName("customer", event.customer));
  SERVER_TRY(CheckName("service", event.service));
  SERVER_TRY(CheckList("dimension", event.dimensions, kDimensionsMax));
  SERVER_TRY(CheckList("measure", event.measures, kMeasuresMax));
  for (const Dimension& d : event.dimensions) {
    if (d.value.size() > kDimensionBytesMax) {
      return Status::InvalidArgument(
          fmt::format("dimension {} has {} bytes; at most {} are allowed", output::Quoted(d.name),
                      d.value.size(), kDimensionBytesMax));
    }
    if (!simdjson::validate_utf8(d.value)) {
      return Status::InvalidArgument(
          fmt::format("dimension {} is not UTF-8; convert the file", output::Quoted(d.name)));
    }
  }
  for (const Measure& m : event.measures) {
    if (m.name == "quantity" || m.name == "cost") {
      return Status::InvalidArgument(fmt::format(
          "measure {} has the name of a built-in field; give the field itself", m.name));
    }
  }
  return {};
}

}  // namespace quipu::import
