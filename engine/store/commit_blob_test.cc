#include "store/commit_blob.h"

#include <gtest/gtest.h>

#include <cstring>

#include "store/store_testing.h"

namespace quipu {
namespace {

void Reseal(std::string* blob) {
  const std::uint64_t checksum = Hash64(std::string_view(*blob).substr(8));
  std::memcpy(blob->data(), &checksum, sizeof checksum);
}

TEST(CommitBlob, RoundTrip) {
  const std::uint64_t seed = TestSeed();
  SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed));
  Catalogue catalogue;
  RowMaker maker(&catalogue, "e", seed);
  // 1 and 9 rows: ends of the presence bitmap; 70,000: dictionaries beyond 8 and 16 bits.
  for (const std::size_t rows : {0u, 1u, 8u, 9u, 300u, 5000u, 70'000u}) {
    const RowBatch batch = maker.Make(rows);
    const std::string blob = *EncodeCommit(7, batch);
    const auto decoded = DecodeCommit(blob, catalogue);
    ASSERT_TRUE(decoded) << decoded.error().ToString();
    EXPECT_EQ(decoded->seq, 7u);
    ASSERT_EQ(RowTexts(decoded->rows, catalogue), RowTexts(batch, catalogue)) << rows;
    ASSERT_EQ(decoded->rows.measures.size(), batch.measures.size());
    for (std::size_t m = 0; m < batch.measures.size(); ++m) {
      EXPECT_EQ(decoded->rows.measures[m].scale, batch.measures[m].scale);
      EXPECT_EQ(decoded->rows.measures[m].is_wide(), batch.measures[m].is_wide());
    }
    EXPECT_TRUE(decoded->rows.identities == batch.identities);
  }
}

TEST(CommitBlob, DecodesFromAnyAlignment) {
  Catalogue catalogue;
  const std::string blob = *EncodeCommit(1, RowMaker(&catalogue, "e", 1).Make(50));
  for (std::size_t shift = 0; shift < 9; ++shift) {
    const std::string moved = std::string(shift, 'x') + blob;
    EXPECT_TRUE(DecodeCommit(std::string_view(moved).substr(shift), catalogue));
  }
}

TEST(CommitBlob, EveryFlippedBitAndEveryCutIsCorruption) {
  Catalogue catalogue;
  const std::string blob = *EncodeCommit(1, RowMaker(&catalogue, "e", 2).Make(20));
  for (std::size_t bit = 0; bit < blob.size() * 8; ++bit) {
    std::string damaged = blob;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ 1 << bit % 8);
    ASSERT_EQ(DecodeCommit(damaged, catalogue).error().code(), StatusCode::kCorruption)
        << "bit " << bit;
  }
  for (std::size_t size = 0; size < blob.size(); ++size) {
    ASSERT_EQ(DecodeCommit(blob.substr(0, size), catalogue).error().code(),
              StatusCode::kCorruption);
  }
}

/// With the checksum made right again the bytes reach the verifier and the decoder, which must refuse or give rows that keep the
/// invariants: walking over all of them (under the sanitizers) is the check.
TEST(CommitBlob, ForgedBlobsNeverBreakTheDecoder) {
  const std::uint64_t seed = TestSeed();
  SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed));
  Random random(seed);
  Catalogue catalogue;
  const std::string blob = *EncodeCommit(1, RowMaker(&catalogue, "e", seed).Make(40));
  int refused = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::string forged = blob;
    for (std::uint64_t n = 1 + random.Below(3); n > 0; --n) {
      const std::size_t at = 8 + random.Below(forged.size() - 8);
      forged[at] = static_cast<char>(random.Below(3) == 0 ? 0xFF : random.Below(256));
    }
    if (random.Below(10) == 0) forged.resize(8 + random.Below(forged.size() - 8));
    Reseal(&forged);
    const auto decoded = DecodeCommit(forged, catalogue);
    if (!decoded) {
      const StatusCode code = decoded.error().code();
      ASSERT_TRUE(code == StatusCode::kCorruption || code == StatusCode::kUnsupported)
          << decoded.error().ToString();
      ++refused;
      continue;
    }
    EXPECT_EQ(RowTexts(decoded->rows, catalogue).size(), decoded->rows.size());
  }
  EXPECT_GT(refused, 100);
}

TEST(CommitBlob, OrdinalsMustBeInTheCatalogue) {
  Catalogue full;
  const std::string blob = *EncodeCommit(1, RowMaker(&full, "e", 3).Make(10));
  const auto decoded = DecodeCommit(blob, Catalogue());
  EXPECT_EQ(decoded.error().code(), StatusCode::kCorruption);
  EXPECT_NE(decoded.error().message().find("catalogue"), std::string_view::npos);
}

}  // namespace
}  // namespace quipu
