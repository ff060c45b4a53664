#include "import/combined.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <iterator>

#include "cli/try.h"
#include "output/plain_text.h"

namespace quipu::import {
namespace {

constexpr std::string_view kLooksLike =
    "; a combined log line looks like: HOST - - [17/May/2015:10:05:03 +0000] \"GET /p HTTP/1.1\" "
    "200 5120 \"REFERRER\" \"AGENT\"";

Status Bad(std::string_view what) {
  return Status::InvalidArgument(std::string(what) + std::string(kLooksLike));
}

bool AllDigits(std::string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

/// "17/May/2015:10:05:03 +0000" as RFC 3339.
bool ToRfc3339(std::string_view t, std::string* out) {
  static constexpr std::string_view kMonths = "JanFebMarAprMayJunJulAugSepOctNovDec";
  if (t.size() != 26 || t[2] != '/' || t[6] != '/' || t[11] != ':' || t[20] != ' ') return false;
  const std::size_t month = kMonths.find(t.substr(3, 3));
  if (month == std::string_view::npos || month % 3 != 0) return false;
  out->clear();
  fmt::format_to(std::back_inserter(*out), "{}-{:02}-{}T{}{}", t.substr(7, 4), month / 3 + 1,
                 t.substr(0, 2), t.substr(12, 8), t.substr(21));
  return true;
}

/// Replaces each byte that cannot be UTF-8 by \xHH: bytes of a line with any bad byte that are not ASCII are all written so,
/// which keeps the rule simple and the result readable.
std::string EscapeBytes(std::string_view line) {
  std::string out;
  out.reserve(line.size() * 2);
  for (const char c : line) {
    if (static_cast<unsigned char>(c) < 0x80) {
      out += c;
    } else {
      fmt::format_to(std::back_inserter(out), "\\x{:02x}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

class CombinedParser final : public RecordParser {
 public:
  Result<Taken> Take(std::string_view line, ParsedEvent* out) override {
    if (line.empty()) return Taken::kNothing;
    if (!simdjson::validate_utf8(line)) {
      escaped_ = EscapeBytes(line);
      line = escaped_;
    }
    scratch_.clear();
    scratch_.reserve(line.size());  // so that views into it stay valid
    rest_ = line;
    SERVER_TRY(TakeHostAndTime(out));
    SERVER_TRY(TakeRequest(out));
    SERVER_TRY(TakeStatusAndBytes(out));
    for (const std::string_view name : {"referrer", "agent"}) {
      if (rest_.empty()) break;
      std::string_view text;
      if (!TakeQuoted(&text, true)) return Bad(fmt::format("the {} is not in quotes", name));
      if (text != "-") out->event.dimensions.push_back({name, text});
    }
    if (!rest_.empty()) return Bad("there is more text after the agent");
    out->event.service = "web";
    return Taken::kEvent;
  }

  std::unique_ptr<RecordParser> Clone() const override { return MakeCombinedParser(); }

 private:
  /// Up to the next blank, which is dropped.
  std::string_view TakeWord() {
    const std::size_t blank = std::min(rest_.find(' '), rest_.size());
    const std::string_view word = rest_.substr(0, blank);
    rest_.remove_prefix(std::min(blank + 1, rest_.size()));
    return word;
  }

  bool TakeQuoted(std::string_view* text, bool may_be_cut) {
    if (!rest_.starts_with('"')) return false;
    std::size_t end = 1;
    bool escapes = false;
    while (end < rest_.size() && rest_[end] != '"') {
      if (rest_[end] == '\\' && end + 1 < rest_.size()) {
        escapes = escapes || rest_[end + 1] == '"' || rest_[end + 1] == '\\';
        ++end;
      }
      ++end;
    }
    if (end >= rest_.size() && !may_be_cut) return false;
    *text = rest_.substr(1, end - 1);
    rest_.remove_prefix(std::min(end + 1, rest_.size()));
    if (rest_.starts_with(' ')) rest_.remove_prefix(1);
    if (escapes) *text = Unescape(*text);
    return true;
  }

  std::string_view Unescape(std::string_view text) {
    const std::size_t first = scratch_.size();
    for (std::size_t i = 0; i < text.size(); ++i) {
      const bool escape =
          text[i] == '\\' && i + 1 < text.size() && (text[i + 1] == '"' || text[i + 1] == '\\');
      if (escape) ++i;
      scratch_ += text[i];
    }
    return std::string_view(scratch_).substr(first);
  }

  Status TakeHostAndTime(ParsedEvent* out) {
    out->event.customer = TakeWord();
    if (out->event.customer.empty()) return Bad("the line does not begin with a client address");
    const std::size_t bracket = rest_.find('[');
    const std::size_t close = rest_.find(']', bracket == std::string_view::npos ? 0 : bracket);
    if (bracket == std::string_view::npos || close == std::string_view::npos) {
      return Bad("there is no [time]");
    }
    const std::string_view text = rest_.substr(bracket + 1, close - bracket - 1);
    if (!ToRfc3339(text, &time_)) {
      return Bad(fmt::format("the time {} is not understood", output::Quoted(text)));
    }
    if (!SetTime(time_, out).ok()) {
      return Bad(fmt::format("the time {} does not exist", output::Quoted(text)));
    }
    rest_.remove_prefix(close + 1);
    if (!rest_.starts_with(' ')) return Bad("nothing follows the time");
    rest_.remove_prefix(1);
    return {};
  }

  Status TakeRequest(ParsedEvent* out) {
    std::string_view request;
    if (!TakeQuoted(&request, false)) return Bad("the request is not in quotes");
    if (request.empty() || request == "-") return {};
    auto& dimensions = out->event.dimensions;
    const std::size_t one = request.find(' ');
    const std::size_t two = request.rfind(' ');
    const bool three_words = one != std::string_view::npos && one != 0 && two > one + 1 &&
                             two + 1 < request.size() && request.find(' ', one + 1) == two;
    if (!three_words) {
      dimensions.push_back({"path", request});
      return {};
    }
    dimensions.push_back({"method", request.substr(0, one)});
    dimensions.push_back({"path", request.substr(one + 1, two - one - 1)});
    dimensions.push_back({"protocol", request.substr(two + 1)});
    return {};
  }

  Status TakeStatusAndBytes(ParsedEvent* out) {
    const std::string_view status = TakeWord();
    if (!AllDigits(status)) {
      return Bad(fmt::format("the status {} is not a number", output::Quoted(status)));
    }
    out->event.dimensions.push_back({"status", status});
    const std::string_view bytes = TakeWord();
    if (bytes == "-") return {};
    if (!AllDigits(bytes)) {
      return Bad(fmt::format("the size {} is neither a number nor -", output::Quoted(bytes)));
    }
    SERVER_TRY_ASSIGN(const Decimal number, ParseNumber("the size", bytes));
    out->event.measures.push_back({"bytes", number});
    return {};
  }

  std::string_view rest_;
  std::string scratch_, escaped_, time_;
};

}  // namespace

std::unique_ptr<RecordParser> MakeCombinedParser() { return std::make_unique<CombinedParser>(); }

}  // namespace quipu::import
