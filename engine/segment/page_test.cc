#include "segment/page.h"

#include <gtest/gtest.h>

namespace quipu {
namespace {

constexpr std::string_view kPayload = "quipu: knots on a cord";

PagePlace SomePlace() {
  return PagePlace{
      Hash128{0x1122334455667788u, 0x99AABBCCDDEEFF00u}, 12, PageKind::kMeasure, 7, 3, 4096};
}

std::string PageAt(const PagePlace& place, std::string_view payload = kPayload) {
  std::string page;
  AppendPage(place, AsBytes(payload), &page);
  return page;
}

std::string unwrapped;  // where wrapped payloads go

TEST(Page, AWrappedPageIsSmallerAndOpens) {
  const std::string payload(10'000, 'k');
  std::string page;
  const std::uint32_t bytes = AppendPage(SomePlace(), AsBytes(payload), 9, &page);
  EXPECT_EQ(bytes, page.size());
  EXPECT_LT(bytes, 200u);
  EXPECT_EQ(page[13], 1) << "the flag";
  std::string into;
  const Result<Bytes> opened = OpenPage(SomePlace(), AsBytes(page), "a.seg", &into);
  ASSERT_TRUE(opened) << opened.error().ToString();
  EXPECT_EQ(AsText(*opened), payload);
  // A frame that lies about its size, under a checksum that is right.
  page[kPageHeaderBytes + 3] = 127;
  const std::uint64_t checksum = Hash64(AsBytes(page).subspan(8), PlaceSeed(SomePlace()));
  std::memcpy(page.data(), &checksum, sizeof checksum);
  EXPECT_EQ(OpenPage(SomePlace(), AsBytes(page), "a.seg", &into).error().code(),
            StatusCode::kCorruption);
}

TEST(Page, WhatDoesNotShrinkStaysAsItIs) {
  std::string page;
  EXPECT_EQ(AppendPage(SomePlace(), AsBytes("qx"), 19, &page), kPageHeaderBytes + 2);
  EXPECT_EQ(page[13], 0);
}

TEST(Page, OpensAtItsPlace) {
  std::string file = "before";
  AppendPage(SomePlace(), AsBytes(kPayload), &file);
  ASSERT_EQ(file.size(), 6 + kPageHeaderBytes + kPayload.size());
  const Result<Bytes> payload =
      OpenPage(SomePlace(), AsBytes(file).subspan(6), "a.seg", &unwrapped);
  ASSERT_TRUE(payload) << payload.error().ToString();
  EXPECT_EQ(AsText(*payload), kPayload);
}

TEST(Page, AnEmptyPayloadIsLegal) {
  const std::string page = PageAt(SomePlace(), "");
  EXPECT_TRUE(OpenPage(SomePlace(), AsBytes(page), "a.seg", &unwrapped));
}

TEST(Page, EveryFlippedBitIsNoticed) {
  const std::string page = PageAt(SomePlace());
  for (std::size_t bit = 0; bit < page.size() * 8; ++bit) {
    std::string damaged = page;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << (bit % 8)));
    const Result<Bytes> payload = OpenPage(SomePlace(), AsBytes(damaged), "a.seg", &unwrapped);
    ASSERT_FALSE(payload) << "bit " << bit;
    ASSERT_EQ(payload.error().code(), StatusCode::kCorruption) << "bit " << bit;
  }
}

TEST(Page, EveryOtherLengthIsNoticed) {
  const std::string page = PageAt(SomePlace()) + "x";
  for (std::size_t n = 0; n <= page.size(); ++n) {
    EXPECT_EQ(OpenPage(SomePlace(), AsBytes(page).first(n), "a.seg", &unwrapped).has_value(),
              n == page.size() - 1)
        << n;
  }
}

TEST(Page, AnIntactPageAtAnotherPlaceIsRefused) {
  const std::string page = PageAt(SomePlace());
  std::vector<PagePlace> others(7, SomePlace());
  others[0].store_id.high ^= 1;
  others[1].store_id.low ^= 1;
  others[2].segment_id = 13;
  others[3].kind = PageKind::kTimes;
  others[4].column = 8;
  others[5].ordinal = 2;
  others[6].offset = 8192;
  for (std::size_t i = 0; i < others.size(); ++i) {
    const Result<Bytes> payload = OpenPage(others[i], AsBytes(page), "a.seg", &unwrapped);
    ASSERT_FALSE(payload) << i;
    EXPECT_EQ(payload.error().code(), StatusCode::kCorruption) << i;
  }
}

TEST(Page, AMessageNamesFileAndPlace) {
  std::string page = PageAt(SomePlace());
  page.back() ^= 1;
  const std::string text =
      OpenPage(SomePlace(), AsBytes(page), "a.seg", &unwrapped).error().ToString();
  for (const char* part : {"a.seg", "measure", "column 7", "ordinal 3", "offset 4096"}) {
    EXPECT_NE(text.find(part), std::string::npos) << part << " in " << text;
  }
}

// A well-formed page of a later version: its checksum is right, its key id is not ours.
TEST(Page, AnEncryptedPageIsUnsupported) {
  std::string page = PageAt(SomePlace());
  page[14] = 1;
  const std::uint64_t checksum = Hash64(AsBytes(page).subspan(8), PlaceSeed(SomePlace()));
  std::memcpy(page.data(), &checksum, sizeof checksum);
  EXPECT_EQ(OpenPage(SomePlace(), AsBytes(page), "a.seg", &unwrapped).error().code(),
            StatusCode::kUnsupported);
}

}  // namespace
}  // namespace quipu
