#include "import/ndjson.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <array>
#include <cstring>
#include <vector>

#include "cli/try.h"
#include "import/line_reader.h"
#include "output/plain_text.h"

namespace quipu::import {
namespace {

namespace ondemand = simdjson::ondemand;

Status NotJson(simdjson::error_code error) {
  if (error == simdjson::INCORRECT_TYPE) {  // valid so far, but a number, a text or another format
    return Status::InvalidArgument("not a JSON object; write one complete object on each line");
  }
  return Status::InvalidArgument(
      fmt::format("not a JSON object ({}); write one complete object on each line",
                  simdjson::error_message(error)));
}

constexpr std::array<std::string_view, 9> kKeys = {
    "id", "source", "time", "customer", "service", "quantity", "cost", "dimensions", "measures"};

std::size_t KeyIndex(std::string_view key) {
  std::size_t i = 0;
  while (i < kKeys.size() && kKeys[i] != key) ++i;
  return i;
}

std::string_view TrimRight(std::string_view text) {
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t' || text.back() == '\r')) {
    text.remove_suffix(1);
  }
  return text;
}

/// Decimal::Parse is more generous than JSON.
bool StartsLikeJsonNumber(std::string_view text) {
  if (text.starts_with('-')) text.remove_prefix(1);
  if (text.empty() || text[0] < '0' || text[0] > '9') return false;
  return text[0] != '0' || text.size() == 1 || text[1] < '0' || text[1] > '9';
}

/// The text of a string or number; absent for null.
struct Scalar {
  std::string_view text;
  bool present = false;
};

Result<Scalar> TakeScalar(std::string_view field, ondemand::value value, bool number) {
  ondemand::json_type type{};
  if (auto e = value.type().get(type); e != simdjson::SUCCESS) return NotJson(e);
  Scalar scalar{{}, true};
  if (type == ondemand::json_type::string) {
    if (auto e = value.get_string().get(scalar.text); e != simdjson::SUCCESS) return NotJson(e);
    return scalar;
  }
  if (type == ondemand::json_type::null) {
    bool null = false;
    if (auto e = value.is_null().get(null); e != simdjson::SUCCESS) return NotJson(e);
    if (null) return Scalar{};
  }
  if (type == ondemand::json_type::number && number) {
    scalar.text = TrimRight(value.raw_json_token());
    if (StartsLikeJsonNumber(scalar.text)) return scalar;
  }
  // The token as it stands in the line: quotes around it would say that it is the string asked for.
  const std::string shown = output::Quoted(TrimRight(value.raw_json_token()));
  return Status::InvalidArgument(fmt::format(
      "{} is {}, which is not a {}", field, std::string_view(shown).substr(1, shown.size() - 2),
      number ? "number" : "string; put it in double quotes"));
}

class NdjsonParser final : public RecordParser {
 public:
  Result<Taken> Take(std::string_view line, ParsedEvent* out) override {
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) return Taken::kNothing;
    const std::size_t need = line.size() + simdjson::SIMDJSON_PADDING;
    if (buffer_.size() < need) buffer_.resize(need);
    std::memcpy(buffer_.data(), line.data(), line.size());
    std::memset(buffer_.data() + line.size(), ' ', simdjson::SIMDJSON_PADDING);
    ondemand::document document;
    auto error = parser_.iterate(buffer_.data(), line.size(), buffer_.size()).get(document);
    if (error != simdjson::SUCCESS) return NotJson(error);
    ondemand::object object;
    error = document.get_object().get(object);
    if (error != simdjson::SUCCESS) return NotJson(error);
    SERVER_TRY(TakeObject(object, out));
    const char* more = nullptr;  // an error here means: at the end
    if (document.current_location().get(more) == simdjson::SUCCESS) {
      return Status::InvalidArgument(
          "there is more text after the JSON object; write one object on each line");
    }
    return Taken::kEvent;
  }
  std::unique_ptr<RecordParser> Clone() const override { return MakeNdjsonParser(); }

