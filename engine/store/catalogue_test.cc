#include "store/catalogue.h"

#include <gtest/gtest.h>

#include "store/manifest.h"

namespace quipu {
namespace {

class CatalogueTest : public testing::Test {
 protected:
  void SetUp() override {
    auto opened = disk_.Open();
    ASSERT_TRUE(opened);
    kv_ = *std::move(opened);
  }
  Status LoadAfter(const KvBatch& batch) {
    QUIPU_CHECK(kv_->Write(batch, false).ok());
    return Catalogue().Load(*kv_);
  }
  MemoryKvDisk disk_;
  std::unique_ptr<KvStore> kv_;
};

TEST_F(CatalogueTest, OrdinalsAreDenseAndSurviveALoad) {
  Catalogue catalogue;
  KvBatch batch;
  for (const char* name : {"a", "b", "a"}) {
    ASSERT_TRUE(catalogue.Intern(NameKind::kCustomer, name, &batch));
  }
  EXPECT_EQ(*catalogue.Intern(NameKind::kMeasure, "tokens", &batch), kFirstUserMeasure);
  EXPECT_EQ(*catalogue.Intern(NameKind::kMeasure, "cost", &batch), kCostColumn);
  EXPECT_EQ(batch.ops().size(), 3u) << "a known name needs no row";
  ASSERT_TRUE(kv_->Write(batch, true).ok());

  Catalogue loaded;
  ASSERT_TRUE(loaded.Load(*kv_).ok());
  EXPECT_EQ(loaded.size(NameKind::kCustomer), 2u);
  EXPECT_EQ(loaded.Find(NameKind::kCustomer, "b"), 1u);
  EXPECT_EQ(loaded.Find(NameKind::kService, "b"), std::nullopt);
  EXPECT_EQ(loaded.Measure(kQuantityColumn), "quantity");
  EXPECT_EQ(loaded.Measure(2), "tokens");
  EXPECT_EQ(loaded.Customer(2), "");
  ASSERT_TRUE(loaded.Load(*kv_).ok()) << "loading starts afresh";
  EXPECT_EQ(loaded.size(NameKind::kCustomer), 2u);
}

TEST_F(CatalogueTest, ManyNamesComeBackInOrder) {
  Catalogue catalogue;
  KvBatch batch;
  for (int i = 0; i < 3000; ++i)
    ASSERT_TRUE(
        catalogue.Intern(NameKind::kCustomer, "c" + std::to_string(i * 7919 % 3000), &batch));
  ASSERT_TRUE(kv_->Write(batch, true).ok());
  Catalogue loaded;
  ASSERT_TRUE(loaded.Load(*kv_).ok());
  for (std::uint32_t i = 0; i < 3000; ++i) ASSERT_EQ(loaded.Customer(i), catalogue.Customer(i));
}

TEST_F(CatalogueTest, TheBoundIsExhausted) {
  Catalogue catalogue;
  KvBatch batch;
  for (std::uint32_t i = 0; i < kColumnNamesMax; ++i) {
    ASSERT_TRUE(catalogue.Intern(NameKind::kDimension, "d" + std::to_string(i), &batch));
  }
  EXPECT_EQ(catalogue.Intern(NameKind::kDimension, "one more", &batch).error().code(),
            StatusCode::kExhausted);
  EXPECT_EQ(*catalogue.Intern(NameKind::kDimension, "d17", &batch), 17u);
  EXPECT_TRUE(catalogue.Intern(NameKind::kService, "another kind", &batch));
}

TEST_F(CatalogueTest, AGapIsCorruption) {
  KvBatch batch;
  batch.Put(KvSpace::kMeta, MakeNameKey({0, 0}), "a");
  batch.Put(KvSpace::kMeta, MakeNameKey({0, 2}), "c");
  const Status s = LoadAfter(batch);
  EXPECT_EQ(s.code(), StatusCode::kCorruption);
  EXPECT_NE(s.message().find("customer 2"), std::string_view::npos) << s.ToString();
}

TEST_F(CatalogueTest, ARepeatIsCorruption) {
  KvBatch batch;
  batch.Put(KvSpace::kMeta, MakeNameKey({1, 0}), "a");
  batch.Put(KvSpace::kMeta, MakeNameKey({1, 1}), "a");
  EXPECT_EQ(LoadAfter(batch).code(), StatusCode::kCorruption);
}

TEST_F(CatalogueTest, ABuiltInNameOrAnUnknownKindIsCorruption) {
  KvBatch repeat;
  repeat.Put(KvSpace::kMeta, MakeNameKey({3, 2}), "cost");
  EXPECT_EQ(LoadAfter(repeat).code(), StatusCode::kCorruption);
  KvBatch unknown;
  unknown.Delete(KvSpace::kMeta, MakeNameKey({3, 2}));
  unknown.Put(KvSpace::kMeta, MakeNameKey({4, 0}), "x");
  EXPECT_EQ(LoadAfter(unknown).code(), StatusCode::kCorruption);
}

}  // namespace
}  // namespace quipu
