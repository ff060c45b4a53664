// Writes the seeds of the targets: valid messages, from the encoders themselves, and texts that use every word of a language. The same bytes each time.
//
//   build/release/bin/make_seeds fuzz/corpus
//
// The seeds are checked in, so that the tests replay them; run this again when a format has changed.
#include <filesystem>
#include <fstream>
#include <iostream>

#include "base/vfs_testing.h"
#include "fuzz/rows.h"
#include "segment/footer_codec.h"
#include "segment/segment_frame.h"
#include "sketch/distinct_sketch.h"
#include "sketch/quantile_sketch.h"
#include "store/commit_blob.h"
#include "store/manifest.h"

namespace quipu {
namespace {

constexpr std::size_t kSealBytes = 8;  // what the targets put in front themselves

class Seeds {
 public:
  explicit Seeds(std::string folder) : folder_(std::move(folder)) {}

  void WriteAll() {
    Rows();
    Segment();
    Manifest();
    Sketches();
    Imports();
    Questions();
    Logs();
  }

 private:
  void Write(const std::string& target, const std::string& name, std::string_view bytes) {
    const std::filesystem::path folder = std::filesystem::path(folder_) / target;
    std::filesystem::create_directories(folder);
    std::ofstream out(folder / name, std::ios::binary);
    out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    QUIPU_CHECK(out.good());
  }

