#include "import/importer.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <fstream>
#include <map>
#include <mutex>
#include <random>
#include <thread>

namespace quipu::import {
namespace {

/// A store reduced to its answers: identity -> content.
class FakeStore {
 public:
  IngestFunction Function() {
    return [this](EventBatch batch, IngestDone done) {
      threads_.emplace_back([this, b = std::move(batch), d = std::move(done)] { d(Answer(b)); });
      return Status();
    };
  }
  ~FakeStore() { Join(); }
  void Join() {
    for (auto& t : threads_) t.join();
    threads_.clear();
  }
  std::map<std::string, std::string> events;
  std::vector<std::uint64_t> sequences;
  bool fail = false;

 private:
  Result<IngestReply> Answer(const EventBatch& batch) {
    const std::lock_guard lock(mutex_);
    if (fail) return Status::IoError("the disk is gone");
    if (batch.producer) sequences.push_back(batch.producer->sequence);
    IngestReply reply;
    for (std::size_t i = 0; i < batch.size(); ++i) {
      const Event e = batch.At(i);
      const std::string key = std::string(e.customer) + "/" + std::string(e.id);
      const std::string content = FormatTime(*e.time) + e.quantity.ToString();
      const auto [it, fresh] = events.emplace(key, content);
      reply.outcomes.push_back(fresh                   ? Outcome::kAccepted
                               : it->second == content ? Outcome::kDuplicate
                                                       : Outcome::kConflict);
    }
    return reply;
  }
  std::mutex mutex_;
  std::vector<std::thread> threads_;
};

class ImporterTest : public testing::Test {
 protected:
  void SetUp() override {
    dir_ = testing::TempDir() + "quipu_importer_" + std::to_string(::getpid());
    ASSERT_EQ(std::system(("mkdir -p " + dir_).c_str()), 0);
  }
  void TearDown() override { EXPECT_EQ(std::system(("rm -r " + dir_).c_str()), 0); }

  std::string File(const std::string& name, const std::string& text) {
    std::ofstream(dir_ + "/" + name, std::ios::binary) << text;
    return dir_ + "/" + name;
  }
  ImportAccount Import(const std::string& path) {
    messages_.clear();
    ImportEvents events{[&](const std::string& m) { messages_.push_back(m); },
                        [](std::uint64_t, std::uint64_t) {}, [] { return false; }};
    Importer importer(options_, store_.Function(), events);
    status_ = importer.ImportFile(path);
    store_.Join();
    return importer.account();
  }

