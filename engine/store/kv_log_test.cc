// Logs as RocksDB writes them, made here byte by byte: read while they grow, torn, damaged and removed.
#include "store/kv_log.h"

#include <gtest/gtest.h>

#include <boost/crc.hpp>
#include <map>
#include <memory>

#include "base/bytes.h"
#include "store/store_testing.h"

namespace quipu {
namespace {

class LogMaker {
 public:
  void Add(std::string_view record) {
    for (bool first = true;; first = false) {
      std::size_t left = kLogBlockBytes - bytes_.size() % kLogBlockBytes;
      if (left < kLogHeaderBytes) {
        bytes_.append(left, '\0');
        left = kLogBlockBytes;
      }
      const std::size_t part = std::min(record.size(), left - kLogHeaderBytes);
      const bool last = part == record.size();
      AddFragment(first ? (last ? 1 : 2) : (last ? 4 : 3), record.substr(0, part));
      record.remove_prefix(part);
      if (last) return;
    }
  }
  [[nodiscard]] std::string& bytes() { return bytes_; }

 private:
  void AddFragment(std::uint8_t kind, std::string_view part) {
    boost::crc_optimal<32, 0x1EDC6F41, 0xFFFFFFFF, 0xFFFFFFFF, true, true> crc;
    crc.process_byte(kind);
    crc.process_bytes(part.data(), part.size());
    const std::uint32_t sum = crc.checksum();
    ByteWriter w(&bytes_);
    w.U32(((sum >> 15) | (sum << 17)) + 0xA282EAD8u);
    w.U16(static_cast<std::uint16_t>(part.size()));
    w.U8(kind);
    bytes_ += part;
  }
  std::string bytes_;
};

/// The first `visible` bytes of a file.
LogTail::Read ReadFrom(const std::string* file, const std::size_t* visible) {
  return [=](std::uint64_t offset, std::size_t bytes, std::string* out) -> Status {
    const std::size_t end = std::min(*visible, file->size());
    out->clear();
    if (offset < end) *out = file->substr(offset, std::min(bytes, end - offset));
    return {};
  };
}

/// The write that begins with operation `sequence`.
std::string WriteOf(std::uint64_t sequence, std::uint32_t count, std::size_t bytes) {
  std::string record;
  ByteWriter w(&record);
  w.U64(sequence);
  w.U32(count);
  record.append(bytes, static_cast<char>('a' + sequence % 26));
  return record;
}

TEST(LogTail, GivesEachRecordOnceHoweverTheFileGrows) {
  const std::uint64_t seed = TestSeed();
  SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed));
  Random random(seed);
  LogMaker log;
  std::vector<std::string> records;
  for (int i = 0; i < 200; ++i) {
    // Around the edges of blocks, too.
    const std::size_t bytes =
        random.Below(4) == 0 ? random.Below(3 * kLogBlockBytes) : 32'700 - 12 + random.Below(80);
    records.push_back(WriteOf(static_cast<std::uint64_t>(i), 1, bytes));
    log.Add(records.back());
  }
  std::size_t visible = 0;
  LogTail tail("log", ReadFrom(&log.bytes(), &visible));
  std::size_t found = 0;
  while (visible < log.bytes().size()) {
    visible = std::min<std::size_t>(log.bytes().size(),
                                    visible + random.Below(random.Below(2) == 0 ? 10 : 100'000));
    for (std::string record;;) {
      const auto step = tail.Next(&record);
      ASSERT_TRUE(step) << step.error().ToString();
      if (*step == LogTail::Step::kEnd) break;
      ASSERT_LT(found, records.size());
      ASSERT_TRUE(record == records[found]) << found;
      ++found;
    }
  }
  EXPECT_EQ(found, records.size());
}

TEST(LogTail, TellsATornEndFromDamage) {
  LogMaker log;
  log.Add(WriteOf(1, 1, 100));
  const std::size_t second = log.bytes().size();
  log.Add(WriteOf(2, 1, 100));
  const std::size_t third = log.bytes().size();
  log.Add(WriteOf(3, 1, 100));
  std::size_t visible = third;
  log.bytes()[second + 20] ^= 1;
  std::string record;
  LogTail tail("log", ReadFrom(&log.bytes(), &visible));
  ASSERT_EQ(*tail.Next(&record), LogTail::Step::kRecord);
  ASSERT_EQ(*tail.Next(&record), LogTail::Step::kEnd) << "the last thing in the file";
  visible = log.bytes().size();
  const auto damaged = tail.Next(&record);
  ASSERT_EQ(damaged.error().code(), StatusCode::kCorruption);
  EXPECT_NE(damaged.error().message().find("log: a checksum"), std::string::npos)
      << damaged.error().ToString();
  log.bytes()[second + 20] ^= 1;
  for (const std::uint64_t sequence : {2u, 3u}) {
    ASSERT_EQ(*tail.Next(&record), LogTail::Step::kRecord) << "once the bytes are right";
    EXPECT_EQ(ReadLogHeader(record)->sequence, sequence);
  }
  log.bytes().append(100, '\0');
  visible = log.bytes().size();
  EXPECT_EQ(*tail.Next(&record), LogTail::Step::kEnd) << "space that was never written";
}

TEST(LogTail, SurvivesAnyBytes) {
  const std::uint64_t seed = TestSeed();
  SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed));
  Random random(seed);
  for (int round = 0; round < 300; ++round) {
    LogMaker log;
    for (int i = 0; i < 5; ++i) log.Add(WriteOf(1, 1, random.Below(20'000)));
    for (std::uint64_t flips = random.Below(4); flips > 0; --flips)
      log.bytes()[random.Below(log.bytes().size())] = static_cast<char>(random.Below(256));
    std::size_t visible = random.Below(log.bytes().size() + 1);
    LogTail tail("log", ReadFrom(&log.bytes(), &visible));
    std::string record;
    for (int i = 0; i < 10; ++i) {
      const auto step = tail.Next(&record);
      if (!step) {
        ASSERT_EQ(step.error().code(), StatusCode::kCorruption);
      }
      if (!step || *step == LogTail::Step::kEnd) break;
    }
  }
}

/// A folder of logs that are all visible as far as they are written.
class LogSeriesTest : public testing::Test {
 protected:
  LogSeries Make() {
    return LogSeries({[this]() -> Result<std::vector<std::uint64_t>> { return Numbers(); },
                      [this](std::uint64_t number) -> Result<LogTail::Read> {
                        const auto it = logs_.find(number);
                        if (it == logs_.end()) return Status::NotFound("gone");
                        const std::shared_ptr<LogMaker> log = it->second;  // as a descriptor does
                        return LogTail::Read([log](std::uint64_t offset, std::size_t bytes,
                                                   std::string* out) -> Status {
                          out->clear();
                          if (offset < log->bytes().size())
                            *out = log->bytes().substr(offset, bytes);
                          return {};
                        });
                      }});
  }
  std::vector<std::uint64_t> Numbers() const {
    std::vector<std::uint64_t> numbers;
    for (const auto& [number, log] : logs_) numbers.push_back(number);
    return numbers;
  }
  void Start(std::uint64_t number) { logs_[number] = std::make_shared<LogMaker>(); }
  /// To the newest log.
  void Write(std::uint32_t count = 1) {
    logs_.rbegin()->second->Add(WriteOf(sequence_, count, 50));
    sequence_ += count;
  }
  static std::string Drain(LogSeries* series) {
    std::string found;
    for (std::string record;;) {
      const auto step = series->Next(&record);
      if (!step) return found + step.error().ToString();
      if (*step == LogSeries::Step::kEnd) return found + ".";
      if (*step == LogSeries::Step::kLost) return found + "lost";
      found += std::to_string(ReadLogHeader(record)->sequence) + " ";
    }
  }

  std::map<std::uint64_t, std::shared_ptr<LogMaker>> logs_;
  std::uint64_t sequence_ = 1;
};

TEST_F(LogSeriesTest, GoesOnFromLogToLog) {
  Start(7);
  Write();
  Write(3);
  LogSeries series = Make();
  ASSERT_TRUE(series.Find(2, 0, Numbers()).ok());
  EXPECT_EQ(Drain(&series), "2 .");
  Write();
  Start(9);
  Write();
  logs_.erase(7);  // still open
  EXPECT_EQ(Drain(&series), "5 6 .");
  Start(12);
  Start(13);
  Write();
  EXPECT_EQ(Drain(&series), "7 .") << "past an empty log";
}

TEST_F(LogSeriesTest, ATornEndIsPassedOnceThereIsANewerLog) {
  Start(7);
  Write();
  Write();
  logs_[7]->bytes().resize(logs_[7]->bytes().size() - 5);
  LogSeries series = Make();
  ASSERT_TRUE(series.Find(1, 0, Numbers()).ok());
  EXPECT_EQ(Drain(&series), "1 .");
  sequence_ = 2;  // what was torn is not there, and its number is given again
  Start(9);
  Write();
  EXPECT_EQ(Drain(&series), "2 .");
}

TEST_F(LogSeriesTest, ALogThatWasMissedIsNoticed) {
  Start(7);
  Write();
  LogSeries series = Make();
  ASSERT_TRUE(series.Find(1, 0, Numbers()).ok());
  EXPECT_EQ(Drain(&series), "1 .");
  Start(8);
  Write();
  logs_.erase(7);
  logs_.erase(8);
  Start(9);
  Write();
  EXPECT_EQ(Drain(&series), "lost");
  EXPECT_EQ(Drain(&series), "lost") << "until another place is found";
  EXPECT_FALSE(series.Find(2, 0, Numbers()).ok()) << "the logs begin later";
  ASSERT_TRUE(series.Find(3, 0, Numbers()).ok());
  EXPECT_EQ(Drain(&series), "3 .");
  logs_.clear();
  Start(2);
  EXPECT_EQ(Drain(&series), "lost") << "another store";
}

TEST_F(LogSeriesTest, AnEmptyLogDoesNotHideThatOneWasMissed) {
  Start(7);
  Write();
  LogSeries series = Make();
  ASSERT_TRUE(series.Find(1, 0, Numbers()).ok());
  EXPECT_EQ(Drain(&series), "1 .");
  Start(8);
  Write();
  Start(9);
  logs_.erase(7);
  logs_.erase(8);
  EXPECT_EQ(Drain(&series), "lost");
  ASSERT_TRUE(series.Find(3, 9, Numbers()).ok()) << "the tables have the rest";
  EXPECT_EQ(Drain(&series), ".");
  Write();
  EXPECT_EQ(Drain(&series), "3 .");
}

TEST_F(LogSeriesTest, AGapBehindTheBaseIsRefused) {
  Start(7);
  Write();
  Start(8);
  Write();
  Start(9);
  Write();
  logs_.erase(8);
  LogSeries series = Make();
  EXPECT_EQ(series.Find(4, 7, Numbers()).code(), StatusCode::kIoError);
  EXPECT_TRUE(series.Find(4, 9, Numbers()).ok());
  EXPECT_EQ(Drain(&series), ".");
}

TEST_F(LogSeriesTest, DamageIsToldUntilANewerLogShowsThatItWasDropped) {
  Start(7);
  Write();
  const std::size_t at = logs_[7]->bytes().size();
  Write();
  Write();
  logs_[7]->bytes()[at + 20] ^= 1;
  LogSeries series = Make();
  ASSERT_TRUE(series.Find(1, 0, Numbers()).ok());
  EXPECT_NE(Drain(&series).find("checksum"), std::string::npos);
  Start(9);
  Write();
  EXPECT_EQ(Drain(&series), "lost") << "more than the end was damaged";
}

}  // namespace
}  // namespace quipu
