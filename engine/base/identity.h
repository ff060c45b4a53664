// Identity: an event id as 16 bytes or less, without its text.
//
// An event is (customer, source, id). Most ids are machine-made: UUIDs, ULIDs, hexadecimal numbers. Such an id is a number in a fixed
// spelling, so the spelling (its *form*) and the number (its *payload*) are all there is to know. The payload, put through a permutation
// that depends on customer, source and form, is the event's *key*: 64 bits that look random whatever the ids look like, and up to 64 more.
// A permutation can be undone, so for these ids **the key is the id**: no text of them is kept anywhere, in memory, in the log or in a file.
// Everything else is text: its key is XXH3-128 of customer, source and id, and the text is kept beside it.
//
//     form     example                                 high  low   millis
//     uuid     6ba7b810-9dad-11d1-80b4-00c04fd430c8      64   64     -      any version but the two below, lower case
//     uuid4    9b1deb4d-3b7d-4bad-9bdd-2b0d7b3dcb6d      64   58     -      version and variant are the form
//     uuid7    018f3e5c-7a10-7c3b-9f2e-1a2b3c4d5e6f      64   10    48      the time is kept apart
//     hex32    9b1deb4d3b7d4bad9bdd2b0d7b3dcb6d          64   64     -      32 lower-case digits
//     hex16    9b1deb4d3b7d4bad                          64    0     -      16 lower-case digits
//     ulid     01HX9YBQ9ZJ3A7Q2W5E8R1T4Y6                64   16    48      upper case, first digit at most 7
//     text     req-8231                                  64   64     -
//
// Milliseconds of time-ordered ids are close to the event's own time, so they are kept as a column that packs well; they are not in the
// key, hence two ids that differ in them alone share a key and are told apart by comparing them.
//
// Invariants:
//   (1) Spell(customer, source, MakeIdentity(customer, source, id)) = id for every id that is not text.
//   (2) MakeIdentity is a function of (customer name, source, id) alone: equal in every store. It is part of the formats.
//   (3) Equal form, key and millis in one (customer, source) mean equal ids, text excepted, where the text decides.
//
// Worked example: "00000000-0000-4000-8000-000000000001" and "...-000000000002" have neighbouring payloads and unrelated keys.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/hash.h"

namespace quipu {

/// How an id is spelled. The numbers are part of the formats.
enum class IdForm : std::uint8_t {
  kText = 0,
  kUuid = 1,
  kUuidV4 = 2,
  kUuidV7 = 3,
  kHex32 = 4,
  kHex16 = 5,
  kUlid = 6,
};
inline constexpr std::uint8_t kIdForms = 7;

/// Bits of Hash128::low that a key of this form uses; the others are 0.
constexpr int LowBitsOf(IdForm form) {
  constexpr int kBits[kIdForms] = {64, 64, 58, 10, 64, 0, 16};
  return kBits[static_cast<std::uint8_t>(form)];
}
constexpr bool HasMillis(IdForm form) { return form == IdForm::kUuidV7 || form == IdForm::kUlid; }
inline constexpr int kIdMillisBits = 48;
/// Bytes of the longest spelling that is not text.
inline constexpr std::size_t kIdSpellingBytesMax = 36;

struct Identity {
  Hash128 key;
  std::int64_t millis = 0;  ///< Since 1970, below 2^48; 0 unless HasMillis(form).
  IdForm form = IdForm::kText;
  friend constexpr bool operator==(const Identity&, const Identity&) = default;
};

/// What the keys of one customer and source have in common; worth keeping while many events share it.
class IdentityScope {
 public:
  IdentityScope(std::string_view customer, std::string_view source)
      : IdentityScope(Hash64(customer), Hash64(source)) {}
  /// From Hash64 of both names.
  IdentityScope(std::uint64_t customer_hash, std::uint64_t source_hash);
  [[nodiscard]] std::uint64_t tweak() const { return tweak_; }

 private:
  std::uint64_t tweak_;
};

/// The identity of (customer, source, id).
Identity MakeIdentity(std::string_view customer, std::string_view source, std::string_view id);
/// The same with the scope of (customer, source) at hand.
Identity MakeIdentity(const IdentityScope& scope, std::string_view customer,
                      std::string_view source, std::string_view id);
/// Appends the id; the reverse of MakeIdentity. Not for text. Bits of the key beyond its form's are ignored.
void SpellId(const IdentityScope& scope, const Identity& identity, std::string* out);

}  // namespace quipu
