#include "base/identity.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <set>
#include <vector>

#include "base/clock.h"
#include "base/test_seed.h"

namespace quipu {
namespace {

std::string Spelled(std::string_view customer, std::string_view source, const Identity& identity) {
  std::string text;
  SpellId(IdentityScope(customer, source), identity, &text);
  return text;
}

std::string Hex(std::uint64_t v, std::size_t digits) {
  std::string text(digits, '0');
  for (std::size_t i = digits; i-- > 0; v >>= 4) text[i] = "0123456789abcdef"[v & 15];
  return text;
}

std::string Uuid(std::uint64_t high, std::uint64_t low) {
  std::string t = Hex(high, 16) + Hex(low, 16);
  for (const std::size_t at : {20u, 16u, 12u, 8u}) t.insert(at, "-");
  return t;
}

std::string WithVersion(std::uint64_t high, std::uint64_t low, std::uint64_t version) {
  return Uuid((high & ~0xf000ull) | version << 12, (low >> 2) | (2ull << 62));
}

std::string Ulid(std::uint64_t high, std::uint64_t low) {
  Uint128 v = (static_cast<Uint128>(high) << 64) | low;
  std::string text(26, '0');
  for (std::size_t i = 26; i-- > 0; v >>= 5)
    text[i] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"[static_cast<std::size_t>(v & 31)];
  return text;
}

void ExpectForm(const std::string& id, IdForm form) {
  const Identity identity = MakeIdentity("acme", "eu", id);
  ASSERT_EQ(identity.form, form) << id;
  if (form == IdForm::kText) {
    ASSERT_EQ(identity.key, IdentityHash("acme", "eu", id));
    ASSERT_EQ(identity.millis, 0);
    return;
  }
  ASSERT_EQ(Spelled("acme", "eu", identity), id);
  const int bits = LowBitsOf(form);
  if (bits < 64) {
    ASSERT_EQ(identity.key.low >> bits, 0u);
  }
  ASSERT_EQ(HasMillis(form) || identity.millis == 0, true);
  ASSERT_EQ(identity.millis >> kIdMillisBits, 0);
}

TEST(Identity, EveryFormComesBack) {
  const std::uint64_t seed = TestSeed();
  SCOPED_TRACE("QUIPU_SEED=" + std::to_string(seed));
  Random random(seed);
  const auto check = [](std::uint64_t high, std::uint64_t low) {
    ExpectForm(WithVersion(high, low, 4), IdForm::kUuidV4);
    ExpectForm(WithVersion(high, low, 7), IdForm::kUuidV7);
    for (const std::uint64_t version : {0, 1, 3, 5, 6, 8, 15})
      ExpectForm(WithVersion(high, low, version), IdForm::kUuid);
    for (const std::uint64_t variant : {0, 1, 3}) {
      ExpectForm(Uuid((high & ~0xf000ull) | 0x4000, (low >> 2) | variant << 62), IdForm::kUuid);
      ExpectForm(Uuid((high & ~0xf000ull) | 0x7000, (low >> 2) | variant << 62), IdForm::kUuid);
    }
    ExpectForm(Hex(high, 16) + Hex(low, 16), IdForm::kHex32);
    ExpectForm(Hex(high, 16), IdForm::kHex16);
    ExpectForm(Ulid(high, low), IdForm::kUlid);
  };
  for (int i = 0; i < 5'000; ++i) check(random.Next(), random.Next());
  for (int bit = 0; bit < 64; ++bit) {  // structured: single bits, small numbers, extremes
    for (const std::uint64_t other : {std::uint64_t{0}, ~std::uint64_t{0}}) {
      check(1ull << bit, other);
      check(other, 1ull << bit);
      check(~(1ull << bit), other);
    }
  }
  for (std::uint64_t i = 0; i < 1'000; ++i) check(0, i);
}

TEST(Identity, WhatTheTextsLookLike) {
  const Identity v7 = MakeIdentity("c", "", "018f3e5c-7a10-7c3b-9f2e-1a2b3c4d5e6f");
  EXPECT_EQ(v7.form, IdForm::kUuidV7);
  EXPECT_EQ(v7.millis, 0x018f3e5c7a10);
  const Identity ulid =
      MakeIdentity("c", "", "01ARZ3NDEKTSV4RRFFQ69G5FAV");  // the ULID spec's example
  EXPECT_EQ(ulid.form, IdForm::kUlid);
  EXPECT_EQ(ulid.millis, 1'469'922'850'259);
}

TEST(Identity, NearMissesStayText) {
  const std::string v4 = "9b1deb4d-3b7d-4bad-9bdd-2b0d7b3dcb6d";
  const std::string ulid = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
  const std::vector<std::string> bases = {v4, ulid, std::string(32, 'a'), std::string(16, '9')};
  for (const std::string& base : bases) {
    ASSERT_NE(MakeIdentity("acme", "", base).form, IdForm::kText);
    for (std::size_t i = 0; i < base.size(); ++i) {
      for (int c = 0; c < 256; ++c) {
        std::string changed = base;
        changed[i] = static_cast<char>(c);
        const Identity identity = MakeIdentity("acme", "eu", changed);
        // Whatever is not text must spell itself: then exactly the right ones are.
        if (identity.form != IdForm::kText) {
          ASSERT_EQ(Spelled("acme", "eu", identity), changed);
        }
        const bool is_digit =
            base.size() == 26
                ? std::string("0123456789ABCDEFGHJKMNPQRSTVWXYZ").find(changed[i]) !=
                          std::string::npos &&
                      (i > 0 || changed[i] <= '7')
                : std::string("0123456789abcdef").find(changed[i]) != std::string::npos;
        const bool is_dash = base[i] == '-';
        ASSERT_EQ(identity.form != IdForm::kText, is_dash ? c == '-' : is_digit) << changed;
      }
    }
    for (const std::string& other :
         {base + "0", "0" + base, base.substr(1), base.substr(0, base.size() - 1), base + base})
      if (other.size() != 32) ExpectForm(other, IdForm::kText);
  }
  for (const char* id : {"", "a", "req-1", "8ZZZZZZZZZZZZZZZZZZZZZZZZZ",
                         "{9b1deb4d-3b7d-4bad-9bdd-2b0d7b3dcb}", "01arz3ndektsv4rrffq69g5fav"})
    ExpectForm(id, IdForm::kText);
}

TEST(Identity, KeysDependOnCustomerSourceAndForm) {
  std::set<std::uint64_t> high;
  const std::string hex(32, '0');
  for (const char* customer : {"", "a", "b", "ab"}) {
    for (const char* source : {"", "a", "b", "ab"}) {
      high.insert(MakeIdentity(customer, source, hex).key.high);
      high.insert(MakeIdentity(customer, source, Uuid(0, 0)).key.high);
      high.insert(MakeIdentity(customer, source, hex.substr(16)).key.high);
    }
  }
  EXPECT_EQ(high.size(), 48u);
}

// Ids that count up must fill the buckets of an index evenly, and one changed bit must change about half of the key.
TEST(Identity, KeysOfStructuredIdsAreSpread) {
  constexpr std::uint64_t kIds = 1 << 16, kBuckets = 1 << 12;
  const auto spread = [&](const auto& id_of) {
    std::vector<std::uint32_t> buckets(kBuckets), low_buckets(kBuckets);
    std::uint64_t flipped = 0;
    Hash128 before;
    for (std::uint64_t i = 0; i < kIds; ++i) {
      const Hash128 key = MakeIdentity("acme", "", id_of(i)).key;
      ++buckets[key.high >> 52];
      ++low_buckets[key.high & (kBuckets - 1)];
      flipped += static_cast<std::uint64_t>(std::popcount(key.high ^ before.high));
      before = key;
    }
    const double mean = double(kIds) / kBuckets;
    for (const auto* counts : {&buckets, &low_buckets}) {
      double chi = 0;
      for (const std::uint32_t n : *counts) chi += (n - mean) * (n - mean) / mean;
      EXPECT_LT(chi / kBuckets, 1.15);  // 7 standard deviations
    }
    EXPECT_NEAR(double(flipped) / kIds, 32, 0.5);
  };
  spread([](std::uint64_t i) { return Hex(i, 16); });
  spread([](std::uint64_t i) { return Hex(i << 40, 16); });
  spread([](std::uint64_t i) { return Hex(0, 16) + Hex(i, 16); });
  spread([](std::uint64_t i) { return Hex(i << 48, 16) + Hex(0, 16); });
  spread([](std::uint64_t i) { return WithVersion(i << 20, 5, 4); });
  spread([](std::uint64_t i) { return WithVersion(3, i << 3, 4); });
  spread([](std::uint64_t i) { return WithVersion(77ull << 16, i << 2, 7); });
  spread([](std::uint64_t i) { return Ulid(9, i); });
}

TEST(Identity, NoTwoKeysOfAFormMeet) {
  std::set<Hash128> keys;
  for (std::uint64_t i = 0; i < 20'000; ++i)
    keys.insert(MakeIdentity("a", "", WithVersion(i & 63, i >> 6 << 2, 4)).key);
  EXPECT_EQ(keys.size(), 20'000u);
}

}  // namespace
}  // namespace quipu
