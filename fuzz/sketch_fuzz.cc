// Sketches of arbitrary bytes: refused as corruption, or canonical: they encode to the very bytes that were read, and merging one into nothing gives it.
//
// Input: one byte that chooses the sketch, then its bytes.
#include "fuzz/rows.h"
#include "sketch/distinct_sketch.h"
#include "sketch/quantile_sketch.h"

namespace {

using namespace quipu;

template <class Sketch>
void Fuzz(const std::string& bytes) {
  ByteReader in(AsBytes(bytes));
  auto sketch = Sketch::Decode(in);
  if (!sketch) {
    QUIPU_CHECK(sketch.error().code() == StatusCode::kCorruption);
    return;
  }
  std::string encoded;
  sketch->EncodeTo(&encoded);
  QUIPU_CHECK(encoded == std::string_view(bytes).substr(0, bytes.size() - in.remaining()));
  Sketch merged;
  merged.Merge(*sketch);
  QUIPU_CHECK(merged == *sketch);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input in(data, size);
  const bool is_quantile = in.Take(1) % 2 == 0;
  const std::string bytes = in.TakeText(in.left());
  is_quantile ? Fuzz<QuantileSketch>(bytes) : Fuzz<DistinctSketch>(bytes);
  return 0;
}
