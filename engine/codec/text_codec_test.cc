#include "codec/text_codec.h"

#include <gtest/gtest.h>

#include "codec/int_codec.h"
#include "codec/test_vectors.h"

namespace quipu {
namespace {

using Strings = std::vector<std::string>;
using Encoder = void (*)(std::span<const std::string_view>, std::string*);
using Decoder = Status (*)(Bytes*, std::size_t, std::size_t, std::string*,
                           std::vector<std::uint32_t>*);

std::vector<std::string_view> Views(const Strings& s) { return {s.begin(), s.end()}; }
std::size_t TotalBytes(const Strings& s) {
  std::size_t total = 0;
  for (const std::string& x : s) total += x.size();
  return total;
}

std::string ExpectRoundTrip(Encoder encode, Decoder decode, const Strings& strings) {
  std::string out;
  encode(Views(strings), &out);
  const std::size_t size = out.size();
  out += "tail";
  std::string text = "old";
  std::vector<std::uint32_t> offsets = {9, 9};
  Bytes in = AsBytes(out);
  const Status s = decode(&in, strings.size(), TotalBytes(strings), &text, &offsets);
  EXPECT_TRUE(s.ok()) << s.ToString();
  EXPECT_EQ(AsText(in), "tail");
  Strings back;
  for (std::size_t i = 0; i + 1 < offsets.size(); ++i) {
    back.push_back(text.substr(offsets[i], offsets[i + 1] - offsets[i]));
  }
  EXPECT_EQ(back, strings);
  EXPECT_EQ(text.size(), TotalBytes(strings));
  // One byte less than needed is refused, not allocated.
  if (TotalBytes(strings) != 0) {
    in = AsBytes(out);
    EXPECT_EQ(decode(&in, strings.size(), TotalBytes(strings) - 1, &text, &offsets).code(),
              StatusCode::kCorruption);
    EXPECT_EQ(in.size(), out.size());
  }
  out.resize(size);
  return out;
}

Strings MakeUuids(std::size_t n, Random& random) {
  Strings ids;
  for (std::size_t i = 0; i < n; ++i) ids.push_back(UuidText(random.Next(), random.Next()));
  return ids;
}

TEST(TextCodecTest, StringsRoundTrip) {
  const std::uint64_t seed = TestSeed();
  SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed));
  Random random(seed);
  for (int round = 0; round < 200; ++round) {
    Strings s(random.Below(round % 20 == 0 ? 3000 : 50));
    const std::uint64_t letters = 1 + random.Below(256), longest = 1 + random.Below(60);
    for (std::string& x : s) {
      x.resize(random.Below(longest));
      for (char& c : x) c = static_cast<char>(random.Below(letters));
    }
    ExpectRoundTrip(EncodeStrings, DecodeStrings, s);
    ExpectRoundTrip(EncodeIds, DecodeIds, s);
  }
}

TEST(TextCodecTest, TheSmallerOfPlainAndZstd) {
  Strings same(100, "usage.api.requests"), noise;
  Random random(3);
  for (int i = 0; i < 100; ++i) {
    noise.emplace_back(16, '\0');
    for (char& c : noise.back()) c = static_cast<char>(random.Next());
  }
  const std::string a = ExpectRoundTrip(EncodeStrings, DecodeStrings, same);
  EXPECT_EQ(a[0], 1);
  EXPECT_LT(a.size(), 60u);
  const std::string b = ExpectRoundTrip(EncodeStrings, DecodeStrings, noise);
  EXPECT_EQ(b[0], 0);
  EXPECT_LE(b.size(), 1600u + 8);
  EXPECT_EQ(ExpectRoundTrip(EncodeStrings, DecodeStrings, {}), std::string(1, '\0'));
  EXPECT_EQ(ExpectRoundTrip(EncodeStrings, DecodeStrings, Strings(5)).size(), 3u);
}