 private:
  static Status TakeObject(ondemand::object object, ParsedEvent* out) {
    std::uint32_t seen = 0;
    for (auto item : object) {
      ondemand::field field;
      if (auto e = std::move(item).get(field); e != simdjson::SUCCESS) return NotJson(e);
      std::string_view key;
      if (auto e = field.unescaped_key().get(key); e != simdjson::SUCCESS) return NotJson(e);
      const std::size_t index = KeyIndex(key);
      if (index == kKeys.size()) {
        return Status::InvalidArgument(
            fmt::format("unknown key {}; an event has {} (other attributes go into dimensions and "
                        "measures)",
                        output::Quoted(key), fmt::join(kKeys, ", ")));
      }
      if ((seen >> index & 1u) != 0) {
        return Status::InvalidArgument(fmt::format("key \"{}\" is given twice; keep one", key));
      }
      seen |= 1u << index;
      SERVER_TRY(TakeField(index, field.value(), out));
    }
    return {};
  }

  static Status TakeField(std::size_t index, ondemand::value value, ParsedEvent* out) {
    if (index >= 7) return TakeNamed(kKeys[index], value, index == 8, out);
    const bool number = index == 5 || index == 6;
    SERVER_TRY_ASSIGN(const Scalar scalar, TakeScalar(kKeys[index], value, number));
    if (!scalar.present) return {};
    Event& event = out->event;
    switch (index) {
      case 0:
        event.id = scalar.text;
        break;
      case 1:
        event.source = scalar.text;
        break;
      case 2:
        return SetTime(scalar.text, out);
      case 3:
        event.customer = scalar.text;
        break;
      case 4:
        event.service = scalar.text;
        break;
      case 5: {
        SERVER_TRY_ASSIGN(event.quantity, ParseNumber("quantity", scalar.text));
        out->has_quantity = true;
        break;
      }
      default: {
        SERVER_TRY_ASSIGN(event.cost, ParseNumber("cost", scalar.text));
        break;
      }
    }
    return {};
  }

  /// "d is ..." -> "measure d is ...": made only once something is wrong, not for each value.
  static Status Named(bool measures, const Status& error) {
    if (error.message().starts_with("not a JSON object")) return error;
    return Status(error.code(),
                  fmt::format("{} {}", measures ? "measure" : "dimension", error.message()));
  }

  static Status TakeNamed(std::string_view key, ondemand::value value, bool measures,
                          ParsedEvent* out) {
    ondemand::json_type type{};
    if (auto e = value.type().get(type); e != simdjson::SUCCESS) return NotJson(e);
    if (type == ondemand::json_type::null) {
      return TakeScalar(key, value, false).error();
    }
    ondemand::object object;
    if (value.get_object().get(object) != simdjson::SUCCESS) {
      return Status::InvalidArgument(
          fmt::format("{} is not an object; write {{\"name\":value, ...}}", key));
    }
    for (auto item : object) {
      ondemand::field field;
      if (auto e = std::move(item).get(field); e != simdjson::SUCCESS) return NotJson(e);
      std::string_view name;
      if (auto e = field.unescaped_key().get(name); e != simdjson::SUCCESS) return NotJson(e);
      auto scalar_or = TakeScalar(name, field.value(), measures);
      if (!scalar_or) return Named(measures, scalar_or.error());
      const Scalar scalar = *scalar_or;
      if (!scalar.present) continue;
      if (!measures) {
        out->event.dimensions.push_back({name, scalar.text});
        continue;
      }
      auto number = ParseNumber(name, scalar.text);
      if (!number) return Named(measures, number.error());
      out->event.measures.push_back({name, *number});
    }
    return {};
  }

  ondemand::parser parser_{kLineBytesMax + simdjson::SIMDJSON_PADDING};
  std::vector<char> buffer_;
};

}  // namespace

std::unique_ptr<RecordParser> MakeNdjsonParser() { return std::make_unique<NdjsonParser>(); }

}  // namespace quipu::import
