#include "segment/page.h"

#include <array>

#include "base/check.h"
#include "codec/text_codec.h"

namespace quipu {
namespace {

std::string PlaceText(const PagePlace& place, std::string_view file) {
  return std::string(file) + ": " + std::string(PageKindName(place.kind)) + " page, column " +
         std::to_string(place.column) + ", ordinal " + std::to_string(place.ordinal) + ", offset " +
         std::to_string(place.offset);
}

constexpr std::size_t kChecksumBytes = 8;
constexpr std::uint8_t kPageIsWrapped = 1;
constexpr std::size_t kWrapHeaderBytes = 4;

/// The page's payload wrapped, or empty if that is not smaller.
std::string Wrapped(Bytes payload, int level) {
  std::string out;
  if (level <= 0) return out;
  ByteWriter(&out).U32(static_cast<std::uint32_t>(payload.size()));
  CompressZstd(payload, &out, level);
  if (out.size() >= payload.size()) out.clear();
  return out;
}

Result<std::string> Unwrapped(Bytes payload) {
  ByteReader in(payload);
  const std::uint32_t size = in.U32();
  QUIPU_TRY(in.status("wrapped page"));
  if (size > kPagePayloadBytesMax || size <= payload.size()) {
    return Status::Corruption("wrapped page: impossible size unwrapped " + std::to_string(size));
  }
  return DecompressZstd(payload.subspan(kWrapHeaderBytes), size);
}

}  // namespace

std::string_view PageKindName(PageKind kind) {
  switch (kind) {
    case PageKind::kTimes:
      return "times";
    case PageKind::kMeasure:
      return "measure";
    case PageKind::kDimension:
      return "dimension";
    case PageKind::kDictionary:
      return "dictionary";
    case PageKind::kIds:
      return "ids";
    case PageKind::kDirectory:
      return "directory";
    case PageKind::kNames:
      return "names";
    case PageKind::kSummaries:
      return "summaries";
    case PageKind::kDimensionCells:
      return "dimension cells";
    case PageKind::kIdentityPrefix:
      return "identity prefix";
    case PageKind::kIdentityKeys:
      return "identity keys";
    case PageKind::kIdentityRows:
      return "identity rows";
    case PageKind::kFooter:
      return "footer";
  }
  return "unknown";
}

// 48 bytes: store id (high, low), segment id, offset, then kind, column, ordinal and a zero as 32 bits each.
std::uint64_t PlaceSeed(const PagePlace& place) {
  std::array<std::uint64_t, 6> words = {
      place.store_id.high,
      place.store_id.low,
      place.segment_id,
      place.offset,
      static_cast<std::uint64_t>(place.kind) | (static_cast<std::uint64_t>(place.column) << 32),
      static_cast<std::uint64_t>(place.ordinal)};
  return Hash64(Bytes(reinterpret_cast<const std::uint8_t*>(words.data()), sizeof words));
}

std::uint32_t AppendPage(const PagePlace& place, Bytes payload, int wrap_level, std::string* out) {
  QUIPU_CHECK(payload.size() <= kPagePayloadBytesMax);
  const std::string wrapped = Wrapped(payload, wrap_level);
  if (!wrapped.empty()) payload = AsBytes(wrapped);
  const std::size_t start = out->size();
  out->reserve(start + kPageHeaderBytes + payload.size());
  ByteWriter w(out);
  w.U64(0);
  w.U32(static_cast<std::uint32_t>(payload.size()));
  w.U8(static_cast<std::uint8_t>(place.kind));
  w.U8(wrapped.empty() ? 0 : kPageIsWrapped);
  w.U16(0);
  w.Raw(payload.data(), payload.size());
  const std::uint64_t checksum =
      Hash64(AsBytes(*out).subspan(start + kChecksumBytes), PlaceSeed(place));
  std::memcpy(out->data() + start, &checksum, sizeof checksum);
  return static_cast<std::uint32_t>(out->size() - start);
}

Result<Bytes> OpenPage(const PagePlace& place, Bytes page, std::string_view file,
                       std::string* unwrapped) {
  if (page.size() < kPageHeaderBytes || page.size() - kPageHeaderBytes > kPagePayloadBytesMax) {
    return Status::Corruption(PlaceText(place, file) + ": impossible page size " +
                              std::to_string(page.size()));
  }
  ByteReader header(page.first(kPageHeaderBytes));
  const std::uint64_t checksum = header.U64();
  const std::uint32_t payload_bytes = header.U32();
  const std::uint8_t kind = header.U8();
  const std::uint8_t flags = header.U8();
  const std::uint16_t key_id = header.U16();
  if (payload_bytes != page.size() - kPageHeaderBytes) {
    return Status::Corruption(PlaceText(place, file) + ": the page says " +
                              std::to_string(payload_bytes) + " payload bytes, its reference " +
                              std::to_string(page.size() - kPageHeaderBytes));
  }
  if (Hash64(page.subspan(kChecksumBytes), PlaceSeed(place)) != checksum) {
    return Status::Corruption(
        PlaceText(place, file) +
        ": checksum mismatch; the bytes are damaged or belong to another place");
  }
  if (kind != static_cast<std::uint8_t>(place.kind)) {
    return Status::Corruption(PlaceText(place, file) + ": the page is of kind " +
                              std::to_string(kind));
  }
  if ((flags & ~kPageIsWrapped) != 0 || key_id != 0) {
    return Status::Unsupported(PlaceText(place, file) + ": flags " + std::to_string(flags) +
                               ", key id " + std::to_string(key_id) +
                               "; a newer version of Quipu wrote this page");
  }
  const Bytes payload = page.subspan(kPageHeaderBytes);
  if ((flags & kPageIsWrapped) == 0) return payload;
  Result<std::string> opened = Unwrapped(payload);
  if (!opened) return opened.error().WithContext(PlaceText(place, file));
  *unwrapped = *std::move(opened);
  return AsBytes(*unwrapped);
}

Status MovePage(const PagePlace& from, const PagePlace& to, std::string_view file,
                std::string* page) {
  std::string unwrapped;
  QUIPU_TRY(OpenPage(from, AsBytes(*page), file, &unwrapped).error());
  const std::uint64_t checksum = Hash64(AsBytes(*page).subspan(kChecksumBytes), PlaceSeed(to));
  std::memcpy(page->data(), &checksum, sizeof checksum);
  return {};
}

}  // namespace quipu