TEST(TextCodecTest, IdsTakeTheirShortForm) {
  Random random(5);
  Strings uuids = MakeUuids(1000, random);
  EXPECT_EQ(ExpectRoundTrip(EncodeIds, DecodeIds, uuids).size(), 1 + 16'000u);
  Strings hex = {"00ff", "dead", "beef"};
  EXPECT_EQ(ExpectRoundTrip(EncodeIds, DecodeIds, hex),
            std::string("\x01\x02\x00\xff\xde\xad\xbe\xef", 8));
  EXPECT_EQ(ExpectRoundTrip(EncodeIds, DecodeIds, {}), std::string("\x02\x00", 2));
  // Whatever would not come back letter by letter stays plain.
  for (const char* odd : {"DEAD", "dea", "deadbe", "", "de-d", "g000"}) {
    Strings with = hex;
    with.emplace_back(odd);
    EXPECT_EQ(ExpectRoundTrip(EncodeIds, DecodeIds, with)[0], 2) << odd;
  }
  for (std::size_t at : {0u, 8u, 13u, 14u, 18u, 23u, 35u}) {
    Strings with = uuids;
    with[500][at] = 'A';
    EXPECT_EQ(ExpectRoundTrip(EncodeIds, DecodeIds, with)[0], 2) << at;
  }
  EXPECT_EQ(ExpectRoundTrip(EncodeIds, DecodeIds, Strings(4))[0], 2);
}

TEST(TextCodecTest, ZstdChecksTheSize) {
  const std::string content(100'000, 'q');
  std::string frame = "x";
  CompressZstd(AsBytes(content), &frame);
  const Bytes bytes = AsBytes(frame).subspan(1);
  Result<std::string> back = DecompressZstd(bytes, content.size());
  ASSERT_TRUE(back) << back.error().ToString();
  EXPECT_EQ(*back, content);
  EXPECT_EQ(DecompressZstd(bytes, content.size() - 1).error().code(), StatusCode::kCorruption);
  EXPECT_EQ(DecompressZstd(bytes, content.size() + 1).error().code(), StatusCode::kCorruption);
  EXPECT_EQ(DecompressZstd(bytes.first(bytes.size() - 1), content.size()).error().code(),
            StatusCode::kCorruption);
  EXPECT_EQ(DecompressZstd({}, 0).error().code(), StatusCode::kCorruption);
  frame.push_back('\0');
  EXPECT_EQ(DecompressZstd(AsBytes(frame).subspan(1), content.size()).error().code(),
            StatusCode::kCorruption);
  // A header that promises 2^62 bytes is refused before anything of that size is allocated.
  const std::uint8_t liar[] = {0x28, 0xb5, 0x2f, 0xfd, 0xe0, 0, 0, 0,  0,
                               0,    0,    0,    0x40, 0x0b, 0, 0, 'q'};
  EXPECT_EQ(DecompressZstd(liar, std::size_t{1} << 62).error().code(), StatusCode::kCorruption);
}

TEST(TextCodecTest, RefusesLengthsBeyondTheBound) {
  std::string text;
  std::vector<std::uint32_t> offsets;
  // 1,024 strings of 2^61 bytes: their sum is 2^71.
  std::string huge(1, '\0');
  EncodeInts(std::vector<std::int64_t>(1024, std::int64_t{1} << 61), &huge);
  Bytes in = AsBytes(huge);
  EXPECT_EQ(DecodeStrings(&in, 1024, SIZE_MAX, &text, &offsets).code(), StatusCode::kCorruption);
  std::string negative(1, '\0');
  EncodeInts(std::vector<std::int64_t>{1, -1}, &negative);
  in = AsBytes(negative);
  EXPECT_EQ(DecodeStrings(&in, 2, 1000, &text, &offsets).code(), StatusCode::kCorruption);
  // A count far beyond what the bytes can hold.
  in = AsBytes(negative);
  EXPECT_EQ(DecodeStrings(&in, SIZE_MAX, SIZE_MAX, &text, &offsets).code(),
            StatusCode::kCorruption);
  for (const std::string& ids :
       {std::string("\x00xxxxxxxxxxxxxxxx", 17), std::string("\x01\x02xx", 4),
        std::string("\x01\x00", 2), std::string("\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11),
        std::string("\x03", 1), std::string()}) {
    in = AsBytes(ids);
    EXPECT_EQ(DecodeIds(&in, SIZE_MAX, SIZE_MAX, &text, &offsets).code(), StatusCode::kCorruption);
    EXPECT_EQ(in.size(), ids.size());
  }
}

TEST(TextCodecTest, DamagedListsNeverReadOutOfBounds) {
  const std::uint64_t seed = TestSeed();
  SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed));
  Random random(seed);
  std::size_t refused = 0;
  for (int round = 0; round < 10'000; ++round) {
    Strings s(1 + random.Below(40), "quipu-");
    for (std::string& x : s) x += std::to_string(random.Below(1000));
    if (round % 4 == 0) s = MakeUuids(s.size(), random);
    if (round % 4 == 1) s.assign(s.size(), "00ff00ff");
    std::string out;
    const bool ids = round % 3 != 0;
    (ids ? EncodeIds : EncodeStrings)(Views(s), &out);
    std::vector<std::uint8_t> damaged(out.begin(), out.end());
    const std::size_t near =
        std::min<std::size_t>(damaged.size(), random.Below(2) == 0 ? 12 : damaged.size());
    damaged[random.Below(near)] = static_cast<std::uint8_t>(random.Next());
    if (random.Below(4) == 0) damaged.resize(random.Below(damaged.size() + 1));
    damaged.shrink_to_fit();
    Bytes in = damaged;
    std::string text;
    std::vector<std::uint32_t> offsets;
    const std::size_t bound = 4096;
    const Status status = (ids ? DecodeIds : DecodeStrings)(&in, s.size(), bound, &text, &offsets);
    if (!status.ok()) {
      ASSERT_EQ(status.code(), StatusCode::kCorruption);
      ++refused;
      continue;
    }
    ASSERT_LE(text.size(), bound);
    ASSERT_EQ(offsets.size(), s.size() + 1);
    ASSERT_EQ(offsets.back(), text.size());
    ASSERT_TRUE(std::is_sorted(offsets.begin(), offsets.end()));
  }
  EXPECT_GT(refused, 500u);
}

}  // namespace
}  // namespace quipu
