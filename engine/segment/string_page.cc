#include "segment/string_page.h"

#include <algorithm>

#include "base/check.h"
#include "codec/text_codec.h"
#include "segment/vector_table.h"

namespace quipu {
namespace {

// The bytes of a list that reader and writer allow.
std::size_t ListBytesMax(std::size_t count, const StringLimits& limits) {
  return limits.string_bytes_max < kStringListBytesMax / std::max<std::size_t>(count, 1)
             ? count * limits.string_bytes_max
             : kStringListBytesMax;
}

}  // namespace

Status EncodeStringPage(std::span<const std::string_view> strings, const StringLimits& limits,
                        std::string* out) {
  if (strings.size() > std::min<std::size_t>(limits.count_max, 0xFFFFFFFF)) {
    return Status::Exhausted("string list: " + std::to_string(strings.size()) +
                             " strings, at most " + std::to_string(limits.count_max) +
                             " are possible");
  }
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < strings.size(); ++i) {
    if (strings[i].size() > limits.string_bytes_max) {
      return Status::Exhausted("string list: a string of " + std::to_string(strings[i].size()) +
                               " bytes, at most " + std::to_string(limits.string_bytes_max) +
                               " are possible");
    }
    bytes += strings[i].size();
    if (limits.sorted && i > 0 && strings[i - 1] >= strings[i])
      return Status::Internal("string list: dictionary is not sorted");
  }
  if (bytes > ListBytesMax(strings.size(), limits)) {
    return Status::Exhausted("string list: " + std::to_string(strings.size()) + " strings of " +
                             std::to_string(bytes) + " bytes in all, at most " +
                             std::to_string(kStringListBytesMax) + " bytes are possible");
  }
  ByteWriter(out).U32(static_cast<std::uint32_t>(strings.size()));
  EncodeStrings(strings, out);
  return Status();
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
  const std::size_t bytes_max = ListBytesMax(count, limits);
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
