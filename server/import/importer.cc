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

using SteadyClock = std::chrono::steady_clock;

double SecondsSince(SteadyClock::time_point start) {
  return std::chrono::duration<double>(SteadyClock::now() - start).count();
}

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
  if (options_.future_bound_us) rules_.latest = Now() + *options_.future_bound_us;
  rules_.keep_going = options_.keep_going;
}

Status Importer::OpenParser(Format format) {
  const bool replace = format == Format::kCombined;
  SERVER_TRY_ASSIGN(rules_.constants, Constants::Make(options_.constants, replace));
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
  SERVER_TRY_ASSIGN(const std::unique_ptr<FileInput> file,
                    FileInput::Open(path, events_.interrupted));
  Status read;
  if (auto source = Decompressed(*file); source) {
    LineReader lines(**source);
    read = ImportLines(lines, *file);
  } else {
    read = source.error().WithContext(shown_name_);
  }
  if (read.code() == StatusCode::kCancelled && events_.interrupted()) {
    account_.interrupted = true;
    read = {};
  }
  // What was read before a failure is good and stays: store it.
  const auto start = SteadyClock::now();
  Status drained = pipeline_.Drain();
  times_.store_s += SecondsSince(start);
  Settle();
  events_.progress(file->bytes_read(), account_.accepted + account_.duplicate);
  SERVER_TRY(read);
  SERVER_TRY(drained);
  if (!stopped()) ++account_.files;
  return {};
}

Status Importer::ImportLines(LineReader& lines, FileInput& file) {
  RunningId running_id;
  SERVER_TRY_ASSIGN(const bool go_on, TakeHeader(lines, &running_id));
  if (!go_on) return {};
  if (!parser_->ready()) {  // the file ended first
    if (Status s = parser_->Finish(); !s.ok()) BadLine(1, s.message());
    return {};
  }
  BlockReader blocks(&lines, &file, parser_->Clone(), options_.batch_events, running_id);
  ParallelParse parse(&blocks, &rules_, *parser_, options_.parsers);
  Status status = TakeBlocks(parse);
  parse.Stop();
  times_.stages += parse.Join();
  return status;
}

Result<bool> Importer::TakeHeader(LineReader& lines, RunningId* running_id) {
  Line line;
  ParsedEvent unused;
  std::uint64_t first = 1;
  while (!parser_->ready()) {
    const Result<bool> more = lines.Next(&line);
    if (!more) return more.error().WithContext(shown_name_);
    if (!*more) break;
    ++account_.lines;
    running_id->Add(line.text, line.length);
    if (line.too_long()) {
      if (!BadLine(line.number, TooLong(line.length))) return false;
      continue;
    }
    const Result<Taken> taken = parser_->Take(line.text, &unused);
    if (!taken && parser_->unusable()) {
      return Status::InvalidArgument(
          fmt::format("{}:{}: {}", shown_name_, line.number, taken.error().message()));
    }
    if (!taken && !BadLine(first, taken.error().message())) return false;
    if (!taken || *taken != Taken::kMore) first = line.number + 1;
  }
  if (const std::string notice = parser_->TakeNotice(); !notice.empty()) {
    events_.message(fmt::format("{}: {}", shown_name_, notice));
  }
  return true;
}

Status Importer::TakeBlocks(ParallelParse& parse) {
  ParsedBlock block;
  for (;;) {
    if (events_.interrupted()) {
      account_.interrupted = true;
      return {};
    }
    if (stopped()) return {};  // an answer from the store said so
    const auto start = SteadyClock::now();
    const ParallelParse::Turn turn = parse.Take(&block);
    times_.starved_s += SecondsSince(start);
    if (turn == ParallelParse::Turn::kEnd) return {};
    Settle();
    if (turn == ParallelParse::Turn::kNotYet) continue;
    events_.progress(block.file_bytes, account_.accepted + account_.duplicate);
    SERVER_TRY(TakeBlock(std::exchange(block, {})));
  }
}

Status Importer::TakeBlock(ParsedBlock block) {
  account_.lines += block.lines;
  account_.running_ids += block.running_ids;
  // Told before the store may answer for the same lines: messages do not depend on its speed.
  if (block.truncated_line != 0) TellTruncation(block.truncated_line);
  bool go_on = true;
  for (const LineProblem& problem : block.problems) go_on = BadLine(problem.line, problem.message);
  SERVER_TRY(Submit(&block));
  if (!go_on) return {};
  return block.status.ok() ? Status() : block.status.WithContext(shown_name_);
}

void Importer::TellTruncation(std::uint64_t line_number) {
  if (std::exchange(truncation_told_, true)) return;
  events_.message(fmt::format(
      "{}:{}: times have more than 6 digits after the second; the store keeps microseconds, the "
      "further digits are cut off (said once)",
      shown_name_, line_number));
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
  ++account_.invalid;
  ShowError(line_number, message);
  if (options_.keep_going) return true;
  account_.stopped_file = shown_name_;
  account_.stopped_line = line_number;
  return false;
}

Status Importer::Submit(ParsedBlock* block) {
  if (block->batch.empty()) return {};
  // Events were checked already; if the store still refuses one, the others of its batch are good.
  block->batch.partial = true;
  if (!options_.producer.empty()) {
    block->batch.producer = ProducerStamp{options_.producer, options_.producer_epoch, ++sequence_};
  }
  const auto start = SteadyClock::now();
  Status status = pipeline_.Submit(std::move(block->batch), std::move(block->event_lines));
  times_.store_s += SecondsSince(start);
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
        case Outcome::kTooLate:
          ++account_.too_late;
          ShowError(
              batch.lines[i],
              "the store has dropped ids of this month and service (retention, archive), so it "
              "cannot tell whether the event was counted; if it was not, import it with "
              "--producer");
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
