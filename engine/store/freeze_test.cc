#include "store/freeze.h"

#include <gtest/gtest.h>

#include "store/manifest.h"
#include "store/store_fixture_testing.h"
#include "store/view_as_of.h"

namespace quipu {
namespace {

FreezeRecord SomeFreeze() {
  FreezeRecord record;
  record.name = "2026-03";
  record.seq = 57;
  record.created_us = -2;
  record.rows_at_freeze = 31;
  record.is_erased = true;
  Catalogue catalogue;
  record.totals = TotalsOf(RowMaker(&catalogue, "e", 1).Make(30));
  return record;
}

TEST(Freeze, RecordsComeBackAndAreWhatTheFormatSays) {
  for (int flags = 0; flags < 8; ++flags) {
    FreezeRecord record = SomeFreeze();
    record.is_erased = (flags & 1) != 0;
    record.is_expired = (flags & 2) != 0;
    record.is_repaired = (flags & 4) != 0;
    if (flags == 0) record.rows_at_freeze = 30;
    const auto back = DecodeFreeze(MakeFreezeKey("2026-03"), EncodeFreeze(record));
    ASSERT_TRUE(back) << back.error().ToString();
    EXPECT_EQ(*back, record);
  }
  // formats/store.md, byte by byte.
  FreezeRecord empty;
  empty.name = "a";
  empty.seq = 0x0102;
  empty.created_us = 3;
  const std::string value = EncodeFreeze(empty);
  EXPECT_EQ(MakeFreezeKey("a"), "freeze/a");
  EXPECT_EQ(HexText(value),
            "9c0d311ea598aa6b"
            "01"
            "0201000000000000"
            "0300000000000000"
            "0000000000000000"
            "00"
            "00"
            "00000000000000000000000000000000"
            "00");
}

TEST(Freeze, WhatCannotBeIsRefused) {
  const std::string key = MakeFreezeKey("2026-03");
  const auto code = [&](const FreezeRecord& record) {
    return DecodeFreeze(key, EncodeFreeze(record)).error().code();
  };
  FreezeRecord more = SomeFreeze();
  more.rows_at_freeze = 29;
  EXPECT_EQ(code(more), StatusCode::kCorruption) << "more rows than there were";
  FreezeRecord fewer = SomeFreeze();
  fewer.is_erased = false;
  EXPECT_EQ(code(fewer), StatusCode::kCorruption) << "fewer rows, and no reason";
  EXPECT_EQ(DecodeFreeze(MakeFreezeKey("other"), EncodeFreeze(SomeFreeze())).error().code(),
            StatusCode::kCorruption);
  FreezeRecord number = SomeFreeze();
  number.name = "17";
  EXPECT_EQ(DecodeFreeze(MakeFreezeKey("17"), EncodeFreeze(number)).error().code(),
            StatusCode::kCorruption);
  std::string newer(UnsealValue(key, EncodeFreeze(SomeFreeze()), "")->substr(0));
  newer[0] = 2;
  EXPECT_EQ(DecodeFreeze(key, SealValue(key, newer)).error().code(), StatusCode::kUnsupported);
  const std::string value = EncodeFreeze(SomeFreeze());
  for (std::size_t bit = 0; bit < value.size() * 8; ++bit) {
    std::string damaged = value;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ 1 << bit % 8);
    ASSERT_EQ(DecodeFreeze(key, damaged).error().code(), StatusCode::kCorruption) << "bit " << bit;
  }
  for (std::size_t size = 0; size < value.size(); ++size)
    ASSERT_FALSE(DecodeFreeze(key, value.substr(0, size)));
}

TEST(Freeze, EpochsLieBetweenFreezes) {
  FreezeList freezes;
  EXPECT_EQ(EpochOf(freezes, 5), 0u);
  EXPECT_EQ(StraddledFreeze(freezes, 1, 100), nullptr);
  for (const std::uint64_t seq : {90u, 57u, 57u}) {
    FreezeRecord record;
    record.seq = seq;
    record.name = "f" + std::to_string(freezes.size());
    freezes.push_back(std::make_shared<const FrozenState>(record));
  }
  SortFreezes(&freezes);
  EXPECT_EQ(freezes[0]->record.name, "f1");
  EXPECT_EQ(EpochOf(freezes, 57), 0u);
  EXPECT_EQ(EpochOf(freezes, 58), 2u);
  EXPECT_EQ(EpochOf(freezes, 90), 2u);
  EXPECT_EQ(EpochOf(freezes, 91), 3u);
  EXPECT_EQ(StraddledFreeze(freezes, 1, 57), nullptr);
  EXPECT_EQ(StraddledFreeze(freezes, 1, 58)->record.seq, 57u);
  EXPECT_EQ(StraddledFreeze(freezes, 57, 58)->record.seq, 57u);
  EXPECT_EQ(StraddledFreeze(freezes, 58, 90), nullptr);
  EXPECT_EQ(StraddledFreeze(freezes, 58, 91)->record.seq, 90u);
  EXPECT_EQ(StraddledFreeze(freezes, 91, 1000), nullptr);
}

class StoreFreezeTest : public StoreTest {
 protected:
  [[nodiscard]] const FreezeList& freezes() const { return *store_->view()->freezes; }
};

TEST_F(StoreFreezeTest, AFreezeIsDurableAndNeverMoves) {
  Open();
  Commit(40);
  Seal();
  Commit(5);  // not sealed: not in it
  const auto made = store_->Freeze("march");
  ASSERT_TRUE(made) << made.error().ToString();
  EXPECT_EQ((*made)->record.seq, 1u);
  EXPECT_EQ((*made)->record.rows_at_freeze, 40u);
  EXPECT_EQ(store_->Freeze("march").error().code(), StatusCode::kAlreadyExists);
  Open();
  ASSERT_EQ(freezes().size(), 1u);
  EXPECT_EQ(freezes()[0]->record, (*made)->record);
  Seal();
  const auto second = store_->Freeze("late");
  ASSERT_TRUE(second);
  const auto again = store_->Freeze("late");
  ASSERT_TRUE(again) << "nothing has come since: it is the same";
  EXPECT_EQ(again->get(), second->get());
  EXPECT_EQ(store_->Freeze("17").error().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(store_->DropFreeze("april").code(), StatusCode::kNotFound);
  ASSERT_TRUE(store_->DropFreeze("march").ok());
  Open();
  ASSERT_EQ(freezes().size(), 1u);
  EXPECT_EQ(freezes()[0]->record.name, "late");
  ExpectTruth();
}

TEST_F(StoreFreezeTest, NothingIsInstalledAcrossAFreeze) {
  Open();
  Commit(30);
  Seal();
  ASSERT_TRUE(store_->Freeze("f"));
  Commit(30);
  Seal();
  const Status merged = store_->Install(MakeMergeOfAll());
  EXPECT_EQ(merged.code(), StatusCode::kInternal) << merged.ToString();
  EXPECT_NE(merged.message().find("would change freeze 'f' of commit 1"), std::string_view::npos)
      << merged.ToString();
  ExpectTruth();
  ASSERT_TRUE(store_->DropFreeze("f").ok());
  const Status now = store_->Install(MakeMergeOfAll());
  EXPECT_TRUE(now.ok()) << now.ToString();
  ExpectTruth();
}

TEST_F(StoreFreezeTest, RowsThatExpireLeaveTheFreezesThatHadThem) {
  Open();
  Commit(60);
  Seal();
  ASSERT_TRUE(store_->Freeze("first"));
  Commit(60);
  Seal();
  ASSERT_TRUE(store_->Freeze("second"));
  // All of one segment of the second epoch goes.
  SegmentEdit edit;
  for (const SegmentPtr& s : store_->view()->segments) {
    if (s->meta().spec.seq_first == 1 || !edit.remove.empty()) continue;
    edit.remove.push_back(s->meta().spec.segment_id);
    edit.expired = s->meta().totals;
  }
  const std::uint64_t gone = edit.expired.rows;
  ASSERT_GT(gone, 0u);
  ASSERT_TRUE(store_->Install(edit).ok());
  // And of the first, for an erasure.
  edit = {};
  edit.remove.push_back(store_->view()->segments[0]->meta().spec.segment_id);
  edit.expired = store_->view()->segments[0]->meta().totals;
  edit.is_erasure = true;
  const std::uint64_t erased = edit.expired.rows;
  ASSERT_TRUE(store_->Install(edit).ok());
  Open();
  ASSERT_EQ(freezes().size(), 2u);
  const FreezeRecord &first = freezes()[0]->record, &second = freezes()[1]->record;
  EXPECT_EQ(first.totals.rows, 60 - erased);
  EXPECT_EQ(second.totals.rows, 120 - gone - erased);
  EXPECT_EQ(second.rows_at_freeze, 120u);
  EXPECT_TRUE(first.is_erased && !first.is_expired && second.is_erased && second.is_expired);
  for (const FrozenPtr& f : freezes()) EXPECT_TRUE(ProveFreeze(*store_->view(), f->record).ok());
}

TEST_F(StoreFreezeTest, ThereIsABound) {
  Open();
  Commit(3);
  Seal();
  for (std::size_t i = 0; i < kFreezesMax; ++i)
    ASSERT_TRUE(store_->Freeze("f" + std::to_string(i)));
  EXPECT_EQ(store_->Freeze("more").error().code(), StatusCode::kExhausted);
  ASSERT_TRUE(store_->DropFreeze("f7").ok());
  EXPECT_TRUE(store_->Freeze("more"));
}

TEST_F(StoreFreezeTest, AFreezeThatIsNotTrueIsNoticed) {
  Open();
  Commit(20);
  Seal();
  const auto frozen = store_->Freeze("f");
  ASSERT_TRUE(frozen);
  FreezeRecord lie = (*frozen)->record;
  lie.totals.identities.Add(Hash128{1, 2});
  store_.reset();
  PutRaw(KvSpace::kMeta, MakeFreezeKey("f"), EncodeFreeze(lie));
  Open();  // its events are sound, and may be asked for as of now
  EXPECT_EQ(FindState(*store_->view(), {.freeze = "f"}).error().code(), StatusCode::kCorruption);
  lie.seq = 2;
  store_.reset();
  PutRaw(KvSpace::kMeta, MakeFreezeKey("f"), EncodeFreeze(lie));
  EXPECT_EQ(TryOpen().code(), StatusCode::kCorruption) << "it is of commits that are not sealed";
}

TEST_F(StoreFreezeTest, AFailedWriteMakesNoFreezeThatIsShown) {
  Open();
  Commit(20);
  Seal();
  disk_.FailNthWrite(1, false);
  EXPECT_EQ(store_->Freeze("f").error().code(), StatusCode::kIoError);
  EXPECT_TRUE(freezes().empty());
  EXPECT_EQ(store_->Freeze("f").error().code(), StatusCode::kIoError) << "fail-stop";
}

}  // namespace
}  // namespace quipu
