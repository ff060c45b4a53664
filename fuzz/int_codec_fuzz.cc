// The decoders of engine/codec on arbitrary bytes: no crash, no read outside the block, and what they accept encodes and
// decodes again to the same values. The encoders on arbitrary values: every encoding gives back what went in.
//
// Input: one byte that chooses the exercise, two bytes (little endian) for the number of values, the rest as it comes.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/check.h"
#include "codec/derived.h"
#include "codec/int_codec.h"
#include "codec/text_codec.h"
#include "quipu/status.h"

namespace {

using quipu::AsBytes;
using quipu::Bytes;
using quipu::IntEncoding;
using quipu::Status;
using quipu::StatusCode;

constexpr std::size_t kListValuesMax = 5000;
constexpr std::size_t kTextBytesMax = 1 << 20;

using Ints = std::vector<std::int64_t>;

/// A refusal must say that the bytes are at fault.
void CheckRefusal(const Status& status) { QUIPU_CHECK(status.code() == StatusCode::kCorruption); }

/// The unread rest must be the end of what was given.
void CheckAdvance(Bytes before, Bytes after) {
  QUIPU_CHECK(after.size() <= before.size());
  QUIPU_CHECK(after.data() + after.size() == before.data() + before.size());
}

void RoundTripInts(const Ints& values) {
  std::string best;
  const IntEncoding chosen = quipu::EncodeInts(values, &best);
  QUIPU_CHECK(best.size() == quipu::MeasureInts(chosen, values));
  for (std::size_t number = 0; number < quipu::kIntEncodings; ++number) {
    const auto encoding = static_cast<IntEncoding>(number);
    std::string block;
    const std::size_t size = quipu::MeasureInts(encoding, values);
    if (!quipu::EncodeIntsAs(encoding, values, &block)) {
      QUIPU_CHECK(block.empty() && size == SIZE_MAX);
      continue;
    }
    QUIPU_CHECK(block.size() == size && best.size() <= size);
    Ints decoded(values.size());
    Bytes in = AsBytes(block);
    QUIPU_CHECK(quipu::DecodeInts(&in, decoded).ok() && in.empty());
    QUIPU_CHECK(decoded == values);
  }
}

void FuzzInts(Bytes input, std::size_t count) {
  Ints values(1 + count % quipu::kVectorValuesMax);
  Bytes in = input;
  if (const Status status = quipu::DecodeInts(&in, values); !status.ok())
    return CheckRefusal(status);
  CheckAdvance(input, in);
  RoundTripInts(values);
}

/// Costs from made-up quantities: any body decodes or is refused; what it decodes to encodes to the same, if to anything.
void FuzzDerived(Bytes input, std::size_t count) {
  Ints quantities(1 + count % quipu::kVectorValuesMax), costs(quantities.size());
  for (std::size_t i = 0; i < quantities.size(); ++i)
    quantities[i] = static_cast<std::int64_t>(i * (count | 1) * 0x9E3779B9);
  const int quantity_scale = static_cast<int>(count % 19);
  const int cost_scale = static_cast<int>(count / 19 % 19);
  Bytes in = input;
  const Status status = quipu::DecodeDerived(&in, quantities, quantity_scale, cost_scale, costs);
  if (!status.ok()) return CheckRefusal(status);
  std::string again;
  if (!quipu::EncodeDerived(quantities, quantity_scale, costs, cost_scale, &again)) return;
  Ints decoded(costs.size());
  Bytes rest = AsBytes(again);
  QUIPU_CHECK(quipu::DecodeDerived(&rest, quantities, quantity_scale, cost_scale, decoded).ok());
  QUIPU_CHECK(rest.empty() && decoded == costs);
}

void FuzzIntList(Bytes input, std::size_t count) {
  Ints values(count % kListValuesMax);
  Bytes in = input;
  if (const Status status = quipu::DecodeIntList(&in, values); !status.ok())
    return CheckRefusal(status);
  CheckAdvance(input, in);
  std::string again;
  quipu::EncodeIntList(values, &again);
  Ints decoded(values.size());
  Bytes rest = AsBytes(again);
  QUIPU_CHECK(quipu::DecodeIntList(&rest, decoded).ok() && rest.empty());
  QUIPU_CHECK(decoded == values);
}

using EncodeTexts = void (*)(std::span<const std::string_view>, std::string*);
using DecodeTexts = Status (*)(Bytes*, std::size_t, std::size_t, std::string*,
                               std::vector<std::uint32_t>*);

void RoundTripTexts(EncodeTexts encode, DecodeTexts decode,
                    const std::vector<std::string_view>& texts) {
  std::string block;
  encode(texts, &block);
  std::string all;
  for (const std::string_view text : texts) all += text;
  std::string text;
  std::vector<std::uint32_t> offsets;
  Bytes in = AsBytes(block);
  QUIPU_CHECK(decode(&in, texts.size(), all.size(), &text, &offsets).ok() && in.empty());
  QUIPU_CHECK(text == all && offsets.size() == texts.size() + 1);
  for (std::size_t i = 0; i < texts.size(); ++i)
    QUIPU_CHECK(offsets[i + 1] - offsets[i] == texts[i].size());
}

void FuzzTexts(EncodeTexts encode, DecodeTexts decode, Bytes input, std::size_t count) {
  std::string text;
  std::vector<std::uint32_t> offsets;
  Bytes in = input;
  count %= kListValuesMax;
  const Status status = decode(&in, count, kTextBytesMax, &text, &offsets);
  if (!status.ok()) return CheckRefusal(status);
  CheckAdvance(input, in);
  QUIPU_CHECK(text.size() <= kTextBytesMax && offsets.size() == count + 1);
  QUIPU_CHECK(offsets.front() == 0 && offsets.back() == text.size());
  std::vector<std::string_view> texts;
  for (std::size_t i = 0; i < count; ++i) {
    QUIPU_CHECK(offsets[i] <= offsets[i + 1]);
    texts.push_back(std::string_view(text).substr(offsets[i], offsets[i + 1] - offsets[i]));
  }
  RoundTripTexts(encode, decode, texts);
}

/// The bytes as values of `width` bytes, so that small numbers occur too.
void FuzzEncoders(Bytes input, std::size_t width) {
  Ints values;
  for (; input.size() >= width && values.size() < quipu::kVectorValuesMax;
       input = input.subspan(width)) {
    std::int64_t value = 0;
    std::memcpy(&value, input.data(), width);
    values.push_back(value);
  }
  if (!values.empty()) RoundTripInts(values);
}

/// The bytes as texts that end in a new line.
void FuzzTextEncoders(Bytes input) {
  std::vector<std::string_view> texts;
  std::string_view rest = quipu::AsText(input);
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    texts.push_back(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  RoundTripTexts(quipu::EncodeStrings, quipu::DecodeStrings, texts);
  RoundTripTexts(quipu::EncodeIds, quipu::DecodeIds, texts);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 3) return 0;
  const std::size_t count = quipu::LoadLe<std::uint16_t>(data + 1);
  const Bytes rest(data + 3, size - 3);
  switch (data[0] % 7) {
    case 0:
      FuzzInts(rest, count);
      break;
    case 1:
      FuzzIntList(rest, count);
      break;
    case 2:
      FuzzTexts(quipu::EncodeStrings, quipu::DecodeStrings, rest, count);
      break;
    case 3:
      FuzzTexts(quipu::EncodeIds, quipu::DecodeIds, rest, count);
      break;
    case 4:
      FuzzEncoders(rest, 1 + count % 8);
      break;
    case 5:
      FuzzTextEncoders(rest);
      break;
    case 6:
      FuzzDerived(rest, count);
      break;
  }
  return 0;
}
