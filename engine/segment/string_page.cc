#include "segment/string_page.h"

#include <algorithm>
#include <limits>

#include "base/check.h"
#include "codec/text_codec.h"
#include "segment/vector_table.h"

namespace quipu {

void EncodeStringPage(std::span<const std::string_view> strings, std::string* out) {
  ByteWriter(out).U32(static_cast<std::uint32_t>(strings.size()));
  EncodeStrings(strings, out);
}

Result<StringList> DecodeStringList(Bytes* in, const StringLimits& limits) {
  ByteReader reader(*in);
  const std::size_t count = reader.U32();
  QUIPU_TRY(reader.status("string list"));
  if (count > limits.count_max) {
    return Status::Corruption("string list: " + std::to_string(count) + " strings, at most " +
                              std::to_string(limits.count_max) + " are possible");
  }
  Bytes rest = in->last(reader.remaining());
  // StringList counts bytes in 32 bits.
  const std::size_t bytes_max = std::min<std::size_t>(count * limits.string_bytes_max,
                                                      std::numeric_limits<std::int32_t>::max());
  std::string text;
  std::vector<std::uint32_t> offsets;
  QUIPU_TRY(DecodeStrings(&rest, count, bytes_max, &text, &offsets));
  StringList list;
  list.Reserve(count, text.size());
  for (std::size_t i = 0; i < count; ++i) {
    const std::string_view s(text.data() + offsets[i], offsets[i + 1] - offsets[i]);
    if (s.size() > limits.string_bytes_max)
      return Status::Corruption("string list: string too long");
    if (limits.sorted && i > 0 && list[i - 1] >= s) {
      return Status::Corruption("string list: dictionary is not sorted");
    }
    list.Add(s);
  }
  *in = rest;
  return list;
}

Result<StringList> DecodeStringPage(Bytes payload, const StringLimits& limits) {
  QUIPU_TRY_ASSIGN(StringList list, DecodeStringList(&payload, limits));
  QUIPU_TRY(ExpectEnd(payload, "string list"));
  return list;
}

}  // namespace quipu
