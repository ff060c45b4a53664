#include "base/bytes.h"

#include <gtest/gtest.h>

#include "base/hash.h"
#include "base/test_seed.h"

namespace quipu {
namespace {

TEST(Bytes, EveryKindRoundTrips) {
  const std::uint64_t seed = TestSeed();
  SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed));
  Random random(seed);
  for (int i = 0; i < 2'000; ++i) {
    const std::uint64_t v = random.Next() >> random.Below(64);
    const Uint128 wide = ((static_cast<Uint128>(random.Next()) << 64) | v) >> random.Below(128);
    const std::string text(random.Below(300), static_cast<char>(v));
    std::string out;
    ByteWriter w(&out);
    w.U8(static_cast<std::uint8_t>(v));
    w.Varint(v);
    w.Varint128(wide);
    w.Text(text);
    w.I64(-static_cast<std::int64_t>(v));
    w.U128(wide);
    w.Pad(16);
    ASSERT_EQ(out.size() % 16, 0u);
    ByteReader r(AsBytes(out));
    ASSERT_EQ(r.U8(), static_cast<std::uint8_t>(v));
    ASSERT_EQ(r.Varint(), v);
    ASSERT_TRUE(r.Varint128() == wide);
    ASSERT_EQ(r.Text(), text);
    ASSERT_EQ(r.I64(), -static_cast<std::int64_t>(v));
    ASSERT_TRUE(r.U128() == wide);
    ASSERT_TRUE(r.status("x").ok());
    ASSERT_LT(r.remaining(), 16u);
    ASSERT_EQ(UnZigZag(ZigZag(static_cast<std::int64_t>(v))), static_cast<std::int64_t>(v));
  }
  EXPECT_EQ(ZigZag(-1), 1u);
  EXPECT_EQ(UnZigZag(ZigZag(INT64_MIN)), INT64_MIN);
}

TEST(Bytes, VarintEdges) {
  std::string max(9, '\xFF');
  const std::string good_text = max + "\x01";
  ByteReader reader(AsBytes(good_text));
  EXPECT_EQ(reader.Varint(), ~std::uint64_t{0});
  for (const std::string& bad : {max + "\x02", max + "\x81", std::string("\x80"), std::string(),
                                 std::string("\x80\x00", 2), std::string("\x85\x80\x00", 3)}) {
    ByteReader r(AsBytes(bad));
    EXPECT_EQ(r.Varint(), 0u);
    EXPECT_FALSE(r.ok());
    EXPECT_EQ(r.U8(), 0);  // keeps failing
    EXPECT_EQ(r.status("record 7").code(), StatusCode::kCorruption);
    EXPECT_EQ(r.status("record 7").message().substr(0, 10), "record 7: ");
  }
  const std::string wide = std::string(18, '\xFF') + "\x03",
                    too_wide = std::string(18, '\xFF') + "\x04";
  ByteReader fits(AsBytes(wide)), overflows(AsBytes(too_wide));
  EXPECT_TRUE(fits.Varint128() == ~Uint128{0});
  EXPECT_TRUE(overflows.Varint128() == 0);
  EXPECT_FALSE(overflows.ok());
  // Longer than it need be: one value has one spelling.
  const std::string longer = "\x83" + std::string(1, '\0');
  ByteReader padded(AsBytes(longer));
  EXPECT_TRUE(padded.Varint128() == 0);
  EXPECT_FALSE(padded.ok());
}

TEST(Bytes, ReaderSurvivesAnyBytes) {
  const std::uint64_t seed = TestSeed();
  SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed));
  Random random(seed);
  for (int i = 0; i < 20'000; ++i) {
    std::string in(random.Below(64), '\0');
    for (char& c : in) c = static_cast<char>(random.Below(3) == 0 ? 0xFF : random.Next());
    ByteReader r(AsBytes(in));
    bool failed = false;
    while (r.remaining() > 0) {
      const std::size_t before = r.remaining();
      switch (random.Below(7)) {
        case 0:
          r.U8();
          break;
        case 1:
          r.U64();
          break;
        case 2:
          r.I128();
          break;
        case 3:
          r.Varint();
          break;
        case 4:
          r.Varint128();
          break;
        case 5:
          ASSERT_LE(r.Text().size(), before);
          break;
        default:
          ASSERT_LE(r.Raw(random.Below(100) + 1).size(), before);
          break;
      }
      ASSERT_LT(r.remaining(), before);
      failed = failed || !r.ok();
      ASSERT_EQ(r.ok(), !failed);
    }
    ASSERT_EQ(r.status("x").ok(), !failed);
  }
}

TEST(Hash, IdentityIsTheHashOfLengthPrefixedParts) {
  for (std::size_t n : {1u, 127u, 128u, 256u, 5000u}) {
    const std::string customer(n, 'c'), source = "s", id(n, 'i');
    std::string packed;
    ByteWriter w(&packed);
    w.Text(customer);
    w.Text(source);
    w.Text(id);
    EXPECT_EQ(IdentityHash(customer, source, id), HashTo128(AsBytes(packed)));
  }
  EXPECT_NE(IdentityHash("a", "", "b"), IdentityHash("a", "b", ""));
  // Part of the format: these numbers never change (XXH3-128 and XXH3-64 of nothing, by the reference implementation).
  EXPECT_EQ(HashTo128({}), (Hash128{0x99aa06d3014798d8u, 0x6001c324468d497fu}));
  EXPECT_EQ(Hash64(""), 0x2d06800538d394c2u);
  IdentityTotal a, b;
  a.Add(Hash128{1, ~std::uint64_t{0}});
  a.Add(Hash128{0, 1});
  b.Add(Hash128{2, 0});
  EXPECT_EQ(a, b);
}

}  // namespace
}  // namespace quipu
