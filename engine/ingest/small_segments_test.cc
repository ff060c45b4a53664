#include "ingest/small_segments.h"

#include <set>
#include <string>
#include <tuple>

#include "ingest/ingest_testing.h"

namespace quipu {
namespace {

class SmallSegmentsTest : public IngestTest {
 protected:
  /// A segment of `rows` events, some of them with UUIDs.
  void SealedEvents(int rows) {
    EventBatch batch;
    for (int i = 0; i < rows; ++i) {
      const std::string id = random_.Below(2) == 0 ? "text-" + std::to_string(++next_)
                                                   : UuidText(random_.Next(), random_.Next());
      batch.Add(MakeEvent(id));
    }
    const auto reply = Ingest(batch);
    ASSERT_TRUE(reply) << reply.error().ToString();
    ASSERT_TRUE(SealHotRows(store_.get()).ok());
  }
  /// Every key of every segment, and keys that are nowhere.
  std::vector<IdentityProbe> AllProbes() {
    std::vector<IdentityProbe> probes;
    for (const SegmentPtr& s : store_->view()->segments) {
      std::vector<IdentityEntry> entries;
      for (std::size_t page = 0; page * kIdentityRowsEntries < s->rows(); ++page) {
        EXPECT_TRUE(s->ReadIndexPage(page, &entries).ok());
        for (const IdentityEntry& e : entries) probes.push_back({e.key, e.form});
      }
    }
    const std::size_t stored = probes.size();
    for (std::size_t i = 0; i < stored; i += 3) {
      IdentityProbe other = probes[i];
      other.key.low ^= 1;
      probes.push_back(other);
      other = probes[i];
      other.form = other.form == IdForm::kText ? IdForm::kUuid : IdForm::kText;
      probes.push_back(other);
    }
    return probes;
  }
  using Places = std::multiset<std::tuple<std::size_t, std::uint32_t, std::uint32_t>>;
  /// (probe, segment, row) by the table, and by the indexes of the segments that it holds.
  void ExpectLikeTheIndexes(const SmallSegments& small) {
    const std::vector<SegmentPtr>& segments = store_->view()->segments;
    const std::vector<IdentityProbe> probes = AllProbes();
    Places mine, theirs;
    std::vector<SmallSegments::Found> found;
    for (std::uint32_t p = 0; p < probes.size(); ++p) {
      found.clear();
      small.Find(probes[p].key, probes[p].form, &found);
      for (const SmallSegments::Found& f : found) mine.insert({f.segment, f.row, p});
    }
    for (std::size_t s = 0; s < segments.size(); ++s) {
      if (!small.Holds(s)) continue;
      std::vector<IdentitySuspect> suspects;
      ASSERT_TRUE(segments[s]->FindIdentities(probes, &suspects).ok());
      for (const IdentitySuspect& suspect : suspects)
        theirs.insert({s, suspect.row, suspect.probe});
    }
    EXPECT_EQ(mine, theirs);
  }
  std::size_t Held(const SmallSegments& small) {
    std::size_t held = 0;
    for (std::size_t s = 0; s < store_->view()->segments.size(); ++s) held += small.Holds(s);
    return held;
  }

  const std::uint64_t seed_ = TestSeed();
  testing::ScopedTrace trace_{__FILE__, __LINE__, "QUIPU_SEED=" + std::to_string(seed_)};
  Random random_{seed_};
  int next_ = 0;
};

TEST_F(SmallSegmentsTest, FindsWhatTheIndexesFind) {
  Open();
  SmallSegments small, crowded(500), none(0);
  for (int round = 0; round < 12; ++round) {
    SealedEvents(static_cast<int>(1 + random_.Below(200)));
    for (SmallSegments* s : {&small, &crowded, &none}) {
      s->Use(store_->view()->segments);
      ExpectLikeTheIndexes(*s);
    }
    EXPECT_EQ(Held(small), store_->view()->segments.size());
    EXPECT_EQ(Held(none), 0u);
    EXPECT_LE(crowded.bytes(), 500u * 100);
  }
  EXPECT_LT(Held(crowded), 12u);
}

TEST_F(SmallSegmentsTest, LargeOnesAreAskedForThemselves) {
  Open();
  SealedEvents(static_cast<int>(SmallSegments::kRowsMax));
  SealedEvents(static_cast<int>(SmallSegments::kRowsMax) + 1);
  SealedEvents(1);
  SmallSegments small;
  small.Use(store_->view()->segments);
  EXPECT_TRUE(small.Holds(0));
  EXPECT_FALSE(small.Holds(1));
  EXPECT_TRUE(small.Holds(2));
  ExpectLikeTheIndexes(small);
}

TEST_F(SmallSegmentsTest, SegmentsComeAndGo) {
  Open();
  for (int i = 0; i < 6; ++i) SealedEvents(50);
  const std::vector<SegmentPtr> all = store_->view()->segments;
  SmallSegments small;
  for (int round = 0; round < 40; ++round) {
    std::vector<SegmentPtr> some;
    for (const SegmentPtr& s : all) {
      if (random_.Below(2) == 0) some.push_back(s);
    }
    small.Use(some);
    for (std::size_t i = 0; i < some.size(); ++i) {
      std::vector<IdentityEntry> entries;
      ASSERT_TRUE(some[i]->ReadIndexPage(0, &entries).ok());
      for (const IdentityEntry& e : entries) {
        std::vector<SmallSegments::Found> found;
        small.Find(e.key, e.form, &found);
        ASSERT_EQ(found.size(), 1u);
        EXPECT_EQ(found[0].segment, i);
        EXPECT_EQ(found[0].row, e.row);
      }
    }
  }
}

TEST_F(SmallSegmentsTest, ADamagedIndexIsLeftToThoseWhomItConcerns) {
  options_.cache_bytes = 0;  // what the committer has read is read again
  Open();
  SealedEvents(100);
  SealedEvents(100);
  fault_.FailNth(1, FaultVfs::Fault::kError, /*persistent=*/true, /*reads=*/true);
  SmallSegments small;
  small.Use(store_->view()->segments);
  EXPECT_EQ(Held(small), 0u);
  fault_.Heal();
  // The list is the same, so nothing is tried again before it changes.
  small.Use(store_->view()->segments);
  EXPECT_EQ(Held(small), 0u);
  SealedEvents(1);
  small.Use(store_->view()->segments);
  EXPECT_EQ(Held(small), 3u);
  ExpectLikeTheIndexes(small);
}

}  // namespace
}  // namespace quipu
