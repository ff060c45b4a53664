// Erasing a customer, from outside: answers against the oracle while it goes on and through every crash point; and afterwards a
// search for what was planted, byte by byte in every file and decoded in every segment.
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <thread>

#include "base/check.h"
#include "base/identity.h"
#include "base/test_seed.h"
#include "base/vfs_testing.h"
#include "db/database_impl.h"
#include "segment/segment.h"
#include "tests/oracle.h"
#include "tests/workload.h"

namespace quipu {
namespace {

namespace fs = std::filesystem;

constexpr TimeUs kNow = 1'796'083'200 * kSecondUs;  // 2026-12-01

Options TestOptions() {
  Options options;
  options.create_if_missing = true;
  options.background_upkeep = false;
  options.future_bound_us = -1;
  return options;
}

// ---- nothing is left on disk

/// What only the erased customer's events have, in every form in which it may be stored.
struct Marks {
  std::string customer = "vanishing-customer-xq";
  std::string dimension = "secret-region-of-xq-";
  std::vector<std::string> all;
  std::set<Hash128> keys;  // identities of the events, which is how most ids are stored

  Marks() { all = {customer, dimension}; }
  std::string Id(int i) {
    std::string id = "xq-planted-id-" + std::to_string(i);
    all.push_back(id);
    AddKey(id);
    return id;
  }
  /// As text and as its 16 bytes, either way round.
  std::string Uuid(Random* random) {
    std::string bytes, text;
    for (int i = 0; i < 16; ++i) {
      bytes.push_back(static_cast<char>(random->Next() & 0xFF));
      if (i == 4 || i == 6 || i == 8 || i == 10) text += "-";
      text += "0123456789abcdef"[static_cast<std::uint8_t>(bytes.back()) >> 4];
      text += "0123456789abcdef"[bytes.back() & 15];
    }
    AddUuid(text);
    return text;
  }
  void AddKey(const std::string& id) {
    const Hash128 key = MakeIdentity(customer, "", id).key;
    keys.insert(key);
    const std::string bytes(reinterpret_cast<const char*>(&key.high), sizeof(key.high));
    all.push_back(bytes);
    all.emplace_back(bytes.rbegin(), bytes.rend());
  }
  void AddUuid(const std::string& text) {
    AddKey(text);
    std::string hex, bytes;
    for (const char c : text)
      if (c != '-') hex.push_back(c);
    for (std::size_t i = 0; i + 1 < hex.size(); i += 2)
      bytes.push_back(static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16)));
    all.push_back(text);
    all.push_back(hex);
    all.push_back(bytes);
    const std::string high = bytes.substr(0, 8), low = bytes.substr(8);
    all.push_back(std::string(high.rbegin(), high.rend()));
    all.push_back(std::string(low.rbegin(), low.rend()));
  }
};

/// Marks that are found in files below `folder`, as "file: mark".
std::vector<std::string> RawScan(const std::string& folder, const std::vector<std::string>& marks) {
  std::vector<std::string> found;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file()) continue;
    std::ifstream in(entry.path(), std::ios::binary);
    const std::string bytes((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
    for (const std::string& mark : marks) {
      if (bytes.find(mark) != std::string::npos)
        found.push_back(entry.path().string() + ": " + mark);
    }
  }
  return found;
}

/// The same for what segments hold compressed: every row and every dictionary entry, used or not.
std::vector<std::string> DecodedScan(const std::string& folder, const Marks& marks) {
  std::vector<std::string> found;
  PageCache cache(1 << 20);
  for (const fs::directory_entry& entry : fs::directory_iterator(folder + "/segments")) {
    auto segment = SegmentReader::Open(Vfs::Posix(), entry.path().string(), nullptr, &cache);
    QUIPU_CHECK(segment.has_value());
    std::string text;
    const auto rows = (*segment)->ReadRows(0, (*segment)->rows());
    QUIPU_CHECK(rows.has_value());
    for (std::size_t i = 0; i < rows->size(); ++i)
      text += std::string(rows->TextOf(i)) + "\n" + std::string(rows->sources.Text(i)) + "\n";
    for (const Hash128& key : rows->identities)
      if (marks.keys.contains(key)) found.push_back(entry.path().string() + ": a key");
    for (const ColumnId d : (*segment)->dimensions()) {
      for (std::uint32_t v = 0; v < (*segment)->vectors(); ++v) {
        DimensionVector out;
        QUIPU_CHECK((*segment)->ReadDimension(d, v, &out).ok());
        if (!out.dictionary) continue;
        for (std::size_t i = 0; i < out.dictionary->size(); ++i)
          text += std::string((*out.dictionary)[i]) + "\n";
      }
    }
    for (const std::string& mark : marks.all) {
      if (text.find(mark) != std::string::npos)
        found.push_back(entry.path().string() + ": " + mark);
    }
    cache.Forget((*segment)->meta().spec.segment_id);
  }
  return found;
}

