#include "codec/text_codec.h"

#include <zstd.h>

#include <algorithm>
#include <array>
#include <limits>
#include <memory>

#include "base/check.h"
#include "codec/int_codec.h"

namespace quipu {
namespace {

enum class TextTag : std::uint8_t { kPlain = 0, kZstd = 1 };

// Magic number, descriptor, content size, and a block of three bytes of header and one of content.
constexpr std::size_t kZstdFrameBytesMin = 10;
// The densest block is a repeated byte: 4 bytes that stand for 128 KiB.
constexpr std::size_t kZstdRatioMax = (std::size_t{128} << 10) / 4;
constexpr std::size_t kTextBytesMax = std::numeric_limits<std::uint32_t>::max();

struct CompressorCloser {
  void operator()(ZSTD_CCtx* c) const { ZSTD_freeCCtx(c); }
};
struct DecompressorCloser {
  void operator()(ZSTD_DCtx* c) const { ZSTD_freeDCtx(c); }
};

// Making a context costs far more than compressing a small dictionary, so each thread keeps its
// own.
ZSTD_CCtx* ThreadCompressor() {
  thread_local const std::unique_ptr<ZSTD_CCtx, CompressorCloser> context(ZSTD_createCCtx());
  QUIPU_CHECK(context != nullptr);
  return context.get();
}
ZSTD_DCtx* ThreadDecompressor() {
  thread_local const std::unique_ptr<ZSTD_DCtx, DecompressorCloser> context(ZSTD_createDCtx());
  QUIPU_CHECK(context != nullptr);
  return context.get();
}

std::size_t VarintBytes(std::size_t v) {
  std::size_t bytes = 1;
  for (; v >= 0x80; v >>= 7) ++bytes;
  return bytes;
}

// Reads lengths block by block, so that `offsets` never grows beyond what the bytes so far account
// for.
Status ReadOffsets(Bytes* in, std::size_t count, std::size_t bytes_max,
                   std::vector<std::uint32_t>* offsets) {
  std::array<std::int64_t, kVectorValuesMax> lengths;
  offsets->assign(1, 0);
  std::uint64_t total = 0;
  for (std::size_t left = count; left > 0;) {
    const std::size_t n = std::min(left, kVectorValuesMax);
    QUIPU_TRY(DecodeInts(in, std::span(lengths).first(n)));
    for (std::size_t i = 0; i < n; ++i) {
      const auto length = static_cast<std::uint64_t>(lengths[i]);  // a negative one is huge
      if (length > bytes_max - total) {
        return Status::Corruption(
            "strings: a length is negative or their sum is above the bound of " +
            std::to_string(bytes_max) + " bytes");
      }
      total += length;
      offsets->push_back(static_cast<std::uint32_t>(total));
    }
    left -= n;
  }
  return Status();
}

}  // namespace

void CompressZstd(Bytes in, std::string* out, int level) {
  const std::size_t start = out->size(), bound = ZSTD_compressBound(in.size());
  out->resize(start + bound);
  const std::size_t size = ZSTD_compressCCtx(ThreadCompressor(), out->data() + start, bound,
                                             in.data(), in.size(), level);
  QUIPU_CHECK(!ZSTD_isError(size));  // the buffer is large enough, so only memory can be missing
  out->resize(start + size);
}

Result<std::string> DecompressZstd(Bytes in, std::size_t size) {
  if (in.size() < 4 || LoadLe<std::uint32_t>(in.data()) != ZSTD_MAGICNUMBER) {
    return Status::Corruption("zstd: not a frame");
  }
  // Everything that can be known without decoding is checked before `size` bytes are allocated.
  const unsigned long long stated = ZSTD_getFrameContentSize(in.data(), in.size());
  if (stated != size || size / kZstdRatioMax > in.size() ||
      ZSTD_findFrameCompressedSize(in.data(), in.size()) != in.size()) {
    return Status::Corruption("zstd: not one frame of " + std::to_string(size) +
                              " bytes of content");
  }
  std::string out(size, '\0');
  const std::size_t got =
      ZSTD_decompressDCtx(ThreadDecompressor(), out.data(), size, in.data(), in.size());
  if (ZSTD_isError(got)) return Status::Corruption(std::string("zstd: ") + ZSTD_getErrorName(got));
  if (got != size) return Status::Corruption("zstd: content ends too early");
  return out;
}

void EncodeStrings(std::span<const std::string_view> strings, std::string* out) {
  std::vector<std::int64_t> lengths;
  lengths.reserve(strings.size());
  std::size_t total = 0;
  for (const std::string_view s : strings) {
    lengths.push_back(static_cast<std::int64_t>(s.size()));
    total += s.size();
  }
  QUIPU_CHECK(total <= kTextBytesMax);
  const std::size_t tag_at = out->size();
  out->push_back(static_cast<char>(TextTag::kPlain));
  EncodeIntList(lengths, out);
  const std::size_t text_at = out->size();
  out->reserve(text_at + total);
  for (const std::string_view s : strings) out->append(s);
  if (total <= kZstdFrameBytesMin) return;
  std::string frame;
  CompressZstd(AsBytes(std::string_view(*out).substr(text_at)), &frame);
  if (VarintBytes(frame.size()) + frame.size() >= total) return;
  (*out)[tag_at] = static_cast<char>(TextTag::kZstd);
  out->resize(text_at);
  ByteWriter(out).Text(frame);
}

Status DecodeStrings(Bytes* in, std::size_t count, std::size_t bytes_max, std::string* text,
                     std::vector<std::uint32_t>* offsets) {
  ByteReader tag_reader(*in);
  const std::uint8_t tag = tag_reader.U8();
  QUIPU_TRY(tag_reader.status("strings"));
  if (tag > static_cast<std::uint8_t>(TextTag::kZstd)) {
    return Status::Corruption("strings: unknown tag " + std::to_string(tag));
  }
  Bytes rest = in->subspan(1);
  QUIPU_TRY(ReadOffsets(&rest, count, std::min(bytes_max, kTextBytesMax), offsets));
  const std::size_t total = offsets->back();
  ByteReader reader(rest);
  if (tag == static_cast<std::uint8_t>(TextTag::kPlain)) {
    text->assign(AsText(reader.Raw(total)));
    QUIPU_TRY(reader.status("strings"));
  } else {
    const std::string_view frame = reader.Text();
    QUIPU_TRY(reader.status("strings"));
    QUIPU_TRY_ASSIGN(*text, DecompressZstd(AsBytes(frame), total));
  }
  *in = rest.last(reader.remaining());
  return Status();
}

}  // namespace quipu
