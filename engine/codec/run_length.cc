#include "codec/run_length.h"

#include <algorithm>

namespace quipu {
namespace {

// Calls each(value, length) for every run while it returns true.
template <class Each>
void ForEachRun(std::span<const std::int64_t> values, Each each) {
  const std::int64_t* p = values.data();
  const std::size_t n = values.size();
  for (std::size_t i = 0; i < n;) {
    std::size_t end = i + 1;
    while (end < n && p[end] == p[i]) ++end;
    if (!each(p[i], end - i)) return;
    i = end;
  }
}

std::uint64_t Step(std::int64_t value, std::int64_t before) {
  return ZigZag(static_cast<std::int64_t>(Difference(value, before)));
}

}  // namespace

std::size_t MeasureRunLength(IntVector* v, std::size_t limit) {
  if (2 * v->runs > limit) return kNoSize;  // no run takes less than two bytes
  std::size_t bytes = 0, left = v->runs;
  std::int64_t before = 0;
  ForEachRun(v->values, [&](std::int64_t value, std::size_t length) {
    bytes += VarintBytes(Step(value, before)) + VarintBytes(length);
    before = value;
    --left;
    return bytes + 2 * left <= limit;
  });
  return bytes + 2 * left <= limit ? bytes : kNoSize;
}

void EncodeRunLength(IntVector* v, std::string* out) {
  ByteWriter writer(out);
  std::int64_t before = 0;
  ForEachRun(v->values, [&](std::int64_t value, std::size_t length) {
    writer.Varint(Step(value, before));
    writer.Varint(length);
    before = value;
    return true;
  });
}

Status DecodeRunLength(ByteReader* in, std::span<std::int64_t> out) {
  std::uint64_t value = 0;
  std::size_t done = 0;
  while (done < out.size()) {
    const std::uint64_t step = in->Varint(), length = in->Varint();
    if (!in->ok()) return in->status("run length");
    if (step == 0 && done != 0)
      return Status::Corruption("run length: two runs of the same value follow each other");
    if (length == 0 || length > out.size() - done) {
      return Status::Corruption(
          "run length: a run is empty or longer than the rest of the block: length " +
          std::to_string(length) + ", left " + std::to_string(out.size() - done));
    }
    value += static_cast<std::uint64_t>(UnZigZag(step));
    std::fill_n(out.data() + done, length, static_cast<std::int64_t>(value));
    done += length;
  }
  return Status();
}

}  // namespace quipu