class PlantedStore {
 public:
  PlantedStore() : random_(TestSeed()) {
    std::string name = (fs::temp_directory_path() / "quipu_erase_XXXXXX").string();
    QUIPU_CHECK(mkdtemp(name.data()) != nullptr);
    root_ = name;
    folder_ = root_ + "/store";
    Open();
  }
  ~PlantedStore() {
    db_.reset();
    std::error_code ignored;
    fs::remove_all(root_, ignored);
  }
  PlantedStore(const PlantedStore&) = delete;
  PlantedStore& operator=(const PlantedStore&) = delete;

  void Open() {
    auto db = Database::Open(folder_, TestOptions());
    QUIPU_CHECK(db.has_value());
    db_.emplace(*std::move(db));
  }
  void Close() {
    QUIPU_CHECK(db_->Close().ok());
    db_.reset();
  }

  /// A batch in which one event in three is of the customer to be erased.
  void Ingest() {
    EventBatch batch;
    batch.producer = ProducerStamp{"agent", 0, ++sequence_};
    std::vector<std::string> texts;
    for (int i = 0; i < 300; ++i) {
      const bool marked = i % 3 == 0;
      Event e;
      texts.push_back(!marked      ? "other-" + std::to_string(next_++)
                      : i % 2 == 0 ? marks_.Id(next_++)
                                   : marks_.Uuid(&random_));
      e.id = texts.back();
      if (i == 3) e.id = "";  // a generated one
      const std::string customer = marked ? marks_.customer : "customer-" + std::to_string(i % 5);
      const std::string region =
          marked ? marks_.dimension + std::to_string(i) : "region-" + std::to_string(i % 7);
      e.customer = customer;
      e.service = "api";
      e.time = kNow - static_cast<TimeUs>(random_.Below(80)) * kDayUs;
      e.dimensions = {{"region", region}};
      batch.Add(e);
    }
    const auto reply = db_->Ingest(batch);
    QUIPU_CHECK(reply.has_value());
    for (const GeneratedId& g : reply->generated_ids) marks_.AddUuid(g.id);
    last_ = std::move(batch);
    others_ += 200;
  }
  [[nodiscard]] std::int64_t Count() const {
    const auto answer = db_->Query(Query().Select("count"));
    QUIPU_CHECK(answer.has_value());
    return answer->columns[0].integers[0];
  }
  std::vector<std::string> Found() {
    std::vector<std::string> found = RawScan(folder_, marks_.all);
    for (std::string& more : DecodedScan(folder_, marks_)) found.push_back(std::move(more));
    return found;
  }

  Database& db() { return *db_; }
  Marks& marks() { return marks_; }
  [[nodiscard]] const std::string& folder() const { return folder_; }
  [[nodiscard]] const EventBatch& last() const { return last_; }
  [[nodiscard]] std::int64_t others() const { return others_; }

 private:
  Random random_;
  Marks marks_;
  std::string root_, folder_;
  std::optional<Database> db_;
  EventBatch last_;
  std::uint64_t sequence_ = 0;
  int next_ = 0;
  std::int64_t others_ = 0;
};

