// Logs of RocksDB as a follower reads them and as an open judges them (store/kv_log.h, kv_torn_log.h), and watermarks: of fragments that may be anything,
// most with a right checksum. A reader gives the same records whether it sees the file at once or while it grows, and never one that is not there.
//
// Input: fragments of 4 bytes each: kind, length (two bytes, little endian), flaw: bits 0 and 1 choose none, zeros instead of bytes, a flipped bit, or nothing
// that is a fragment; the rest fills it.
#include <boost/crc.hpp>

#include "base/vfs_testing.h"
#include "fuzz/rows.h"
#include "store/kv_log.h"
#include "store/kv_torn_log.h"
#include "store/watermark.h"

namespace {

using namespace quipu;
constexpr std::size_t kLogBytesMax = 100'000;  // three blocks

std::string MakeLog(fuzz::Input* in) {
  std::string log;
  std::uint64_t sequence = 0;
  while (in->left() > 0 && log.size() < kLogBytesMax) {
    const auto kind = static_cast<std::uint8_t>(in->Take(1));
    const std::size_t room = kLogBlockBytes - log.size() % kLogBlockBytes;
    if (room < kLogHeaderBytes) {
      log.append(room, '\0');
      continue;
    }
    // One that would cross the block's end ends there; a flaw may say otherwise.
    const auto wanted = static_cast<std::size_t>(in->Take(2));
    const std::uint64_t flaw = in->Take(1);
    const std::size_t length = std::min(wanted, room - kLogHeaderBytes);
    std::string body(length, static_cast<char>('a' + flaw / 4));
    // A write of one operation: numbers count up, so that a series of logs goes on.
    if (length >= 12 && kind < 3) {
      std::string header;
      ByteWriter w(&header);
      w.U64(++sequence);
      w.U32(1);
      body.replace(0, header.size(), header);
    }
    boost::crc_optimal<32, 0x1EDC6F41, 0xFFFFFFFF, 0xFFFFFFFF, true, true> crc;
    crc.process_byte(kind);
    crc.process_bytes(body.data(), body.size());
    const std::uint32_t sum = crc.checksum();
    const std::size_t at = log.size();
    ByteWriter w(&log);
    w.U32(((sum >> 15) | (sum << 17)) + 0xA282'EAD8u);
    w.U16(static_cast<std::uint16_t>(flaw % 4 == 3 ? wanted : length));
    w.U8(kind);
    log += body;
    if (flaw % 4 == 1) log.replace(at + kLogHeaderBytes, length, length, '\0');
    if (flaw % 4 == 2) log[at + flaw % (kLogHeaderBytes + length)] ^= 1;
  }
  return log;
}

LogTail::Read ReadFrom(const std::string* log, const std::size_t* visible) {
  return [=](std::uint64_t offset, std::size_t bytes, std::string* out) -> Status {
    const std::string_view seen = std::string_view(*log).substr(0, *visible);
    out->assign(seen.substr(std::min<std::uint64_t>(offset, seen.size()), bytes));
    return {};
  };
}

/// The records up to the end of what is visible, or to damage.
std::vector<std::string> RecordsOf(LogTail* tail) {
  std::vector<std::string> records;
  for (std::string record;;) {
    const auto step = tail->Next(&record);
    if (!step) QUIPU_CHECK(step.error().code() == StatusCode::kCorruption);
    if (!step || *step == LogTail::Step::kEnd) return records;
    records.push_back(record);
  }
}

void ReadAtOnceAndAsItGrows(const std::string& log, std::size_t step) {
  std::size_t visible = log.size();
  LogTail at_once("log", ReadFrom(&log, &visible));
  const std::vector<std::string> records = RecordsOf(&at_once);
  QUIPU_CHECK(at_once.offset() <= log.size());
  LogTail growing("log", ReadFrom(&log, &visible));
  std::vector<std::string> grown;
  for (visible = 0; visible < log.size(); visible += step) {
    for (std::string& record : RecordsOf(&growing)) grown.push_back(std::move(record));
    QUIPU_CHECK(growing.offset() <= visible);
  }
  visible = log.size();
  for (std::string& record : RecordsOf(&growing)) grown.push_back(std::move(record));
  QUIPU_CHECK(grown == records && growing.offset() == at_once.offset());
}

/// The log cut in two, as logs 3 and 5 of a folder.
void Follow(const std::string& log) {
  const std::size_t half = log.size() / 2 / kLogBlockBytes * kLogBlockBytes;
  const std::map<std::uint64_t, std::string> logs = {{3, log.substr(0, half)},
                                                     {5, log.substr(half)}};
  static const std::size_t all = SIZE_MAX;
  LogSeries series({[] {
                      return Result<std::vector<std::uint64_t>>(std::vector<std::uint64_t>{3, 5});
                    },
                    [&](std::uint64_t number) -> Result<LogTail::Read> {
                      return ReadFrom(&logs.at(number), &all);
                    }});
  if (!series.Find(1, 0, {3, 5}).ok()) return;
  std::uint64_t next = 1;
  for (std::string record;;) {
    const auto step = series.Next(&record);
    if (!step || *step != LogSeries::Step::kRecord) return;
    const auto header = ReadLogHeader(record);
    QUIPU_CHECK(header.has_value() && header->sequence == next);
    next += header->count;
  }
}

void Judge(const std::string& log) {
  MemoryVfs vfs;
  QUIPU_CHECK(vfs.MakeFolder("/kv").ok());
  QUIPU_CHECK(WriteFileDurably(vfs, "/kv/000007.log", AsBytes(log)).ok());
  const auto is_torn = IsOnlyTailTorn(&vfs, "/kv");
  QUIPU_CHECK(is_torn.has_value());
  // The same bytes as a watermark: no record of it is sound, but by its checksum.
  QUIPU_CHECK(WriteFileDurably(vfs, "/kv/WATERMARK-0000000001",
                               AsBytes(std::string_view(log).substr(0, 1 << 16)))
                  .ok());
  const auto witnessed = Watermark::Read(vfs, "/kv", Hash128{1, 2});
  QUIPU_CHECK(witnessed.has_value() && *witnessed == 0);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input in(data, size);
  const std::string log = MakeLog(&in);
  ReadAtOnceAndAsItGrows(log, 1 + log.size() / 3);
  Follow(log);
  Judge(log);
  return 0;
}
