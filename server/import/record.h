// One record of a file on its way to an event, and what the three parsers (ndjson, csv, combined) have in common.
//
// A parser is handed one line after another. It fills a ParsedEvent whose views point into the line or into the parser, both
// valid until the next line, so nothing is copied before EventBatch::Add.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "import/target.h"
#include "quipu/event.h"

namespace quipu::import {

struct ParsedEvent {
  Event event;
  bool has_quantity = false;
  bool time_truncated = false;  ///< Its time had digits beyond microseconds.
  void Clear();
};

enum class Taken : std::uint8_t {
  kEvent,    ///< `out` holds an event.
  kMore,     ///< The record goes on in the next line.
  kNothing,  ///< A header or a blank line.
};

class RecordParser {
 public:
  virtual ~RecordParser() = default;
  /// Takes the next line and adds what it says to `out`, which the caller has cleared: views of an earlier line may hang. An error is about this
  /// record only, unless `unusable()`.
  virtual Result<Taken> Take(std::string_view line, ParsedEvent* out) = 0;
  /// After the last line: an error if a record was left open.
  virtual Status Finish() { return {}; }
  /// True once the whole file cannot be read (a header without the mapped columns).
  [[nodiscard]] virtual bool unusable() const { return false; }
  /// Something worth saying once, or "".
  virtual std::string TakeNotice() { return {}; }

  /// Another parser that goes on from here, for another thread. Between records and after `ready()` only.
  [[nodiscard]] virtual std::unique_ptr<RecordParser> Clone() const = 0;
  /// True once what stands before the first record (a header) has been taken.
  [[nodiscard]] virtual bool ready() const { return true; }
  /// True if a record ends with this line. For the thread that cuts a file into blocks: an object that is asked this is handed every line,
  /// from the start of a record, and nothing else is called on it.
  virtual bool EndsRecord(std::string_view /*line*/) { return true; }
};

/// Puts text into a field. Numbers and times are parsed; `text` must live as long as `out`'s views.
Status SetField(const Target& target, std::string_view text, ParsedEvent* out);
/// A number field by its name as it should appear in messages.
Result<Decimal> ParseNumber(std::string_view field, std::string_view text);
Status SetTime(std::string_view text, ParsedEvent* out);

/// The constants of --set: they fill what a line does not say or, with `replace`, also what it says.
class Constants {
 public:
  static Result<Constants> Make(std::vector<Assignment> assignments, bool replace);
  void Apply(ParsedEvent* out) const;

 private:
  void Fill(const Target& target, ParsedEvent* out) const;
  std::vector<Assignment> assignments_;
  ParsedEvent
      values_;  // views into assignments_, whose strings stay where they are when the vector moves
  bool replace_ = false;
};

/// The rules of the event model, applied before an event joins a batch, so that a bad line can stop an import exactly before it.
/// `latest` is the latest time allowed, if there is a bound.
Status CheckEvent(const ParsedEvent& parsed, std::optional<TimeUs> latest);

}  // namespace quipu::import