TEST(Erase, NothingIsLeftInAnyFile) {
  PlantedStore store;
  for (int i = 0; i < 3; ++i) {
    store.Ingest();
    ASSERT_TRUE(store.db().Seal().ok());
  }
  store.Close();  // a flush: tables of RocksDB hold the name
  store.Open();
  store.Ingest();  // unsealed
  ASSERT_FALSE(RawScan(store.folder() + "/kv", {store.marks().customer}).empty());
  ASSERT_FALSE(RawScan(store.folder() + "/segments", {store.marks().customer}).empty() &&
               DecodedScan(store.folder(), store.marks()).empty());

  const auto erased = store.db().Erase(store.marks().customer);
  ASSERT_TRUE(erased) << erased.error().ToString();
  EXPECT_FALSE(erased->done.has_value());
  EXPECT_GT(erased->segments_left, 0u);
  EXPECT_EQ(erased->hot_rows_left, 100u);
  EXPECT_EQ(store.Count(), store.others());
  const auto again = store.db().Erase(store.marks().customer);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->id, erased->id);

  const Status finished = store.db().FinishErasures();
  ASSERT_TRUE(finished.ok()) << finished.ToString();
  const auto list = store.db().Erasures();
  ASSERT_TRUE(list);
  ASSERT_EQ(list->size(), 1u);
  EXPECT_TRUE((*list)[0].done.has_value()) << (*list)[0].waits_for;
  EXPECT_EQ(store.Found(), std::vector<std::string>());  // while it is open, too
  EXPECT_EQ(store.Count(), store.others());

  // A replay is still known as one, without the ids.
  const auto replay = store.db().Ingest(store.last());
  ASSERT_TRUE(replay) << replay.error().ToString();
  EXPECT_TRUE(replay->replayed);
  EXPECT_TRUE(replay->generated_ids.empty());

  store.Close();
  EXPECT_EQ(store.Found(), std::vector<std::string>());
  store.Open();
  EXPECT_EQ(store.Count(), store.others());
  const auto report = store.db().Verify();
  ASSERT_TRUE(report);
  EXPECT_TRUE(report->problems.empty()) << report->problems[0].message;
  EXPECT_EQ(store.db().Erase(store.marks().customer).error().code(), StatusCode::kNotFound);
}

TEST(Erase, ReaderKeepsAFileAndTheErasureWaits) {
  PlantedStore store;
  store.Ingest();
  ASSERT_TRUE(store.db().Seal().ok());
  ASSERT_TRUE(store.db().Erase(store.marks().customer));
  const std::string strange = store.folder() + "/quarantine/0000000099-2026-01.seg";
  std::ofstream(strange) << "who knows";
  ASSERT_TRUE(store.db().FinishErasures().ok());
  auto list = store.db().Erasures();
  ASSERT_TRUE(list);
  EXPECT_FALSE((*list)[0].done.has_value());
  EXPECT_NE((*list)[0].waits_for.find("quarantine"), std::string::npos) << (*list)[0].waits_for;
  fs::remove(strange);
  ASSERT_TRUE(store.db().FinishErasures().ok());
  list = store.db().Erasures();
  ASSERT_TRUE(list);
  EXPECT_TRUE((*list)[0].done.has_value());
  EXPECT_EQ(store.Found(), std::vector<std::string>());
}

// ---- answers, crashes

