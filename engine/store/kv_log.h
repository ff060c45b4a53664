// LogTail reads the records of one write-ahead log of RocksDB while another process still appends to it; LogSeries reads log after log.
//
// RocksDB's own reader of logs is not in its public headers, and its secondary instances replay logs in ways that answer with old values
// (docs/decisions/0026-follower.md). The format is that of LevelDB since 2011 and is documented:
//
//     file     := block of 32,768 bytes, block, ...          the last one is as long as it is
//     block    := fragment, ..., fewer than 7 bytes of zeros  a fragment never crosses a block's end
//     fragment := u32 masked CRC-32C of (kind, bytes) | u16 length | u8 kind | bytes
//     record   := one fragment of kind 1 (full), or kinds 2 (first), 3 (middle) ..., 4 (last)
//
// We switch off what would add other kinds (recycled logs, compressed logs). A record holds one write:
//
//     write    := u64 sequence | u32 count | operations       sequence numbers count operations, for ever and over all logs
//
// Invariants:
//   (1) A record is given once, in order, and only when it is there as a whole and its checksums are right.
//   (2) Nothing is assumed of what is not there yet: a record that ends too early is asked for again at the next call.
//   (3) Each write that a LogSeries gives begins with the sequence number behind the one before: none is left out, whatever became of the files.
//
// Worked example: logs 7 (writes 1..90, the last one torn by a crash) and 9 (from 90 on, by the process that came after). Log 7 ends before
// the torn record; a newer log is there, so nothing will be added to 7; log 9 begins with 90, which is what is wanted next. Had the process
// removed both logs between two looks and begun log 12 with 150, the thread would be lost, and the reader starts again from the tables.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "quipu/status.h"

namespace quipu {

inline constexpr std::uint64_t kLogBlockBytes = 32'768;
inline constexpr std::uint64_t kLogHeaderBytes = 7;
/// A record longer than this is damage: Quipu's commits are below 1 GiB.
inline constexpr std::uint64_t kLogRecordBytesMax = 2ull << 30;

class LogTail {
 public:
  /// Puts up to `bytes` bytes from `offset` on into *out (which it replaces): fewer at the end of the file, none behind it.
  using Read = std::function<Status(std::uint64_t offset, std::size_t bytes, std::string* out)>;
  /// `name` is for messages; `from` is where a record begins.
  LogTail(std::string name, Read read, std::uint64_t from = 0)
      : name_(std::move(name)), read_(std::move(read)), next_(from) {}

  enum class Step : std::uint8_t { kRecord, kEnd };
  /// The next record into *record; kEnd: it is not there (yet). kCorruption: it is damaged, and is so at each later call unless the bytes change.
  /// A damaged record that is the last thing in the file is kEnd: it may be one that a crash has torn.
  Result<Step> Next(std::string* record);
  /// Where the records that it gave end.
  [[nodiscard]] std::uint64_t offset() const { return next_; }

 private:
  /// At least `bytes` bytes from `at` on, or what there is.
  Result<std::string_view> Look(std::uint64_t at, std::size_t bytes);
  /// What a wrong fragment means, which would end at `end`.
  Result<Step> Wrong(std::uint64_t at, std::uint64_t end, const std::string& why);

  std::string name_;
  Read read_;
  std::uint64_t next_ = 0;    // offset of the next record
  std::uint64_t window_ = 0;  // offset of window_bytes_
  std::string window_bytes_;
};

struct LogHeader {
  std::uint64_t sequence = 0;  ///< Of the first operation.
  std::uint32_t count = 0;     ///< Operations.
};
Result<LogHeader> ReadLogHeader(std::string_view record);

/// The folder that the logs are in.
struct LogFolder {
  /// Numbers of the logs, ascending.
  std::function<Result<std::vector<std::uint64_t>>()> list;
  /// Opens a log: it can be read to its end even if it is removed meanwhile. kNotFound if it is gone.
  std::function<Result<LogTail::Read>(std::uint64_t number)> open;
};

class LogSeries {
 public:
  explicit LogSeries(LogFolder folder) : folder_(std::move(folder)) {}

  /// Goes to the write that begins with `sequence`, looking from log `first` (0: the first there is) on through `logs`. kIoError if it turns
  /// out that something is missing between there and `sequence`.
  Status Find(std::uint64_t sequence, std::uint64_t first, const std::vector<std::uint64_t>& logs);

  enum class Step : std::uint8_t { kRecord, kEnd, kLost };
  /// The next write; kEnd: it is not there yet; kLost: it will never be, Find another place. kCorruption: damaged, and nothing newer is there.
  Result<Step> Next(std::string* record);
  /// The log that is being read, for messages.
  [[nodiscard]] std::uint64_t log() const { return log_; }

 private:
  Status Open(std::uint64_t number);
  Result<Step> ReadOn(std::string* record);

  LogFolder folder_;
  std::uint64_t next_sequence_ = 0;  // 0 = the thread is lost
  std::uint64_t log_ = 0;            // 0 = none yet
  bool is_complete_ = false;         // nothing is added to it any more
  bool is_sure_ = true;              // no log was missed before this one
  std::unique_ptr<LogTail> tail_;
  std::string held_;  // the next record, read already
};

}  // namespace quipu
