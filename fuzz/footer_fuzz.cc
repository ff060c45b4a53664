// The footer of a segment on arbitrary bytes (FlatBuffers, behind its checksum): refused as corruption, or it encodes and decodes to itself.
//
// Input: 4 bytes, the offset of the footer page; then its payload.
#include "fuzz/rows.h"
#include "segment/footer_codec.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace quipu;
  fuzz::Input in(data, size);
  const std::uint64_t offset = in.Take(4);
  const std::string payload = in.TakeText(in.left());
  const auto footer = DecodeFooter(AsBytes(payload), offset);
  if (!footer) {
    QUIPU_CHECK(footer.error().code() == StatusCode::kCorruption ||
                footer.error().code() == StatusCode::kUnsupported);
    return 0;
  }
  const auto once = EncodeFooter(*footer);
  QUIPU_CHECK(once.has_value());
  const auto again = DecodeFooter(AsBytes(*once), offset);
  QUIPU_CHECK(again.has_value() && *EncodeFooter(*again) == *once);
  return 0;
}
