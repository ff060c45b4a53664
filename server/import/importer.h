// Files into a store: bytes -> blocks of lines -> batches of events -> commits, with an account of what became of every line.
//
//     read, cut (1 thread) --> parse (n threads) --> hand over in file order (caller) --> commit (the store's threads)
//
// All stages run at once; the slowest sets the pace and `times()` tells which it was.
//
// Invariants:
//  1. Without keep_going nothing after the first bad line is stored and everything before it is. Events are therefore
//     checked against the rules of the event model before they join a batch, and batches are handed over in file order.
//  2. A line's identity depends on nothing but its own id or, without one, the content of the file up to it (running_id.h):
//     importing again after any stop is safe.
//  3. Memory is bounded by the blocks between the stages and the batches under way.
//  4. A batch holds the same events each time the same file is imported (block.h), whatever the number of threads.
//
// Example: a file with lines A, bad, B. Default: A is stored, `f:2: ...` is reported, the import ends. keep_going: A and B are
// stored, and the account says accepted 2, invalid 1.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "import/byte_source.h"
#include "import/line_reader.h"
#include "import/parallel_parse.h"
#include "import/parse_block.h"
#include "import/pipeline.h"
#include "import/record.h"
#include "import/running_id.h"
#include "import/target.h"

namespace quipu::import {

enum class Format : std::uint8_t { kNdjson, kCsv, kCombined };

Result<Format> ParseFormat(std::string_view name);
/// By extension, looking through .gz and .zst; absent if it says nothing.
std::optional<Format> GuessFormat(std::string_view path);

struct ImportOptions {
  std::optional<Format> format;  ///< Absent = guess for each file.
  std::vector<Assignment> map;   ///< csv only.
  std::vector<Assignment> constants;
  std::size_t batch_events = 1000;  ///< 1..kBatchEventsMax.
  std::string producer;             ///< Empty = batches are not stamped.
  std::uint64_t producer_epoch = 0;
  bool keep_going = false;
  std::uint64_t errors_shown_max = 20;
  std::optional<std::int64_t> future_bound_us;
  std::size_t parsers = 1;  ///< Threads that parse; at least 1.
};

/// Where the time of an import went, in seconds.
struct ImportTimes {
  StageTimes stages;     ///< Work of the reading and parsing threads.
  double starved_s = 0;  ///< The hand-over waited for parsed events.
  double store_s = 0;    ///< The hand-over waited for the store.
};

struct ImportAccount {
  std::uint64_t files = 0;  ///< Read to their end.
  std::uint64_t lines = 0;
  std::uint64_t accepted = 0, duplicate = 0, conflict = 0, invalid = 0;
  std::uint64_t too_late = 0;  ///< See Outcome::kTooLate.
  /// Events of batches that the store answered from its memory of the same batch of this producer.
  std::uint64_t replayed = 0;
  std::uint64_t running_ids = 0;  ///< Events that got a running hash as id.
  bool interrupted = false;
  std::string stopped_file;  ///< With stopped_line: where a bad line ended the import.
  std::uint64_t stopped_line = 0;
};

/// What the importer tells the outside while it works.
struct ImportEvents {
  std::function<void(const std::string&)> message;  ///< One line for standard error.
  /// Now and then: bytes of the current file so far (compressed), and events answered so far.
  std::function<void(std::uint64_t bytes, std::uint64_t events)> progress;
  std::function<bool()> interrupted;
};

class Importer {
 public:
  Importer(ImportOptions options, IngestFunction ingest, ImportEvents events);

  /// Imports one file. An error has been told nobody yet; a bad line is not an error but sets `stopped_line`.
  Status ImportFile(const std::string& path);
  [[nodiscard]] const ImportAccount& account() const noexcept { return account_; }
  /// True after a bad line or an interrupt: no further file may be started.
  [[nodiscard]] bool stopped() const noexcept {
    return account_.stopped_line != 0 || account_.interrupted;
  }

  [[nodiscard]] const ImportTimes& times() const noexcept { return times_; }

 private:
  Status OpenParser(Format format);
  Status ImportLines(LineReader& lines, FileInput& file);
  /// Hands lines to the parser until it knows its header; false = stop here.
  Result<bool> TakeHeader(LineReader& lines, RunningId* running_id);
  Status TakeBlocks(ParallelParse& parse);
  Status TakeBlock(ParsedBlock block);
  /// Reports; true if the import goes on.
  bool BadLine(std::uint64_t line_number, std::string_view message);
  void ShowError(std::uint64_t line_number, std::string_view message);
  Status Submit(ParsedBlock* block);
  void Settle();  ///< Counts answers that have arrived.
  void TellTruncation(std::uint64_t line_number);

  ImportOptions options_;
  ImportEvents events_;
  ImportAccount account_;
  ImportTimes times_;
  ParseRules rules_;
  std::unique_ptr<RecordParser> parser_;
  std::uint64_t sequence_ = 0;
  std::uint64_t errors_ = 0;
  bool truncation_told_ = false;
  std::string shown_name_;
  Pipeline pipeline_;
};

}  // namespace quipu::import
