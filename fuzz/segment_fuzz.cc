// A segment whose pages were changed and given right checksums again: nothing that a reader offers crashes, and what is refused is
// corruption. Checksums keep damage out; this is what stands behind them.
//
// Input: changes of 4 bytes each: page, offset in its payload (two bytes, little endian), value.
#include <cstring>

#include "base/hash.h"
#include "base/vfs_testing.h"
#include "fuzz/rows.h"
#include "segment/footer_codec.h"
#include "segment/segment_frame.h"

namespace {

using namespace quipu;
constexpr std::size_t kChangesMax = 64;

/// A sound file of two vectors, with every kind of page.
struct Base {
  std::string bytes, name;
  std::vector<PlacedPage> pages;  // the footer last
};

Base MakeBase() {
  std::string noise;
  for (std::uint32_t i = 0; i < 40'000; ++i)
    noise.push_back(static_cast<char>(i * 2'654'435'761u >> 24));
  fuzz::Input in(reinterpret_cast<const std::uint8_t*>(noise.data()), noise.size());
  const fuzz::FuzzNames names;
  MemoryVfs vfs;
  QUIPU_CHECK(vfs.MakeFolder("/s").ok());
  const SegmentSpec spec{{1, 2}, 3, fuzz::kMonth, 1, 9};
  auto writer = SegmentWriter::Create(&vfs, "/s", spec, &names);
  QUIPU_CHECK(writer.has_value());
  (*writer)->SetDimensionSets({fuzz::FuzzSet()});
  QUIPU_CHECK((*writer)->Append(fuzz::TakeRows(&in, 1500)).ok());
  const auto meta = (*writer)->Finish();
  QUIPU_CHECK(meta.has_value());
  Base base{*ReadWholeFile(vfs, "/s/" + meta->file_name, 1 << 30), meta->file_name, {}};
  const auto trailer = DecodeSegmentTrailer(
      AsBytes(std::string_view(base.bytes).substr(base.bytes.size() - kSegmentTrailerBytes)),
      base.bytes.size(), "base");
  const PageRef footer = trailer->footer;
  base.pages = PagesOf(*DecodeFooter(
      AsBytes(std::string_view(base.bytes)
                  .substr(footer.offset + kPageHeaderBytes, footer.bytes - kPageHeaderBytes)),
      footer.offset));
  base.pages.push_back(
      {{spec.store_id, spec.segment_id, PageKind::kFooter, 0, 0, footer.offset}, footer});
  return base;
}

std::string Changed(const Base& base, fuzz::Input* in) {
  std::string bytes = base.bytes;
  std::vector<bool> touched(base.pages.size(), false);
  for (std::size_t n = 0; n < kChangesMax && in->left() >= 4; ++n) {
    const std::size_t page = in->Take(1) % base.pages.size();
    const PageRef& ref = base.pages[page].ref;
    const std::uint64_t offset = in->Take(2) % (ref.bytes - kPageHeaderBytes);
    bytes[ref.offset + kPageHeaderBytes + offset] = static_cast<char>(in->Take(1));
    touched[page] = true;
  }
  for (std::size_t i = 0; i < touched.size(); ++i) {
    if (!touched[i]) continue;
    const auto& [place, ref] = base.pages[i];
    const std::uint64_t checksum =
        Hash64(std::string_view(bytes).substr(ref.offset + 8, ref.bytes - 8), PlaceSeed(place));
    std::memcpy(bytes.data() + ref.offset, &checksum, sizeof checksum);
  }
  return bytes;
}

void CheckRefusal(const Status& status) {
  QUIPU_CHECK(status.ok() || status.code() == StatusCode::kCorruption ||
              status.code() == StatusCode::kUnsupported);
}

void ReadEverything(const SegmentReader& reader) {
  SegmentNames names;
  CheckRefusal(reader.ReadNames(&names));
  CheckRefusal(reader.summaries().error());
  for (std::size_t set = 0; set < reader.dimension_sets().size(); ++set) {
    if (!reader.dimension_sets()[set].covered.empty())
      CheckRefusal(reader.dimension_cells(set).error());
  }
  for (std::uint32_t first = 0; first < reader.rows(); first += 700) {
    const auto rows = reader.ReadRows(first, std::min(700u, reader.rows() - first));
    CheckRefusal(rows.error());
    if (!rows) continue;
    std::vector<IdentityProbe> probes;
    for (std::size_t i = 0; i < rows->size(); i += 50)
      probes.push_back({rows->identities[i], rows->id_forms[i]});
    std::vector<IdentitySuspect> suspects;
    CheckRefusal(reader.FindIdentities(probes, &suspects));
  }
  SegmentVerifyReport report;
  CheckRefusal(reader.Verify(&report));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Base base = MakeBase();
  fuzz::Input in(data, size);
  const std::string bytes = Changed(base, &in);
  MemoryVfs vfs;
  QUIPU_CHECK(vfs.MakeFolder("/s").ok());
  QUIPU_CHECK(WriteFileDurably(vfs, "/s/" + base.name, AsBytes(bytes)).ok());
  const auto reader = SegmentReader::Open(&vfs, "/s/" + base.name, nullptr, nullptr);
  CheckRefusal(reader.error());
  if (reader) ReadEverything(**reader);
  return 0;
}