  static std::string Noise(std::uint32_t bytes, std::uint32_t seed) {
    std::string noise;
    for (std::uint32_t i = 0; i < bytes; ++i)
      noise.push_back(static_cast<char>((i + seed) * 2'654'435'761u >> 24));
    return noise;
  }
  static RowBatch MakeRows(const std::string& noise) {
    fuzz::Input in(reinterpret_cast<const std::uint8_t*>(noise.data()), noise.size());
    return fuzz::TakeRows(&in, 2000);
  }

  void Rows() {
    for (const std::uint32_t bytes : {30u, 400u, 4000u}) {
      const std::string noise = Noise(bytes, bytes), name = "events_" + std::to_string(bytes);
      Write("rows_fuzz", name, noise);
      const auto blob = EncodeCommit(bytes, MakeRows(noise));
      Write("commit_fuzz", name, std::string_view(*blob).substr(kSealBytes));
    }
    Write("commit_fuzz", "empty", std::string_view(*EncodeCommit(1, {})).substr(kSealBytes));
    for (int page = 0; page < 40; page += 4)
      Write("segment_fuzz", "page_" + std::to_string(page),
            std::string{static_cast<char>(page), 3, 0, 127});
  }

  void Segment() {
    MemoryVfs vfs;
    const fuzz::FuzzNames names;
    QUIPU_CHECK(vfs.MakeFolder("/s").ok());
    auto writer = SegmentWriter::Create(&vfs, "/s", {{1, 2}, 12, fuzz::kMonth, 1, 9}, &names);
    QUIPU_CHECK(writer.has_value());
    (*writer)->SetDimensionSets({fuzz::FuzzSet()});
    QUIPU_CHECK((*writer)->Append(MakeRows(Noise(3000, 1))).ok());
    const auto meta = (*writer)->Finish();
    const std::string file = *ReadWholeFile(vfs, "/s/" + meta->file_name, 1 << 30);
    const auto payload = [&](const PageRef& ref) {
      return std::string_view(file).substr(ref.offset + kPageHeaderBytes,
                                           ref.bytes - kPageHeaderBytes);
    };
    const PageRef footer_ref =
        DecodeSegmentTrailer(
            AsBytes(std::string_view(file).substr(file.size() - kSegmentTrailerBytes)), file.size(),
            "seed")
            ->footer;
    std::string seed;
    ByteWriter(&seed).U32(static_cast<std::uint32_t>(footer_ref.offset));
    Write("footer_fuzz", "footer", seed + std::string(payload(footer_ref)));
    const auto footer = DecodeFooter(AsBytes(payload(footer_ref)), footer_ref.offset);
    for (const PlacedPage& page : PagesOf(*footer)) WritePage(*footer, page, payload(page.ref));
    std::string totals;
    footer->totals.EncodeTo(&totals);
    WriteOfPages("totals", 8, footer->rows, totals);
    SegmentMeta installed = *meta;
    installed.run = 12;
    WriteManifest("segment", 7, EncodeSegment(installed));
    WriteManifest("last", 5, EncodeLastCommit({9, meta->totals, {1, 2, 3}, 4}));
    WriteManifest(
        "freeze", 10,
        EncodeFreeze({"2026-03", 9, 100, meta->totals.rows + 5, true, false, false, meta->totals}));
  }

  void WritePage(const SegmentFooter& footer, const PlacedPage& page, std::string_view payload) {
    static constexpr std::array<int, 14> kDecoders = {-1, 0, 1, 2, 3, 4, 6, 3, 7, 5, 5, -1, 5, 9};
    const int decoder = kDecoders[static_cast<std::size_t>(page.place.kind)];
    WriteOfPages(
        std::string(PageKindName(page.place.kind)) + "_" + std::to_string(page.place.column),
        decoder, footer.rows, payload);
  }
  void WriteOfPages(std::string name, int decoder, std::uint32_t rows, std::string_view payload) {
    std::replace(name.begin(), name.end(), ' ', '_');
    std::string seed;
    ByteWriter w(&seed);
    w.U8(static_cast<std::uint8_t>(decoder));
    w.U16(static_cast<std::uint16_t>(rows - 1));
    Write("pages_fuzz", name, seed + std::string(payload));
  }

  void WriteManifest(const std::string& name, char row, const std::string& value) {
    Write("manifest_fuzz", name, std::string(1, row) + value.substr(kSealBytes));
  }
  void Manifest() {
    WriteManifest("archive", 0, EncodeArchive({1, "/cold", false}));
    WriteManifest("class", 1, EncodeClass(7, "gold"));
    WriteManifest("forgotten", 2, EncodeForgotten(fuzz::kMonth, {0, 2, 5}));
    WriteManifest("policy", 3,
                  EncodePolicy({{{.name = "all", .service = "api", .keep_raw_days = 400}}}));
    WriteManifest("store", 4, EncodeStoreRecord({1, {3, 4}, 5}));
    WriteManifest("counter", 6, EncodeCounter(kSealedKey, 77));
    WriteManifest("erasure", 8, EncodeErasure({3, 7, 12, 100, 200}));
    ProducerState producer{2, 9, {{8, 4, 99, {0, 1, 3}, {{2, "made"}}}, {9, 0, 98, {1}, {}}}};
    WriteManifest("producer", 9, EncodeProducer("billing", producer));
  }

  void Sketches() {
    for (const int values : {0, 3, 1000, 3000}) {
      QuantileSketch quantiles;
      DistinctSketch distinct;
      for (int i = 0; i < values; ++i) {
        quantiles.Add(Int128{i} * i * 7919 - 1000, i % 5);
        distinct.Add(static_cast<std::uint64_t>(i) * 0x9E37'79B9'7F4A'7C15);
      }
      std::string a(1, '\0'), b(1, '\1');
      quantiles.EncodeTo(&a);
      distinct.EncodeTo(&b);
      Write("sketch_fuzz", "quantile_" + std::to_string(values), a);
      Write("sketch_fuzz", "distinct_" + std::to_string(values), b);
    }
  }

  void Imports() {
    const std::string ndjson(1, '\0'), csv(1, '\1'), combined(1, '\2');
    Write(
        "import_fuzz", "ndjson",
        ndjson +
            R"({"id":"a1","source":"s","time":"2026-01-05T10:00:00.123456Z","customer":"acme","service":"api","quantity":2.50,"cost":"0.25","dimensions":{"region":"eu\u00e4"},"measures":{"tokens":12e2}})"
            "\n\n"
            R"({"customer":"bolt","service":"api","time":1767225600,"cost":null})"
            "\n");
    Write("import_fuzz", "csv",
          csv +
              "id,customer,service,time,quantity,cost,dimensions.region,measures.tokens\n"
              "1,acme,api,2026-01-05 10:00:00,1,0.5,\"e\"\"u\",7\n"
              "2,\"two\nlines\",api,2026-01-05,,,,\n");
    Write(
        "import_fuzz", "combined",
        combined +
            R"(83.149.9.216 - - [17/May/2015:10:05:03 +0000] "GET /a.png HTTP/1.1" 200 203023 "http://from/" "Mozilla/5.0 \"x\"")"
            "\n"
            R"(::1 - frank [01/Jan/2026:23:59:60 -0130] "-" 408 -)"
            "\n");
  }

  void Questions() {
    Write("query_fuzz", "totals", "s count,sum(quantity),sum(cost),avg(cost)\ng customer,service");
    Write("query_fuzz", "states",
          "s before(count),sum(cost),growth(sum(cost))\ne day UTC\nq 2\ni half\ny half");
    Write("query_fuzz", "days",
          "s count,p95(tokens),min(cost),max(cost),distinct(customer)\ne day Europe/Berlin\nl\n"
          "f 2026-04-03\nt 2026-05-10\ng service\no -count\nn 5");
    Write("query_fuzz", "rows",
          "s count,first(quantity),latest(cost),distinct(region)\nw region=eu\nw tokens>=100\n"
          "g region\nc c1\nv api\nz");
    Write("query_fuzz", "changes",
          "s count,change(sum(cost)),change_percent(count, week)\ne week\nw region in (eu,us)");
    Write(
        "query_fuzz", "windows",
        "s rate(count),cumulative(sum(quantity)),moving_avg(sum(cost), 3)\ne hour Asia/Kathmandu\n"
        "f 2026-04-03T05\nt 2026-04-05\ng customer\nl");
    Write("query_fuzz", "peaks",
          "s peak(sum(tokens), hour),peak_time(count, day),share(count)\ne month\ng service");
    Write("query_fuzz", "periods",
          "s before(count),growth(sum(cost)),growth_percent(count)\nf 2026-05-01\nt 2026-05-20\n"
          "a 2026-04-01 2026-04-20\ng customer\nn 1\nx\no -count");
    Write("query_fuzz", "levels",
          "s time_weighted_sum(tokens, region),time_weighted_avg(tokens),max_concurrency(tokens, "
          "min),"
          "avg_concurrency(tokens, s)\ne day\nf 2026-04-02\nt 2026-04-20");
    Write("query_fuzz", "pages",
          "s count\nw region!=eu\nn 20\np 8006527ed9d08000" + std::string(32, '7') + "\nv storage");
    Write("query_fuzz", "sessions", "s count\nb region\nd 36000000000\nn 7\nc c0\nc c2\nz");
  }

  // ---- logs of RocksDB; see log_fuzz.cc

  void Logs() {
    const auto piece = [](char kind, std::uint16_t bytes, char flaw) {
      std::string text(1, kind);
      ByteWriter(&text).U16(bytes);
      return text + flaw;
    };
    std::string whole, parts, torn, zeros;
    for (int i = 0; i < 6; ++i) whole += piece(1, static_cast<std::uint16_t>(20 + i), 0);
    parts = piece(2, 32'761, 0) + piece(3, 32'761, 0) + piece(4, 100, 0) + piece(1, 12, 0);
    torn = piece(1, 50, 0) + piece(1, 60, 3) + piece(1, 30, 0);
    zeros = piece(1, 50, 0) + piece(1, 4000, 1);
    for (const auto& [name, text] : {std::pair("whole", whole), std::pair("parts", parts),
                                     std::pair("torn", torn), std::pair("zeros", zeros)})
      Write("log_fuzz", name, text);
  }

  const std::string folder_;
};

}  // namespace
}  // namespace quipu

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: make_seeds CORPUS_FOLDER\n";
    return 2;
  }
  quipu::Seeds(argv[1]).WriteAll();
  return 0;
}