/// A store in memory and what it should answer.
class ErasingWorld {
 public:
  explicit ErasingWorld(std::uint64_t seed) : work_(seed) {
    Open();
    Send({work_.Founder()});
  }
  void Open() {
    db_.reset();
    order_.push_back(std::make_unique<OrderCheckingVfs>(&fault_));
    StoreEnvironment environment;
    environment.vfs = order_.back().get();
    environment.clock = &clock_;
    environment.random_seed = 5;
    environment.open_kv = [this](const std::string&) { return kv_.Open(); };
    auto db = OpenDatabaseIn("/store", TestOptions(), environment);
    ASSERT_TRUE(db) << db.error().ToString();
    db_.emplace(*std::move(db));
  }
  void Send(const std::vector<Fact>& facts) {
    EventBatch batch;
    for (const Fact& f : facts) AddTo(&batch, f);
    const auto reply = db_->Ingest(batch);
    ASSERT_TRUE(reply) << reply.error().ToString();
    const auto expected = oracle_.Ingest(facts, reply->seq);
    for (std::size_t i = 0; i < facts.size(); ++i)
      ASSERT_EQ(static_cast<int>(reply->outcomes[i]), static_cast<int>(expected[i]));
    sent_ = facts;
  }
  void SendNew(std::size_t n) {
    std::vector<Fact> facts;
    while (facts.size() < n) facts.push_back(work_.NewFact());
    Send(facts);
  }
  void Build() {
    for (int i = 0; i < 3; ++i) {
      ASSERT_NO_FATAL_FAILURE(SendNew(200));
      ASSERT_NO_FATAL_FAILURE(Send(work_.Burst(4500)));
      ASSERT_TRUE(db_->Seal().ok());
    }
    ASSERT_NO_FATAL_FAILURE(SendNew(150));
  }
  void Check(int questions) {
    const auto info = db_->Info();
    ASSERT_TRUE(info) << info.error().ToString();
    ASSERT_EQ(info->events, oracle_.size());
    for (int i = 0; i < questions; ++i) {
      QuerySpec spec = work_.Question();
      const auto answer = db_->Query(spec);
      spec.raw_only = true;
      const auto raw = db_->Query(spec);
      const auto expected = oracle_.Ask(spec);
      if (!expected) continue;
      ASSERT_TRUE(answer) << answer.error().ToString();
      ASSERT_TRUE(raw) << raw.error().ToString();
      ASSERT_EQ(AnswerText(*answer), AnswerText(*raw));
      ASSERT_EQ(Disagreement(*expected, *answer), "");
    }
    std::uint64_t rows = 0;
    const auto partitions = db_->Partitions(true);
    ASSERT_TRUE(partitions);
    for (const PartitionInfo& p : *partitions) {
      ASSERT_FALSE(p.customer.empty());
      rows += p.rows;
    }
    ASSERT_EQ(rows, oracle_.size());
    rows = 0;
    const auto months = db_->Partitions(false);
    ASSERT_TRUE(months);
    for (const PartitionInfo& p : *months) rows += p.rows;
    ASSERT_EQ(rows, oracle_.size());
  }
  [[nodiscard]] bool AllDone() {
    const auto list = db_->Erasures();
    QUIPU_CHECK(list.has_value());
    for (const ErasureInfo& e : *list)
      if (!e.done) return false;
    return true;
  }
  void EmptyQuarantine() {
    const auto names = memory_.List("/store/quarantine");
    QUIPU_CHECK(names.has_value());
    for (const std::string& name : *names)
      QUIPU_CHECK(memory_.Unlink("/store/quarantine/" + name).ok());
  }
  std::string SomeCustomer() { return sent_[work_.Below(sent_.size())].customer; }

  Workload work_;
  ManualClock clock_{kNow};
  MemoryVfs memory_;
  FaultVfs fault_{&memory_};
  MemoryKvDisk kv_;
  std::vector<std::unique_ptr<OrderCheckingVfs>> order_;
  std::optional<Database> db_;
  Oracle oracle_;
  std::vector<Fact> sent_;
};

TEST(Erase, AnswersAreAsIfThereHadBeenNone) {
  const std::uint64_t seed = TestSeed();
  SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed));
  ErasingWorld world(seed);
  ASSERT_NO_FATAL_FAILURE(world.Build());
  for (int round = 0; round < 3; ++round) {
    const std::string customer = world.SomeCustomer();
    const std::vector<Fact> before = world.sent_;
    ASSERT_TRUE(world.db_->Erase(customer));
    ASSERT_GT(world.oracle_.Erase(customer), 0u);
    ASSERT_NO_FATAL_FAILURE(world.Check(8));
    // The same events again: those of the erased customer are new, the others are known.
    ASSERT_NO_FATAL_FAILURE(world.Send(before));
    ASSERT_NO_FATAL_FAILURE(world.SendNew(100));
    ASSERT_NO_FATAL_FAILURE(world.Check(4));
    ASSERT_TRUE(round != 1 || world.db_->Compact().ok());
    ASSERT_TRUE(world.db_->FinishErasures().ok());
    ASSERT_TRUE(world.AllDone());
    ASSERT_NO_FATAL_FAILURE(world.Check(8));
    ASSERT_NO_FATAL_FAILURE(world.Open());
    ASSERT_NO_FATAL_FAILURE(world.Check(4));
  }
}

