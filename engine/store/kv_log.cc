#include "store/kv_log.h"

#include <algorithm>
#include <boost/crc.hpp>
#include <utility>

#include "base/bytes.h"
#include "base/check.h"

namespace quipu {
namespace {

enum FragmentKind : std::uint8_t { kZero = 0, kFull = 1, kFirst = 2, kMiddle = 3, kLast = 4 };
constexpr std::size_t kWindowBytes = 1u << 20;
constexpr std::size_t kLogHeaderOfWriteBytes = 12;

std::uint32_t MaskedCrc(std::string_view kind_and_bytes) {
  boost::crc_optimal<32, 0x1EDC6F41, 0xFFFFFFFF, 0xFFFFFFFF, true, true> crc;  // CRC-32C
  crc.process_bytes(kind_and_bytes.data(), kind_and_bytes.size());
  const std::uint32_t sum = crc.checksum();
  return ((sum >> 15) | (sum << 17)) + 0xA282EAD8u;
}

}  // namespace

Result<std::string_view> LogTail::Look(std::uint64_t at, std::size_t bytes) {
  const bool is_there = at >= window_ && at - window_ <= window_bytes_.size() &&
                        window_bytes_.size() - static_cast<std::size_t>(at - window_) >= bytes;
  if (!is_there) {
    QUIPU_TRY(read_(at, std::max(bytes, kWindowBytes), &window_bytes_));
    window_ = at;
  }
  return std::string_view(window_bytes_).substr(static_cast<std::size_t>(at - window_));
}

Result<LogTail::Step> LogTail::Wrong(std::uint64_t at, std::uint64_t end, const std::string& why) {
  window_bytes_.clear();  // the bytes may become right: they are read again
  std::string behind;
  QUIPU_TRY(read_(end, 1, &behind));
  if (behind.empty()) return Step::kEnd;
  return Status::Corruption(name_ + ": " + why + " at offset " + std::to_string(at));
}

Result<LogTail::Step> LogTail::Next(std::string* record) {
  record->clear();
  bool is_inside = false;  // of a record; a first fragment may be empty
  for (std::uint64_t at = next_;;) {
    const std::uint64_t left = kLogBlockBytes - at % kLogBlockBytes;
    if (left < kLogHeaderBytes) {
      at += left;
      continue;
    }
    QUIPU_TRY_ASSIGN(const std::string_view header, Look(at, kLogHeaderBytes));
    if (header.size() < kLogHeaderBytes) return Step::kEnd;
    const auto crc = LoadLe<std::uint32_t>(header.data());
    const auto length = LoadLe<std::uint16_t>(header.data() + 4);
    const auto kind = static_cast<std::uint8_t>(header[6]);
    const std::uint64_t end = at + kLogHeaderBytes + length;
    if (kind == kZero && length == 0) {  // space that was never written
      return Wrong(at, at - at % kLogBlockBytes + kLogBlockBytes, "zeros in place of a record");
    }
    const bool is_start = kind == kFull || kind == kFirst;
    if (kind > kLast || kind == kZero || is_start == is_inside || kLogHeaderBytes + length > left) {
      return Wrong(at, end,
                   "a fragment of kind " + std::to_string(kind) + " and length " +
                       std::to_string(length) + " that cannot be there");
    }
    QUIPU_TRY_ASSIGN(const std::string_view fragment, Look(at, kLogHeaderBytes + length));
    if (fragment.size() < kLogHeaderBytes + length) return Step::kEnd;
    if (MaskedCrc(fragment.substr(6, length + std::size_t{1})) != crc)
      return Wrong(at, end, "a checksum that does not match");
    record->append(fragment.substr(kLogHeaderBytes, length));
    is_inside = true;
    at = end;
    if (record->size() > kLogRecordBytesMax) return Wrong(at, 0, "a record beyond all bounds");
    if (kind == kFull || kind == kLast) {
      next_ = at;
      return Step::kRecord;
    }
  }
}

Result<LogHeader> ReadLogHeader(std::string_view record) {
  if (record.size() < kLogHeaderOfWriteBytes)
    return Status::Corruption("a write in a log is " + std::to_string(record.size()) + " bytes");
  return LogHeader{LoadLe<std::uint64_t>(record.data()), LoadLe<std::uint32_t>(record.data() + 8)};
}

Status LogSeries::Open(std::uint64_t number) {
  QUIPU_TRY_ASSIGN(LogTail::Read read, folder_.open(number));
  tail_ = std::make_unique<LogTail>("log " + std::to_string(number), std::move(read));
  log_ = number;
  is_complete_ = false;
  return {};
}

Status LogSeries::Find(std::uint64_t sequence, std::uint64_t first,
                       const std::vector<std::uint64_t>& logs) {
  next_sequence_ = 0;
  log_ = 0;
  is_sure_ = true;
  tail_.reset();
  held_.clear();
  std::uint64_t expected = 0;  // 0 = any
  for (auto log = std::lower_bound(logs.begin(), logs.end(), first); log != logs.end(); ++log) {
    QUIPU_TRY(Open(*log));
    for (std::string record;;) {
      QUIPU_TRY_ASSIGN(const LogTail::Step step, tail_->Next(&record));
      if (step == LogTail::Step::kEnd) break;
      QUIPU_TRY_ASSIGN(const LogHeader header, ReadLogHeader(record));
      if (expected != 0 && header.sequence != expected)
        return Status::IoError("the log before log " + std::to_string(*log) + " is missing");
      if (header.sequence == sequence) {
        held_ = std::move(record);
        next_sequence_ = sequence;
        return {};
      }
      expected = header.sequence + header.count;
      if (expected > sequence)
        return Status::IoError("log " + std::to_string(*log) + " does not meet the tables");
    }
  }
  next_sequence_ = sequence;
  return {};
}

Result<LogSeries::Step> LogSeries::Next(std::string* record) {
  if (next_sequence_ == 0) return Step::kLost;
  *record = std::exchange(held_, {});
  while (record->empty()) {
    QUIPU_TRY_ASSIGN(const Step step, ReadOn(record));
    if (step == Step::kLost) next_sequence_ = 0;
    if (step != Step::kRecord) return step;
  }
  QUIPU_TRY_ASSIGN(const LogHeader header, ReadLogHeader(*record));
  if (header.sequence != next_sequence_) {
    next_sequence_ = 0;
    return Step::kLost;
  }
  next_sequence_ += header.count;
  is_sure_ = true;
  return Step::kRecord;
}

/// A record; or none of it (an empty *record): ask again.
Result<LogSeries::Step> LogSeries::ReadOn(std::string* record) {
  Result<LogTail::Step> step = LogTail::Step::kEnd;
  if (tail_) step = tail_->Next(record);
  if (step && *step == LogTail::Step::kRecord) return Step::kRecord;
  record->clear();
  QUIPU_TRY_ASSIGN(const std::vector<std::uint64_t> logs, folder_.list());
  const auto newer = std::upper_bound(logs.begin(), logs.end(), log_);
  if (newer == logs.end()) {
    // Another store may have taken this one's place.
    if (log_ != 0 && !std::binary_search(logs.begin(), logs.end(), log_)) return Step::kLost;
    // Another log may have come, been flushed and gone before this one, which has no number yet that would show it.
    if (!is_sure_) return Step::kLost;
    if (!step) return step.error();
    return Step::kEnd;
  }
  // A newer log is begun once the one before is complete; but that may have happened since we read.
  if (tail_ && !is_complete_) {
    is_complete_ = true;
    return Step::kRecord;
  }
  // What is torn or damaged at the end of a complete log, its writer has dropped, too, when it was opened again. Were it more than that,
  // the newer log would not begin with the number that is wanted.
  const Status opened = Open(*newer);
  if (opened.code() == StatusCode::kNotFound) return Step::kLost;
  QUIPU_TRY(opened);
  is_sure_ = false;
  return Step::kRecord;
}

}  // namespace quipu
