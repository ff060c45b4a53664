#include "import/importer.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "cli/try.h"
#include "import/combined.h"
#include "import/csv.h"
#include "import/ndjson.h"
#include "output/plain_text.h"

namespace quipu::import {
namespace {

constexpr std::size_t kBatchBytes = std::size_t{8} << 20;
constexpr std::uint64_t kProgressLines = 1024;

TimeUs Now() {
  return std::chrono::duration_cast<std::chrono::microseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace

Result<Format> ParseFormat(std::string_view name) {
  if (name == "ndjson") return Format::kNdjson;
  if (name == "csv") return Format::kCsv;
  if (name == "combined") return Format::kCombined;
  return Status::InvalidArgument(
      fmt::format("{} is not a format; use ndjson, csv or combined", output::Quoted(name)));
}

std::optional<Format> GuessFormat(std::string_view path) {
  for (const std::string_view packed : {".gz", ".zst"}) {
    if (path.ends_with(packed)) path.remove_suffix(packed.size());
  }
  if (path.ends_with(".ndjson") || path.ends_with(".jsonl")) return Format::kNdjson;
  if (path.ends_with(".csv")) return Format::kCsv;
  if (path.ends_with(".log")) return Format::kCombined;
  return std::nullopt;
}

Importer::Importer(ImportOptions options, IngestFunction ingest, ImportEvents events)
    : options_(std::move(options)), events_(std::move(events)), pipeline_(std::move(ingest)) {
  if (options_.future_bound_us) latest_ = Now() + *options_.future_bound_us;
}

Status Importer::OpenParser(Format format) {
  const bool replace = format == Format::kCombined;
  SERVER_TRY_ASSIGN(constants_, Constants::Make(options_.constants, replace));
  if (format != Format::kCsv && !options_.map.empty()) {
    return Status::InvalidArgument("--map is for csv only; this file is read as another format");
  }
  switch (format) {
    case Format::kNdjson:
      parser_ = MakeNdjsonParser();
      break;
    case Format::kCsv:
      parser_ = MakeCsvParser(options_.map);
      break;
    case Format::kCombined:
      parser_ = MakeCombinedParser();
      break;
  }
  return {};
}

Status Importer::ImportFile(const std::string& path) {
  shown_name_ = path == "-" ? "standard input" : output::Visible(path);
  const std::optional<Format> format = options_.format ? options_.format : GuessFormat(path);
  if (!format) {
    return Status::InvalidArgument(fmt::format(
        "{}: the name does not say what is inside; add --format ndjson, csv or combined",
        shown_name_));
  }
  SERVER_TRY(OpenParser(*format));
  SERVER_TRY_ASSIGN(const std::unique_ptr<FileInput> file, FileInput::Open(path));
  running_id_ = {};
  record_line_ = 0;
  Status read;
  if (auto source = Decompressed(*file); source) {
    LineReader reader(**source);
    read = ReadLines(reader, *file);
  } else {
    read = source.error().WithContext(shown_name_);
  }
  if (read.code() == StatusCode::kCancelled && events_.interrupted()) {
    account_.interrupted = true;
    read = {};
  }
  // What was read before a failure is good and stays: store it.
  Status flushed = Flush();
  Status drained = pipeline_.Drain();
  Settle();
  events_.progress(file->bytes_read(), account_.accepted + account_.duplicate);
  SERVER_TRY(read);
  SERVER_TRY(flushed);
  SERVER_TRY(drained);
  if (!stopped()) ++account_.files;
  return {};
}

Status Importer::ReadLines(LineReader& reader, FileInput& file) {
  Line line;
  for (;;) {
    if (events_.interrupted()) {
      account_.interrupted = true;
      return {};
    }
    if (stopped()) return {};  // an answer from the store said so
    const Result<bool> more = reader.Next(&line);
    if (!more) return more.error().WithContext(shown_name_);
    if (!*more) break;
    ++account_.lines;
    SERVER_TRY_ASSIGN(const bool go_on, TakeLine(line));
    if (!go_on) return {};
    if (line.number % kProgressLines == 0) {
      Settle();
      events_.progress(file.bytes_read(), account_.accepted + account_.duplicate);
    }
  }
  if (Status s = parser_->Finish(); !s.ok()) BadLine(record_line_, s.message());
  return {};
}

Result<bool> Importer::TakeLine(const Line& line) {
  running_id_.Add(line.text, line.length);
  if (record_line_ == 0) record_line_ = line.number;
  if (line.too_long()) {
    return BadLine(line.number, fmt::format("the line has {} bytes; at most {} are allowed",
                                            line.length, kLineBytesMax));
  }
  parsed_.Clear();
  const Result<Taken> taken = parser_->Take(line.text, &parsed_);
  if (!taken) {
    if (parser_->unusable()) {
      return Status::InvalidArgument(
          fmt::format("{}:{}: {}", shown_name_, line.number, taken.error().message()));
    }
    return BadLine(std::exchange(record_line_, 0), taken.error().message());
  }
  if (*taken == Taken::kMore) return true;
  const std::uint64_t number = std::exchange(record_line_, 0);
  if (*taken == Taken::kEvent) return TakeEvent(number);
  if (const std::string notice = parser_->TakeNotice(); !notice.empty()) {
    events_.message(fmt::format("{}: {}", shown_name_, notice));
  }
  return true;
}

Result<bool> Importer::TakeEvent(std::uint64_t line_number) {
  constants_.Apply(&parsed_);
  if (parsed_.event.id.empty()) {
    parsed_.event.id = running_id_.Hex();
    ++account_.running_ids;
  }
  if (Status s = CheckEvent(parsed_, latest_); !s.ok()) return BadLine(line_number, s.message());
  if (parsed_.time_truncated && !std::exchange(truncation_told_, true)) {
    events_.message(fmt::format(
        "{}:{}: times have more than 6 digits after the second; the store keeps microseconds, the "
        "further digits are cut off (said once)",
        shown_name_, line_number));
  }
  batch_.Add(parsed_.event);
  batch_lines_.push_back(line_number);
  if (batch_.size() >= options_.batch_events || batch_.bytes() >= kBatchBytes) {
    SERVER_TRY(Flush());
  }
  return true;
}

void Importer::ShowError(std::uint64_t line_number, std::string_view message) {
  ++errors_;
  if (errors_ <= options_.errors_shown_max) {
    events_.message(fmt::format("{}:{}: {}", shown_name_, line_number, message));
  } else if (errors_ == options_.errors_shown_max + 1) {
    events_.message("further errors are counted but not shown (--errors-max shows more)");
  }
}

bool Importer::BadLine(std::uint64_t line_number, std::string_view message) {
  record_line_ = 0;
  ++account_.invalid;
  ShowError(line_number, message);
  if (options_.keep_going) return true;
  account_.stopped_file = shown_name_;
  account_.stopped_line = line_number;
  return false;
}

Status Importer::Flush() {
  if (batch_.empty()) return {};
  // Events were checked already; if the store still refuses one, the others of its batch are good.
  batch_.partial = true;
  if (!options_.producer.empty()) {
    batch_.producer = ProducerStamp{options_.producer, options_.producer_epoch, ++sequence_};
  }
  EventBatch full = std::exchange(batch_, EventBatch());
  Status status = pipeline_.Submit(std::move(full), std::exchange(batch_lines_, {}));
  Settle();
  return status;
}

void Importer::Settle() {
  for (const AnsweredBatch& batch : pipeline_.TakeAnswers()) {
    const IngestReply& reply = batch.reply;
    if (reply.replayed) account_.replayed += batch.lines.size();
    std::size_t problem = 0;
    for (std::size_t i = 0; i < reply.outcomes.size() && i < batch.lines.size(); ++i) {
      switch (reply.outcomes[i]) {
        case Outcome::kAccepted:
          // A replayed batch repeats its first answer; what was accepted then is not new now.
          ++(reply.replayed ? account_.duplicate : account_.accepted);
          break;
        case Outcome::kDuplicate:
          ++account_.duplicate;
          break;
        case Outcome::kConflict:
          ++account_.conflict;
          ShowError(batch.lines[i],
                    "an event with this id is stored with other content; give the line another id "
                    "or correct it");
          break;
        case Outcome::kInvalid: {
          while (problem < reply.problems.size() && reply.problems[problem].index < i) ++problem;
          const bool known = problem < reply.problems.size() && reply.problems[problem].index == i;
          const std::string why = known ? fmt::format("{}: {}", reply.problems[problem].field,
                                                      reply.problems[problem].message)
                                        : "the store refused the event";
          BadLine(batch.lines[i], why);
          break;
        }
      }
    }
  }
}

}  // namespace quipu::import
