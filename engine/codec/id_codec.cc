// The part of text_codec.h for event ids.
#include <algorithm>
#include <array>
#include <limits>

#include "base/check.h"
#include "codec/text_codec.h"

namespace quipu {
namespace {

enum class IdTag : std::uint8_t { kUuid = 0, kHex = 1, kPlain = 2 };

constexpr std::size_t kUuidText = 36, kUuidBytes = 16;
constexpr std::uint8_t kNotHex = 0xff;

constexpr std::array<std::uint8_t, 256> MakeNibbles() {
  std::array<std::uint8_t, 256> table{};
  for (std::uint8_t& v : table) v = kNotHex;
  for (std::uint8_t i = 0; i < 16; ++i) table[static_cast<std::uint8_t>("0123456789abcdef"[i])] = i;
  return table;
}
constexpr std::array<std::uint8_t, 256> kNibbles = MakeNibbles();

constexpr std::array<std::array<char, 2>, 256> MakeHexPairs() {
  std::array<std::array<char, 2>, 256> table{};
  for (std::size_t i = 0; i < 256; ++i)
    table[i] = {"0123456789abcdef"[i / 16], "0123456789abcdef"[i % 16]};
  return table;
}
constexpr std::array<std::array<char, 2>, 256> kHexPairs = MakeHexPairs();

// Whether a dash stands before byte i of a UUID's text: 8-4-4-4-12 digits.
constexpr bool DashBefore(std::size_t byte) {
  return byte == 4 || byte == 6 || byte == 8 || byte == 10;
}

// Appends the bytes that `text` spells; false (with part of them appended) if it is not lower-case
// hexadecimal of even length.
bool AppendFromHex(std::string_view text, std::string* out) {
  if (text.size() % 2 != 0) return false;
  for (std::size_t i = 0; i < text.size(); i += 2) {
    const std::uint8_t high = kNibbles[static_cast<std::uint8_t>(text[i])];
    const std::uint8_t low = kNibbles[static_cast<std::uint8_t>(text[i + 1])];
    if ((high | low) == kNotHex) return false;
    out->push_back(static_cast<char>(high << 4 | low));
  }
  return true;
}

bool AppendFromUuid(std::string_view text, std::string* out) {
  if (text.size() != kUuidText || text[8] != '-' || text[13] != '-' || text[18] != '-' ||
      text[23] != '-')
    return false;
  return AppendFromHex(text.substr(0, 8), out) && AppendFromHex(text.substr(9, 4), out) &&
         AppendFromHex(text.substr(14, 4), out) && AppendFromHex(text.substr(19, 4), out) &&
         AppendFromHex(text.substr(24), out);
}

bool TryUuids(std::span<const std::string_view> ids, std::string* out) {
  out->reserve(out->size() + ids.size() * kUuidBytes);
  return std::all_of(ids.begin(), ids.end(),
                     [&](std::string_view id) { return AppendFromUuid(id, out); });
}

bool TryHex(std::span<const std::string_view> ids, std::string* out) {
  const std::size_t length = ids[0].size();
  if (length == 0) return false;
  ByteWriter(out).Varint(length / 2);
  return std::all_of(ids.begin(), ids.end(), [&](std::string_view id) {
    return id.size() == length && AppendFromHex(id, out);
  });
}

// Writes `bytes` as text; `uuid` puts dashes in.
void WriteHex(const std::uint8_t* bytes, std::size_t n, bool uuid, char* to) {
  for (std::size_t i = 0; i < n; ++i) {
    if (uuid && DashBefore(i)) *to++ = '-';
    const std::array<char, 2> pair = kHexPairs[bytes[i]];
    *to++ = pair[0];
    *to++ = pair[1];
  }
}

// Reads `count` ids of `id_bytes` stored bytes each.
Status ReadFixed(ByteReader* reader, std::size_t count, std::size_t id_bytes, bool uuid,
                 std::size_t bytes_max, std::string* text, std::vector<std::uint32_t>* offsets) {
  const std::size_t id_text = uuid ? kUuidText : 2 * id_bytes;
  bytes_max = std::min<std::size_t>(bytes_max, std::numeric_limits<std::uint32_t>::max());
  if (count > reader->remaining() / id_bytes) return Status::Corruption("ids: end too early");
  if (count > bytes_max / id_text) {
    return Status::Corruption("ids: text is above the bound of " + std::to_string(bytes_max) +
                              " bytes");
  }
  const std::uint8_t* from = reader->Raw(count * id_bytes).data();
  text->resize(count * id_text);
  offsets->resize(count + 1);
  for (std::size_t i = 0; i < count; ++i) {
    (*offsets)[i] = static_cast<std::uint32_t>(i * id_text);
    WriteHex(from + i * id_bytes, id_bytes, uuid, text->data() + i * id_text);
  }
  offsets->back() = static_cast<std::uint32_t>(count * id_text);
  return Status();
}

}  // namespace

void EncodeIds(std::span<const std::string_view> ids, std::string* out) {
  std::size_t total = 0;
  for (const std::string_view id : ids) total += id.size();
  QUIPU_CHECK(total <= std::numeric_limits<std::uint32_t>::max());  // offsets have 32 bits
  const std::size_t start = out->size();
  if (!ids.empty()) {
    out->push_back(static_cast<char>(IdTag::kUuid));
    if (TryUuids(ids, out)) return;
    out->resize(start);
    out->push_back(static_cast<char>(IdTag::kHex));
    if (TryHex(ids, out)) return;
    out->resize(start);
  }
  out->push_back(static_cast<char>(IdTag::kPlain));
  EncodeStrings(ids, out);
}

Status DecodeIds(Bytes* in, std::size_t count, std::size_t bytes_max, std::string* text,
                 std::vector<std::uint32_t>* offsets) {
  ByteReader reader(*in);
  const std::uint8_t tag = reader.U8();
  QUIPU_TRY(reader.status("ids"));
  switch (static_cast<IdTag>(tag)) {
    case IdTag::kUuid:
      QUIPU_TRY(ReadFixed(&reader, count, kUuidBytes, true, bytes_max, text, offsets));
      *in = in->last(reader.remaining());
      return Status();
    case IdTag::kHex: {
      const std::uint64_t id_bytes = reader.Varint();
      QUIPU_TRY(reader.status("ids"));
      // Twice the length must not overflow below.
      if (id_bytes == 0 || id_bytes > reader.remaining()) {
        return Status::Corruption("ids: impossible length " + std::to_string(id_bytes));
      }
      QUIPU_TRY(ReadFixed(&reader, count, id_bytes, false, bytes_max, text, offsets));
      *in = in->last(reader.remaining());
      return Status();
    }
    case IdTag::kPlain: {
      Bytes rest = in->subspan(1);
      const Status strings = DecodeStrings(&rest, count, bytes_max, text, offsets);
      if (!strings.ok()) return strings.WithContext("ids");
      *in = rest;
      return Status();
    }
  }
  return Status::Corruption("ids: unknown tag " + std::to_string(tag));
}

}  // namespace quipu
