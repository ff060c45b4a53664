#include "codec/int_codec.h"

#include <algorithm>
#include <array>

#include "base/check.h"
#include "codec/constant.h"
#include "codec/constant_delta.h"
#include "codec/delta.h"
#include "codec/dictionary.h"
#include "codec/frame_of_reference.h"
#include "codec/int_vector.h"
#include "codec/patched.h"
#include "codec/run_length.h"

namespace quipu {
namespace {

struct EncodingEntry {
  std::string_view name;
  std::size_t (*measure)(IntVector* v, std::size_t limit);
  void (*encode)(IntVector* v, std::string* out);
  Status (*decode)(ByteReader* in, std::span<std::int64_t> out);
};

// Indexed by IntEncoding.
constexpr std::array<EncodingEntry, kIntEncodings> kEncodings = {{
    {"constant", MeasureConstant, EncodeConstant, DecodeConstant},
    {"constant delta", MeasureConstantDelta, EncodeConstantDelta, DecodeConstantDelta},
    {"run length", MeasureRunLength, EncodeRunLength, DecodeRunLength},
    {"frame of reference", MeasureFrameOfReference, EncodeFrameOfReference, DecodeFrameOfReference},
    {"patched", MeasurePatched, EncodePatched, DecodePatched},
    {"dictionary", MeasureDictionary, EncodeDictionary, DecodeDictionary},
    {"delta", MeasureDelta, EncodeDelta, DecodeDelta},
    {"patched delta", MeasurePatchedDelta, EncodePatchedDelta, DecodePatchedDelta},
}};

// Those that know their size from the statistics alone come first, so that the others can give up
// early; of these the cheapest to find out. Few runs are found out faster than many.
using MeasureOrder = std::array<IntEncoding, kIntEncodings>;
constexpr MeasureOrder kManyRuns = {IntEncoding::kConstant,         IntEncoding::kConstantDelta,
                                    IntEncoding::kFrameOfReference, IntEncoding::kDelta,
                                    IntEncoding::kPatched,          IntEncoding::kPatchedDelta,
                                    IntEncoding::kDictionary,       IntEncoding::kRunLength};
constexpr MeasureOrder kFewRuns = {IntEncoding::kConstant,         IntEncoding::kConstantDelta,
                                   IntEncoding::kFrameOfReference, IntEncoding::kDelta,
                                   IntEncoding::kRunLength,        IntEncoding::kPatched,
                                   IntEncoding::kPatchedDelta,     IntEncoding::kDictionary};

const EncodingEntry& EntryOf(IntEncoding e) {
  const auto index = static_cast<std::size_t>(e);
  QUIPU_CHECK(index < kEncodings.size());
  return kEncodings[index];
}

void Append(IntEncoding e, IntVector* v, std::string* out) {
  out->push_back(static_cast<char>(e));
  EntryOf(e).encode(v, out);
}

}  // namespace

IntEncoding EncodeInts(std::span<const std::int64_t> values, std::string* out) {
  IntVector v(values);
  IntEncoding best = IntEncoding::kFrameOfReference;
  std::size_t best_size = kNoSize;
  for (const IntEncoding e : v.runs < values.size() / 8 ? kFewRuns : kManyRuns) {
    const std::size_t size = EntryOf(e).measure(&v, best_size);
    if (size == kNoSize) continue;
    if (size < best_size || (size == best_size && e < best)) {
      best = e;
      best_size = size;
    }
    // All other bodies hold a value, too, and more.
    if (best == IntEncoding::kConstant) break;
  }
  Append(best, &v, out);
  return best;
}

bool EncodeIntsAs(IntEncoding encoding, std::span<const std::int64_t> values, std::string* out) {
  IntVector v(values);
  if (EntryOf(encoding).measure(&v, kNoSize) == kNoSize) return false;
  Append(encoding, &v, out);
  return true;
}

std::size_t MeasureInts(IntEncoding encoding, std::span<const std::int64_t> values) {
  IntVector v(values);
  const std::size_t body = EntryOf(encoding).measure(&v, kNoSize);
  return body == kNoSize ? kNoSize : 1 + body;
}

Status DecodeInts(Bytes* in, std::span<std::int64_t> out) {
  QUIPU_CHECK(!out.empty() && out.size() <= kVectorValuesMax);
  ByteReader reader(*in);
  const std::size_t encoding = reader.U8();
  if (!reader.ok()) return reader.status("int block");
  if (encoding >= kEncodings.size()) {
    return Status::Corruption("int block: unknown encoding " + std::to_string(encoding));
  }
  Status decoded = kEncodings[encoding].decode(&reader, out);
  if (!decoded.ok()) return decoded.WithContext("int block");
  *in = in->last(reader.remaining());
  return Status();
}

void EncodeIntList(std::span<const std::int64_t> values, std::string* out) {
  while (!values.empty()) {
    const std::size_t n = std::min(values.size(), kVectorValuesMax);
    EncodeInts(values.first(n), out);
    values = values.subspan(n);
  }
}

Status DecodeIntList(Bytes* in, std::span<std::int64_t> out) {
  while (!out.empty()) {
    const std::size_t n = std::min(out.size(), kVectorValuesMax);
    QUIPU_TRY(DecodeInts(in, out.first(n)));
    out = out.subspan(n);
  }
  return Status();
}

std::string_view IntEncodingName(IntEncoding e) { return EntryOf(e).name; }

}  // namespace quipu
