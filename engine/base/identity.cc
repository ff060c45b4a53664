#include "base/identity.h"

#include <array>
#include <bit>
#include <cstring>

#include "base/check.h"

namespace quipu {
namespace {

/// An id as a number.
struct Payload {
  std::uint64_t high = 0;
  std::uint64_t low = 0;  // LowBitsOf(form) bits
  std::int64_t millis = 0;
  IdForm form = IdForm::kText;
};

constexpr std::uint64_t LowMask(int bits) {
  return bits == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << bits) - 1;
}

// ---- Hexadecimal, eight digits at a time in one word ----

constexpr std::uint64_t kOnes = 0x0101010101010101u;

constexpr std::uint64_t SpellNibbles(std::uint64_t nibbles) {
  const std::uint64_t letters = ((nibbles + 6 * kOnes) >> 4) & kOnes;  // 1 where the digit is a..f
  return nibbles + '0' * kOnes + letters * ('a' - '0' - 10);
}

// Eight characters, the first in the lowest byte, as 32 bits. Sets a bit of `bad` if one is not a lower-case digit: what was read
// is spelled again and compared.
inline std::uint64_t ReadHex8(std::uint64_t text, std::uint64_t* bad) {
  const std::uint64_t nibbles = (text & 0x0f * kOnes) + 9 * ((text >> 6) & kOnes);
  *bad |= (nibbles & 0xf0 * kOnes) | (SpellNibbles(nibbles & 0x0f * kOnes) ^ text);
  std::uint64_t x = __builtin_bswap64(nibbles);
  x = (x | (x >> 4)) & 0x00ff00ff00ff00ffu;
  x = (x | (x >> 8)) & 0x0000ffff0000ffffu;
  return (x | (x >> 16)) & 0xffffffffu;
}

inline std::uint64_t WriteHex8(std::uint64_t value) {
  std::uint64_t x = value & 0xffffffffu;
  x = (x | (x << 16)) & 0x0000ffff0000ffffu;
  x = (x | (x << 8)) & 0x00ff00ff00ff00ffu;
  x = (x | (x << 4)) & 0x0f0f0f0f0f0f0f0fu;
  return SpellNibbles(__builtin_bswap64(x));
}

template <class T>
T Load(const char* p) {
  T v;
  std::memcpy(&v, p, sizeof v);
  return v;
}

void Store8(std::uint64_t v, char* p) { std::memcpy(p, &v, sizeof v); }

// Two groups of four characters as eight.
std::uint64_t LoadPair(const char* first, const char* second) {
  return Load<std::uint32_t>(first) | (std::uint64_t{Load<std::uint32_t>(second)} << 32);
}

// ---- Forms ----

constexpr std::size_t kUuidText = 36, kHex32Text = 32, kHex16Text = 16, kUlidText = 26;

// 8-4-4-4-12 digits.
Payload ParseUuid(const char* p) {
  std::uint64_t bad = 0;
  const std::uint64_t high =
      (ReadHex8(Load<std::uint64_t>(p), &bad) << 32) | ReadHex8(LoadPair(p + 9, p + 14), &bad);
  const std::uint64_t low = (ReadHex8(LoadPair(p + 19, p + 24), &bad) << 32) |
                            ReadHex8(Load<std::uint64_t>(p + 28), &bad);
  if (bad != 0 || p[8] != '-' || p[13] != '-' || p[18] != '-' || p[23] != '-') return {};
  const std::uint64_t version = (high >> 12) & 0xf;
  const bool is_rfc_variant = low >> 62 == 2;
  if (version == 4 && is_rfc_variant) {
    return {(high >> 16 << 16) | ((high & 0xfff) << 4) | ((low >> 58) & 0xf), low & LowMask(58), 0,
            IdForm::kUuidV4};
  }
  if (version == 7 && is_rfc_variant) {
    return {((high & 0xfff) << 52) | ((low & LowMask(62)) >> 10), low & LowMask(10),
            static_cast<std::int64_t>(high >> 16), IdForm::kUuidV7};
  }
  return {high, low, 0, IdForm::kUuid};
}

Payload ParseHex(const char* p, std::size_t digits) {
  std::uint64_t bad = 0;
  Payload payload;
  payload.high =
      (ReadHex8(Load<std::uint64_t>(p), &bad) << 32) | ReadHex8(Load<std::uint64_t>(p + 8), &bad);
  payload.form = IdForm::kHex16;
  if (digits == kHex32Text) {
    payload.low = (ReadHex8(Load<std::uint64_t>(p + 16), &bad) << 32) |
                  ReadHex8(Load<std::uint64_t>(p + 24), &bad);
    payload.form = IdForm::kHex32;
  }
  return bad == 0 ? payload : Payload{};
}

// Crockford's base 32: no I, L, O, U.
constexpr std::string_view kBase32 = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
constexpr std::uint8_t kNotBase32 = 0xff;
constexpr std::array<std::uint8_t, 256> MakeBase32Digits() {
  std::array<std::uint8_t, 256> table{};
  for (std::uint8_t& v : table) v = kNotBase32;
  for (std::uint8_t i = 0; i < 32; ++i) table[static_cast<std::uint8_t>(kBase32[i])] = i;
  return table;
}
constexpr std::array<std::uint8_t, 256> kBase32Digits = MakeBase32Digits();

// 26 digits of five bits, of which 128 bits are used: 48 of time, 80 others.
Payload ParseUlid(const char* p) {
  Uint128 value = 0;
  std::uint8_t bad = 0;
  for (std::size_t i = 0; i < kUlidText; ++i) {
    const std::uint8_t digit = kBase32Digits[static_cast<std::uint8_t>(p[i])];
    bad |= digit;
    value = (value << 5) | (digit & 31u);
  }
  if (bad > 31 || p[0] > '7') return {};
  return {static_cast<std::uint64_t>(value >> 16), static_cast<std::uint64_t>(value & 0xffff),
          static_cast<std::int64_t>(value >> 80), IdForm::kUlid};
}

Payload Parse(std::string_view id) {
  switch (id.size()) {
    case kUuidText:
      return ParseUuid(id.data());
    case kHex32Text:
    case kHex16Text:
      return ParseHex(id.data(), id.size());
    case kUlidText:
      return ParseUlid(id.data());
    default:
      return {};
  }
}

void SpellUuid(std::uint64_t high, std::uint64_t low, std::string* out) {
  char text[kUuidText];
  char digits[kHex32Text];
  Store8(WriteHex8(high >> 32), digits);
  Store8(WriteHex8(high), digits + 8);
  Store8(WriteHex8(low >> 32), digits + 16);
  Store8(WriteHex8(low), digits + 24);
  std::memcpy(text, digits, 8);
  text[8] = text[13] = text[18] = text[23] = '-';
  std::memcpy(text + 9, digits + 8, 4);
  std::memcpy(text + 14, digits + 12, 4);
  std::memcpy(text + 19, digits + 16, 4);
  std::memcpy(text + 24, digits + 20, 12);
  out->append(text, sizeof text);
}

void SpellHex(const Payload& payload, std::string* out) {
  char digits[kHex32Text];
  Store8(WriteHex8(payload.high >> 32), digits);
  Store8(WriteHex8(payload.high), digits + 8);
  Store8(WriteHex8(payload.low >> 32), digits + 16);
  Store8(WriteHex8(payload.low), digits + 24);
  out->append(digits, payload.form == IdForm::kHex16 ? kHex16Text : kHex32Text);
}

void SpellUlid(const Payload& payload, std::string* out) {
  Uint128 value = (static_cast<Uint128>(static_cast<std::uint64_t>(payload.millis)) << 80) |
                  (static_cast<Uint128>(payload.high) << 16) | payload.low;
  char text[kUlidText];
  for (std::size_t i = kUlidText; i-- > 0; value >>= 5)
    text[i] = kBase32[static_cast<std::size_t>(value & 31)];
  out->append(text, sizeof text);
}

void Spell(const Payload& payload, std::string* out) {
  const std::uint64_t high = payload.high, low = payload.low;
  switch (payload.form) {
    case IdForm::kText:
      break;
    case IdForm::kUuid:
      return SpellUuid(high, low, out);
    case IdForm::kUuidV4:
      return SpellUuid((high >> 16 << 16) | 0x4000u | ((high >> 4) & 0xfff),
                       (std::uint64_t{2} << 62) | ((high & 0xf) << 58) | low, out);
    case IdForm::kUuidV7:
      return SpellUuid((static_cast<std::uint64_t>(payload.millis) << 16) | 0x7000u | (high >> 52),
                       (std::uint64_t{2} << 62) | ((high & LowMask(52)) << 10) | low, out);
    case IdForm::kHex32:
    case IdForm::kHex16:
      return SpellHex(payload, out);
    case IdForm::kUlid:
      return SpellUlid(payload, out);
  }
  QUIPU_CHECK(false);  // text spells itself
}

// ---- The permutation ----
//
// An unbalanced Feistel network: the high 64 bits go through a bijective mixer (xorshift and odd multiplier, as the finalisers of MurmurHash3
// and SplitMix64) that takes the low bits in, and the low bits are masked by a function of the high ones; twice. It need not resist
// an enemy, only spread ids that differ little, and undo.

constexpr std::uint64_t kMul1 = 0xbf58476d1ce4e5b9u, kMul2 = 0x94d049bb133111ebu;
constexpr std::uint64_t kFormStep = 0x9e3779b97f4a7c15u, kLowStep = 0xd6e8feb86659fd93u,
                        kMaskStep = 0xa0761d6478bd642fu;

// Newton's iteration doubles the correct bits; an odd number is its own inverse modulo 8.
constexpr std::uint64_t InverseOf(std::uint64_t odd) {
  std::uint64_t x = odd;
  for (int i = 0; i < 5; ++i) x *= 2 - odd * x;
  return x;
}
constexpr std::uint64_t kInverse1 = InverseOf(kMul1), kInverse2 = InverseOf(kMul2);
static_assert(kMul1 * kInverse1 == 1 && kMul2 * kInverse2 == 1);

constexpr std::uint64_t Mix(std::uint64_t x) {
  x ^= x >> 32;
  x *= kMul1;
  x ^= x >> 32;
  x *= kMul2;
  return x ^ (x >> 32);
}
constexpr std::uint64_t Unmix(std::uint64_t x) {
  x ^= x >> 32;
  x *= kInverse2;
  x ^= x >> 32;
  x *= kInverse1;
  return x ^ (x >> 32);
}

// The top `bits` bits of a product with the high half.
constexpr std::uint64_t MaskOf(std::uint64_t high, std::uint64_t key, int bits) {
  return bits == 0 ? 0 : ((high ^ (high >> 29)) * kMaskStep + key) >> (64 - bits);
}

struct RoundKeys {
  std::uint64_t first, second;
};
constexpr RoundKeys KeysOf(std::uint64_t tweak, IdForm form) {
  const std::uint64_t first = tweak + static_cast<std::uint64_t>(form) * kFormStep;
  return {first, std::rotl(first, 32) * kMul2};
}

Hash128 Permute(std::uint64_t tweak, const Payload& payload) {
  const RoundKeys keys = KeysOf(tweak, payload.form);
  const int bits = LowBitsOf(payload.form);
  std::uint64_t high = payload.high, low = payload.low;
  high = Mix(high + keys.first + low * kLowStep);
  low ^= MaskOf(high, keys.second, bits);
  high = Mix(high + keys.second + low * kLowStep);
  low ^= MaskOf(high, keys.first, bits);
  return {high, low};
}

void Unpermute(std::uint64_t tweak, const Hash128& key, Payload* payload) {
  const RoundKeys keys = KeysOf(tweak, payload->form);
  const int bits = LowBitsOf(payload->form);
  std::uint64_t high = key.high, low = bits == 0 ? 0 : key.low & LowMask(bits);
  low ^= MaskOf(high, keys.first, bits);
  high = Unmix(high) - keys.second - low * kLowStep;
  low ^= MaskOf(high, keys.second, bits);
  high = Unmix(high) - keys.first - low * kLowStep;
  payload->high = high;
  payload->low = low;
}

}  // namespace

IdentityScope::IdentityScope(std::uint64_t customer_hash, std::uint64_t source_hash)
    : tweak_(Mix(customer_hash + std::rotl(source_hash, 32))) {}

Identity MakeIdentity(std::string_view customer, std::string_view source, std::string_view id) {
  return MakeIdentity(IdentityScope(customer, source), customer, source, id);
}

Identity MakeIdentity(const IdentityScope& scope, std::string_view customer,
                      std::string_view source, std::string_view id) {
  const Payload payload = Parse(id);
  if (payload.form == IdForm::kText) return {IdentityHash(customer, source, id), 0, IdForm::kText};
  return {Permute(scope.tweak(), payload), payload.millis, payload.form};
}

void SpellId(const IdentityScope& scope, const Identity& identity, std::string* out) {
  Payload payload;
  payload.form = identity.form;
  payload.millis = identity.millis;
  Unpermute(scope.tweak(), identity.key, &payload);
  Spell(payload, out);
}

}  // namespace quipu
