// A commit of arbitrary bytes with a right checksum: refused as corruption, or its rows, encoded and decoded again, are the same rows.
//
// Input: the blob behind its checksum.
#include "base/hash.h"
#include "fuzz/rows.h"
#include "store/commit_blob.h"
#include "store/store_testing.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace quipu;
  const std::string rest(reinterpret_cast<const char*>(data), size);
  std::string blob;
  ByteWriter(&blob).U64(Hash64(rest));
  blob += rest;
  const fuzz::FuzzNames names;
  const auto decoded = DecodeCommit(blob, names);
  if (!decoded) {
    QUIPU_CHECK(decoded.error().code() == StatusCode::kCorruption ||
                decoded.error().code() == StatusCode::kUnsupported);
    return 0;
  }
  const auto encoded = EncodeCommit(decoded->seq, decoded->rows);
  QUIPU_CHECK(encoded.has_value());
  const auto again = DecodeCommit(*encoded, names);
  QUIPU_CHECK(again.has_value() && again->seq == decoded->seq);
  QUIPU_CHECK(RowTexts(again->rows, names) == RowTexts(decoded->rows, names));
  return 0;
}
