#include "segment/segment_frame.h"

#include "base/check.h"

namespace quipu {
namespace {

constexpr std::string_view kHeaderMagic = "QUIPUSEG";
constexpr std::string_view kTrailerMagic = "QUIPUEND";
constexpr std::size_t kHeaderReservedBytes = 16;
constexpr std::size_t kHeaderChecked = kSegmentHeaderBytes - 8;
constexpr std::size_t kTrailerChecked = kSegmentTrailerBytes - 16;

Status CheckVersion(std::uint16_t version, std::string_view file) {
  if (version == kSegmentFormatVersion) return Status();
  if (version == 0) {
    return Status::Corruption(std::string(file) + ": segment format version 0 never existed");
  }
  return Status::Unsupported(std::string(file) + ": segment format version " +
                             std::to_string(version) +
                             ", this build of Quipu reads up to version " +
                             std::to_string(kSegmentFormatVersion) + "; use a newer Quipu");
}

}  // namespace

std::string EncodeSegmentHeader(const SegmentHeader& header) {
  std::string out;
  ByteWriter w(&out);
  w.Raw(kHeaderMagic.data(), kHeaderMagic.size());
  w.U16(kSegmentFormatVersion);
  w.U16(kSegmentHeaderBytes);
  w.U32(static_cast<std::uint32_t>(header.month));
  w.U64(header.segment_id);
  w.U64(header.store_id.high);
  w.U64(header.store_id.low);
  out.append(kHeaderReservedBytes, '\0');
  w.U64(Hash64(out));
  return out;
}

Result<SegmentHeader> DecodeSegmentHeader(Bytes in, std::string_view file) {
  QUIPU_CHECK(in.size() == kSegmentHeaderBytes);
  ByteReader r(in);
  if (AsText(r.Raw(kHeaderMagic.size())) != kHeaderMagic) {
    return Status::Corruption(std::string(file) + ": does not begin like a segment file");
  }
  if (LoadLe<std::uint64_t>(in.data() + kHeaderChecked) != Hash64(in.first(kHeaderChecked))) {
    return Status::Corruption(std::string(file) + ": checksum mismatch in the header");
  }
  QUIPU_TRY(CheckVersion(r.U16(), file));
  const std::uint16_t bytes = r.U16();
  SegmentHeader header;
  header.month = static_cast<MonthIndex>(r.U32());
  header.segment_id = r.U64();
  header.store_id.high = r.U64();
  header.store_id.low = r.U64();
  if (bytes != kSegmentHeaderBytes) {
    return Status::Corruption(std::string(file) + ": header of " + std::to_string(bytes) +
                              " bytes");
  }
  return header;
}

std::string EncodeSegmentTrailer(const SegmentTrailer& trailer) {
  std::string out;
  ByteWriter w(&out);
  w.U64(trailer.footer.offset);
  w.U32(trailer.footer.bytes);
  w.U16(kSegmentFormatVersion);
  w.U16(kSegmentTrailerBytes);
  w.U64(trailer.file_bytes);
  w.U64(Hash64(out));
  w.Raw(kTrailerMagic.data(), kTrailerMagic.size());
  return out;
}

Result<SegmentTrailer> DecodeSegmentTrailer(Bytes in, std::uint64_t file_bytes,
                                            std::string_view file) {
  QUIPU_CHECK(in.size() == kSegmentTrailerBytes);
  if (AsText(in.last(kTrailerMagic.size())) != kTrailerMagic) {
    return Status::Corruption(std::string(file) + ": does not end like a segment file; cut short?");
  }
  if (LoadLe<std::uint64_t>(in.data() + kTrailerChecked) != Hash64(in.first(kTrailerChecked))) {
    return Status::Corruption(std::string(file) + ": checksum mismatch in the trailer");
  }
  ByteReader r(in);
  SegmentTrailer trailer;
  trailer.footer.offset = r.U64();
  trailer.footer.bytes = r.U32();
  QUIPU_TRY(CheckVersion(r.U16(), file));
  const std::uint16_t trailer_bytes = r.U16();
  trailer.file_bytes = r.U64();
  const std::uint64_t before_footer = file_bytes - kSegmentTrailerBytes - trailer.footer.bytes;
  const bool fits =
      trailer_bytes == kSegmentTrailerBytes && trailer.file_bytes == file_bytes &&
      trailer.footer.bytes >= kPageHeaderBytes &&
      trailer.footer.bytes <= file_bytes - kSegmentTrailerBytes - kSegmentHeaderBytes &&
      trailer.footer.offset == before_footer;
  if (!fits) {
    return Status::Corruption(std::string(file) + ": the trailer says " +
                              std::to_string(trailer.file_bytes) + " bytes with the footer at " +
                              std::to_string(trailer.footer.offset) + ", the file has " +
                              std::to_string(file_bytes) + " bytes");
  }
  return trailer;
}

}  // namespace quipu
