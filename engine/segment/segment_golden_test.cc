// The file format, held by the hand: formats/golden/segment_v1.seg is written again byte for byte, and read. segment_v1.txt beside it
// is the same content for people. After a deliberate change of the format, run with QUIPU_WRITE_GOLDEN=1 and review the difference.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>

#include "segment/footer_codec.h"
#include "segment/segment.h"
#include "segment/segment_frame.h"
#include "segment/segment_testing.h"

namespace quipu {
namespace {

const std::string kGolden = std::string(QUIPU_SOURCE_DIR) + "/formats/golden/segment_v1";

// Three customers, two services, every kind of value.
RowBatch GoldenRows(const Names& names) {
  RowBatchBuilder builder;
  const TimeUs from = MonthStart(kTestMonth);
  const auto add = [&](CustomerOrdinal customer, ServiceOrdinal service, TimeUs time,
                       const std::string& id, const std::string& source) {
    builder.BeginRow(customer, service, from + time,
                     MakeIdentity(names.Customer(customer), source, id), id, source);
    builder.AddMeasure(kQuantityColumn, Decimal(1));
  };
  const auto value = [](const char* text) { return *Decimal::Parse(text); };
  add(3, 0, 0, "00000000-0000-7000-8000-000000000001", "");
  builder.AddMeasure(kCostColumn, value("0.25"));
  builder.AddDimension(0, "eu");
  add(3, 0, kHourUs, "00000000-0000-7000-8000-000000000002", "");
  builder.AddMeasure(kCostColumn, value("12.5"));
  builder.AddDimension(0, "us");
  builder.AddDimension(4, "");
  add(3, 1, kDayUs - 1, "plain id", "importer");
  builder.AddMeasure(2, value("99999999999999999999.999999999999999999"));
  add(7, 1, kDayUs, "0123456789abcdef", "");
  builder.AddMeasure(2, value("-0.000000000000000001"));
  builder.AddDimension(4, "caf\xC3\xA9");
  add(9, 0, 30 * kDayUs + 5, "x", "");
  builder.AddMeasure(kCostColumn, value("0"));
  builder.AddDimension(0, "eu");
  return builder.Finish();
}

std::string RowText(const RowBatch& rows, std::size_t i, const Names& names) {
  std::string text = std::string(names.Customer(rows.customers[i])) + " " +
                     std::string(names.Service(rows.services[i])) + " " +
                     FormatTime(rows.times[i]) + " id='" +
                     rows.IdText(i, names.Customer(rows.customers[i])) + "' source='" +
                     std::string(rows.sources.Text(i)) + "'";
  for (const DecimalColumn& m : rows.measures) {
    if (m.IsPresent(i))
      text += " " + std::string(names.Measure(m.id)) + "=" + m.Value(i).ToString();
  }
  for (const CodedColumn& d : rows.dimensions) {
    if (d.IsPresent(i))
      text += " " + std::string(names.Dimension(d.id)) + "='" + std::string(d.Text(i)) + "'";
  }
  return text + "\n";
}

void AppendHex(const std::string& file, std::size_t offset, std::size_t size, std::string* out) {
  constexpr std::size_t kLine = 16;
  for (std::size_t at = offset; at < offset + size; at += kLine) {
    char buffer[32];
    std::snprintf(buffer, sizeof buffer, "  %06zx ", at);
    *out += buffer;
    for (std::size_t i = at; i < std::min(at + kLine, offset + size); ++i) {
      std::snprintf(buffer, sizeof buffer, " %02x",
                    static_cast<unsigned>(static_cast<unsigned char>(file[i])));
      *out += buffer;
    }
    *out += "\n";
  }
}

std::string Dump(const std::string& file, const RowBatch& rows, const Names& names) {
  std::string out = "segment_v1.seg, " + std::to_string(file.size()) + " bytes\n\nrows\n";
  for (std::size_t i = 0; i < rows.size(); ++i)
    out += "  " + std::to_string(i) + " " + RowText(rows, i, names);
  out += "\nheader\n";
  AppendHex(file, 0, kSegmentHeaderBytes, &out);
  const SegmentTrailer trailer =
      *DecodeSegmentTrailer(AsBytes(file).last(kSegmentTrailerBytes), file.size(), "golden");
  const Bytes payload = AsBytes(file).subspan(trailer.footer.offset + kPageHeaderBytes,
                                              trailer.footer.bytes - kPageHeaderBytes);
  std::vector<PlacedPage> pages = PagesOf(*DecodeFooter(payload, trailer.footer.offset));
  pages.push_back({{{}, 0, PageKind::kFooter, 0, 0, 0}, trailer.footer});
  for (const PlacedPage& page : pages) {
    out += "\n" + std::string(PageKindName(page.place.kind)) + " page, column " +
           std::to_string(page.place.column) + ", ordinal " + std::to_string(page.place.ordinal) +
           "\n";
    AppendHex(file, page.ref.offset, page.ref.bytes, &out);
  }
  out += "\ntrailer\n";
  AppendHex(file, file.size() - kSegmentTrailerBytes, kSegmentTrailerBytes, &out);
  return out;
}

std::string ReadFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

void WriteGolden(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

TEST(SegmentGoldenTest, TodaysWriterMakesTheSameFile) {
  const NumberNames names;
  MemoryVfs vfs;
  ASSERT_TRUE(vfs.MakeFolder("/s").ok());
  const RowBatch rows = GoldenRows(names);
  const Result<SegmentMeta> meta = WriteSegment(&vfs, names, rows);
  ASSERT_TRUE(meta) << meta.error().ToString();
  const std::string bytes = *ReadWholeFile(vfs, PathOf(*meta), 1u << 20);
  if (std::getenv("QUIPU_WRITE_GOLDEN") != nullptr) {
    WriteGolden(kGolden + ".seg", bytes);
    WriteGolden(kGolden + ".txt", Dump(bytes, rows, names));
  }
  EXPECT_TRUE(bytes == ReadFile(kGolden + ".seg"))
      << "the format has changed; see the top of this file";
  EXPECT_EQ(Dump(bytes, rows, names), ReadFile(kGolden + ".txt"));
}

TEST(SegmentGoldenTest, TodaysReaderReadsIt) {
  const NumberNames names;
  Result<std::shared_ptr<SegmentReader>> reader =
      SegmentReader::Open(Vfs::Posix(), kGolden + ".seg", nullptr, nullptr);
  ASSERT_TRUE(reader) << reader.error().ToString();
  const RowBatch expected = GoldenRows(names);
  const Result<RowBatch> rows = (*reader)->ReadRows(0, (*reader)->rows());
  ASSERT_TRUE(rows) << rows.error().ToString();
  ASSERT_EQ(rows->size(), expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i)
    EXPECT_EQ(RowText(*rows, i, names), RowText(expected, i, names));
  EXPECT_EQ((*reader)->meta().spec.seq_last, 9u);
  EXPECT_EQ((*reader)->meta().customers, 3u);
  SegmentVerifyReport report;
  EXPECT_TRUE((*reader)->Verify(&report).ok());
}

}  // namespace
}  // namespace quipu