  std::string dir_;
  FakeStore store_;
  ImportOptions options_;
  std::vector<std::string> messages_;
  Status status_;
};

std::string LogLine(int second) {
  return "1.2.3.4 - - [17/May/2015:10:05:0" + std::to_string(second) +
         " +0000] \"GET / HTTP/1.1\" 200 1 \"-\" \"a\"\n";
}

TEST_F(ImporterTest, AgainAndGrownAndDoubledLines) {
  const std::string text = LogLine(1) + LogLine(2) + LogLine(2);
  EXPECT_EQ(Import(File("a.log", text)).accepted, 3u);
  EXPECT_TRUE(status_.ok()) << status_.ToString();
  const ImportAccount again = Import(File("other_name.log", text));
  EXPECT_EQ(again.accepted, 0u);
  EXPECT_EQ(again.duplicate, 3u);
  const ImportAccount grown = Import(File("a.log", text + LogLine(2) + LogLine(4)));
  EXPECT_EQ(grown.accepted, 2u);
  EXPECT_EQ(grown.duplicate, 3u);
  EXPECT_EQ(store_.events.size(), 5u);
}

TEST_F(ImporterTest, FirstBadLineStopsExactlyThere) {
  options_.batch_events = 2;
  const std::string path =
      File("a.log", LogLine(1) + LogLine(2) + LogLine(3) + "bad\n" + LogLine(5));
  const ImportAccount stopped = Import(path);
  EXPECT_EQ(stopped.accepted, 3u);
  EXPECT_EQ(stopped.invalid, 1u);
  EXPECT_EQ(stopped.stopped_line, 4u);
  ASSERT_EQ(messages_.size(), 1u);
  EXPECT_EQ(messages_[0].find(path + ":4: there is no [time]"), 0u) << messages_[0];
  options_.keep_going = true;
  const ImportAccount all = Import(path);
  EXPECT_EQ(all.duplicate, 3u);
  EXPECT_EQ(all.accepted, 1u);
  EXPECT_EQ(all.invalid, 1u);
}

TEST_F(ImporterTest, ErrorsShownAreBounded) {
  options_.keep_going = true;
  options_.errors_shown_max = 3;
  std::string text;
  for (int i = 0; i < 50; ++i) text += "bad\n";
  EXPECT_EQ(Import(File("a.log", text)).invalid, 50u);
  EXPECT_EQ(messages_.size(), 4u);
}

TEST_F(ImporterTest, ConflictsNameTheirLine) {
  const std::string one = R"({"id":"1","time":"2026-01-01","customer":"c","service":"s"})";
  const std::string other = R"({"id":"1","time":"2026-01-02","customer":"c","service":"s"})";
  const std::string path = File("a.ndjson", one + "\n" + one + "\n" + other + "\n");
  const ImportAccount account = Import(path);
  EXPECT_EQ(account.accepted, 1u);
  EXPECT_EQ(account.duplicate, 1u);
  EXPECT_EQ(account.conflict, 1u);
  ASSERT_EQ(messages_.size(), 1u);
  EXPECT_EQ(messages_[0].find(path + ":3: "), 0u) << messages_[0];
}

TEST_F(ImporterTest, ProducerSequencesCountBatches) {
  options_.batch_events = 1;
  options_.producer = "p";
  Import(File("a.log", LogLine(1) + LogLine(2) + LogLine(3)));
  std::sort(store_.sequences.begin(), store_.sequences.end());
  EXPECT_EQ(store_.sequences, (std::vector<std::uint64_t>{1, 2, 3}));
}

TEST_F(ImporterTest, FailuresOfStoreAndFileAreErrors) {
  store_.fail = true;
  Import(File("a.log", LogLine(1)));
  EXPECT_EQ(status_.code(), StatusCode::kIoError);
  store_.fail = false;
  Import(dir_ + "/missing.log");
  EXPECT_EQ(status_.code(), StatusCode::kNotFound);
  Import(File("a.csv", "a,b\n1,2\n"));
  EXPECT_EQ(status_.code(), StatusCode::kInvalidArgument);
  Import(File("what", "x\n"));
  EXPECT_NE(status_.message().find("--format"), std::string::npos);
}

TEST_F(ImporterTest, CsvRecordIsNamedByItsFirstLine) {
  const std::string path = File(
      "a.csv", "customer,service,time,dimension:t\nc,s,2026-01-01,\"a\nb\"\nc,s,never,\"a\nb\"\n");
  const ImportAccount account = Import(path);
  EXPECT_EQ(account.accepted, 1u);
  EXPECT_EQ(account.stopped_line, 4u);
}

/// The same file, whatever the number of threads and wherever blocks are cut: same batches, same account, same messages.
TEST_F(ImporterTest, ThreadsDoNotChangeTheResult) {
  const char* given = std::getenv("QUIPU_SEED");
  const std::uint64_t seed =
      given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device()();
  SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed));
  std::mt19937_64 random(seed);
  for (int round = 0; round < 20; ++round) {
    std::string text = "customer,service,time,dimension:t\n";
    for (int i = 0; i < 300; ++i) {
      const std::string day = std::to_string(1 + random() % 28);
      const std::string when = "2026-01-" + std::string(day.size() == 1 ? "0" : "") + day;
      switch (random() % 12) {
        case 0:
          text += "c,s," + when + ",\"a\n,\"\"b\n\"\n";
          break;
        case 1:
          text += "c,s,never,x\n";
          break;
        case 2:
          text += "c,s," + when + ",a\"b\n";  // a quote inside a bare cell
          break;
        case 3:
          text += "\n";
          break;
        default:
          text += "c,s," + when + ",plain\n";
      }
    }
    if (random() % 2 == 0) text += "c,s,2026-01-01,\"open";
    const std::string path = File("a.csv", text);
    options_ = {};
    options_.keep_going = random() % 2 == 0;
    options_.batch_events = 1 + random() % 40;
    options_.errors_shown_max = 1000;
    store_.events.clear();
    const ImportAccount one = Import(path);
    const auto events = store_.events;
    const auto messages = messages_;
    for (const std::size_t parsers : {2u, 3u, 8u}) {
      options_.parsers = parsers;
      store_.events.clear();
      const ImportAccount many = Import(path);
      EXPECT_EQ(store_.events, events);
      EXPECT_EQ(messages_, messages);
      EXPECT_EQ(many.accepted, one.accepted);
      EXPECT_EQ(many.invalid, one.invalid);
      EXPECT_EQ(many.lines, one.lines);
      EXPECT_EQ(many.stopped_line, one.stopped_line);
      EXPECT_EQ(many.running_ids, one.running_ids);
    }
  }
}

TEST_F(ImporterTest, AnInterruptEndsAReadThatWaits) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  const int keep = ::dup(STDIN_FILENO);
  ::dup2(ends[0], STDIN_FILENO);
  const std::string line = LogLine(1);
  ASSERT_EQ(::write(ends[1], line.data(), line.size()), static_cast<ssize_t>(line.size()));
  std::atomic<int> asked{0};
  ImportEvents events{[](const std::string&) {}, [](std::uint64_t, std::uint64_t) {},
                      [&] { return ++asked > 3; }};
  options_.format = Format::kCombined;
  Importer importer(options_, store_.Function(), events);
  EXPECT_TRUE(importer.ImportFile("-").ok());
  EXPECT_TRUE(importer.account().interrupted);
  ::dup2(keep, STDIN_FILENO);
  ::close(keep);
  ::close(ends[0]);
  ::close(ends[1]);
}

TEST_F(ImporterTest, RealAccessLog) {
  const std::string path = QUIPU_SOURCE_DIR "/../shared/data/access.log";
  if (!std::ifstream(path)) GTEST_SKIP() << path << " is absent";
  const ImportAccount first = Import(path);
  EXPECT_EQ(first.accepted, 10'000u);
  EXPECT_EQ(first.invalid + first.conflict + first.duplicate, 0u);
  EXPECT_EQ(Import(path).duplicate, 10'000u);
}

TEST_F(ImporterTest, RealTrace) {
  const std::string path = QUIPU_SOURCE_DIR "/../shared/data/llm_code_trace.csv";
  if (!std::ifstream(path)) GTEST_SKIP() << path << " is absent";
  options_.map = *ParseAssignments({"time=TIMESTAMP,measure:context_tokens=ContextTokens,measure:"
                                    "generated_tokens=GeneratedTokens"},
                                   "--map");
  options_.constants = *ParseAssignments({"customer=azure,service=llm"}, "--set");
  EXPECT_EQ(Import(path).accepted, 8'819u);
  for (const std::string& m : messages_) SCOPED_TRACE(m);
}

}  // namespace
}  // namespace quipu::import