/// Stops the job at its n-th file operation or n-th write, for every n, reopens and checks; then lets it finish.
TEST(Erase, GoesOnAfterACrashAtAnyStep) {
  const std::uint64_t seed = TestSeed();
  SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed));
  bool completed = false;
  int crashes = 0;
  for (std::uint64_t n = 1; !completed && n < 400; n += 1 + n / 6) {
    SCOPED_TRACE("fault at " + std::to_string(n));
    ErasingWorld world(seed + n);
    ASSERT_NO_FATAL_FAILURE(world.SendNew(300));
    ASSERT_TRUE(world.db_->Seal().ok());
    ASSERT_NO_FATAL_FAILURE(world.SendNew(100));
    const std::string customer = world.SomeCustomer();
    ASSERT_TRUE(world.db_->Erase(customer));
    world.oracle_.Erase(customer);
    const bool kv = n % 2 == 0;
    if (kv) {
      world.kv_.FailNthWrite(n / 2, n % 4 == 0);
    } else {
      world.fault_.FailNth(n, FaultVfs::Fault::kError, false);
    }
    const Status status = world.db_->FinishErasures();
    completed = n > 40 && status.ok() && !world.fault_.fired();
    crashes += status.ok() ? 0 : 1;
    ASSERT_NO_FATAL_FAILURE(world.Check(!kv || status.ok() ? 2 : 0));
    Random random(seed + n);
    world.kv_.PowerCut(random);
    world.memory_.PowerCut(random, 50);
    world.fault_.Heal();
    world.kv_.FailNthWrite(1'000'000, false);
    ASSERT_NO_FATAL_FAILURE(world.Open());
    ASSERT_NO_FATAL_FAILURE(world.Check(2));
    ASSERT_NO_FATAL_FAILURE(world.SendNew(30));
    world.EmptyQuarantine();
    const Status finished = world.db_->FinishErasures();
    ASSERT_TRUE(finished.ok()) << finished.ToString();
    ASSERT_TRUE(world.AllDone());
    ASSERT_NO_FATAL_FAILURE(world.Check(4));
    const auto report = world.db_->Verify();
    ASSERT_TRUE(report);
    for (const VerifyProblem& p : report->problems) ADD_FAILURE() << p.place << ": " << p.message;
  }
  EXPECT_GT(crashes, 5);
}

/// Writers go on with the name while it is erased again and again: what is acknowledged after an erasure is there, before it is not.
TEST(Erase, BesideIngestOfTheSameName) {
  Options options = TestOptions();
  options.background_upkeep = true;
  options.seal_bytes = 30'000;
  std::string name = (fs::temp_directory_path() / "quipu_erase_XXXXXX").string();
  ASSERT_NE(mkdtemp(name.data()), nullptr);
  {
    auto db = Database::Open(name + "/store", options);
    ASSERT_TRUE(db) << db.error().ToString();
    std::atomic<bool> stop{false};
    std::atomic<int> others{0};
    std::thread writer([&] {
      for (int n = 0; !stop.load(); ++n) {
        EventBatch batch;
        for (int i = 0; i < 50; ++i) {
          const std::string id = std::to_string(n) + "-" + std::to_string(i);
          Event e;
          e.id = id;
          e.customer = i % 2 == 0 ? "acme" : "other";
          e.service = "api";
          e.time = kNow - i * kDayUs;
          batch.Add(e);
        }
        const auto reply = db->Ingest(batch);
        ASSERT_TRUE(reply) << reply.error().ToString();
        others += 25;
      }
    });
    for (int round = 0; round < 8; ++round) {
      std::this_thread::sleep_for(std::chrono::milliseconds(30));
      const auto erased = db->Erase("acme");
      ASSERT_TRUE(erased || erased.error().code() == StatusCode::kNotFound);
      const int at_least = others.load();
      const auto answer = db->Query(Query().Select("count").Customer("other"));
      ASSERT_TRUE(answer) << answer.error().ToString();
      ASSERT_GE(answer->columns[0].integers[0], at_least);
    }
    stop = true;
    writer.join();
    const auto last = db->Erase("acme");
    ASSERT_TRUE(last || last.error().code() == StatusCode::kNotFound);
    const auto answer = db->Query(Query().Select("count"));
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->columns[0].integers[0], others.load());
    bool done = false;
    for (int i = 0; i < 2000 && !done; ++i) {
      const auto list = db->Erasures();
      ASSERT_TRUE(list);
      done =
          std::all_of(list->begin(), list->end(), [](const auto& e) { return e.done.has_value(); });
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    EXPECT_TRUE(done) << "the background job did not finish";
    EXPECT_EQ(RawScan(name, {"acme"}), std::vector<std::string>());
  }
  std::error_code ignored;
  fs::remove_all(name, ignored);
}

}  // namespace
}  // namespace quipu
