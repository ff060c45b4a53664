#include "import/line_reader.h"

#include <gtest/gtest.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <random>

namespace quipu::import {
namespace {

/// Hands out at most `step` bytes at a time.
class TextSource final : public ByteSource {
 public:
  TextSource(std::string text, std::size_t step) : text_(std::move(text)), step_(step) {}
  Result<std::size_t> Read(std::span<char> out) override {
    const std::size_t n = std::min({step_, out.size(), text_.size() - at_});
    std::memcpy(out.data(), text_.data() + at_, n);
    at_ += n;
    return n;
  }

 private:
  std::string text_;
  std::size_t step_, at_ = 0;
};

std::vector<std::string> AllLines(ByteSource& source) {
  LineReader reader(source);
  std::vector<std::string> lines;
  Line line;
  for (;;) {
    auto more = reader.Next(&line);
    EXPECT_TRUE(more.has_value()) << more.error().ToString();
    if (!more || !*more) return lines;
    lines.emplace_back(line.text);
    EXPECT_EQ(line.number, lines.size());
  }
}

std::string Gzip(const std::string& text) {
  z_stream stream{};
  EXPECT_EQ(deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
  std::string out(text.size() + 1000, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

std::string Zstd(const std::string& text) {
  std::string out(ZSTD_compressBound(text.size()), '\0');
  out.resize(ZSTD_compress(out.data(), out.size(), text.data(), text.size(), 3));
  return out;
}

std::string ReadAll(const std::string& packed, std::size_t step, Status* status) {
  TextSource raw(packed, step);
  auto source = Decompressed(raw);
  std::string all;
  if (!source) {
    *status = source.error();
    return all;
  }
  std::vector<char> buffer(1000);
  for (;;) {
    auto n = (*source)->Read(buffer);
    if (!n) {
      *status = n.error();
      return all;
    }
    if (*n == 0) return all;
    all.append(buffer.data(), *n);
  }
}

TEST(LineReader, LinesOfEveryEnding) {
  for (const std::size_t step : {1u, 2u, 3u, 1000u}) {
    TextSource source("a\r\n\nbb\n\r\nlast", step);
    EXPECT_EQ(AllLines(source), (std::vector<std::string>{"a", "", "bb", "", "last"})) << step;
  }
  TextSource empty("", 10);
  EXPECT_TRUE(AllLines(empty).empty());
  TextSource one("\n", 10);
  EXPECT_EQ(AllLines(one), std::vector<std::string>{""});
}

TEST(LineReader, RandomTextAgainstSimpleSplit) {
  std::mt19937_64 random(7);
  std::string text;
  std::vector<std::string> lines;
  for (int i = 0; i < 3000; ++i) {
    lines.emplace_back(random() % 2000, static_cast<char>('a' + random() % 26));
    text += lines.back() + "\n";
  }
  TextSource source(text, 100'003);
  EXPECT_EQ(AllLines(source), lines);
}

TEST(LineReader, LineTooLongIsCutAndTheNextOneIsFine) {
  const std::string text = std::string(kLineBytesMax + 10, 'x') + "\nshort\n";
  TextSource source(text, 65'536);
  LineReader reader(source);
  Line line;
  ASSERT_TRUE(*reader.Next(&line));
  EXPECT_TRUE(line.too_long());
  EXPECT_EQ(line.length, kLineBytesMax + 10);
  EXPECT_EQ(line.text.size(), kLineBytesMax);
  ASSERT_TRUE(*reader.Next(&line));
  EXPECT_EQ(line.text, "short");
  EXPECT_EQ(line.number, 2u);
  EXPECT_FALSE(*reader.Next(&line));
}

TEST(ByteSource, GzipAndZstdAlsoInSeveralPieces) {
  std::string text;
  for (int i = 0; i < 20'000; ++i) text += "line " + std::to_string(i * i) + "\n";
  for (const std::size_t step : {1u, 7u, 4096u, 1u << 20}) {
    Status status;
    EXPECT_EQ(ReadAll(text, step, &status), text);
    EXPECT_EQ(ReadAll(Gzip(text), step, &status), text);
    EXPECT_EQ(ReadAll(Gzip(text) + Gzip("more\n"), step, &status), text + "more\n");
    EXPECT_EQ(ReadAll(Zstd(text), step, &status), text);
    EXPECT_EQ(ReadAll(Zstd(text) + Zstd("more\n"), step, &status), text + "more\n");
    EXPECT_TRUE(status.ok()) << status.ToString();
  }
}

TEST(ByteSource, CutOrDamagedDataIsAnErrorAfterTheGoodPart) {
  const std::string text(50'000, 'q');
  for (const std::string& packed : {Gzip(text), Zstd(text)}) {
    Status cut;
    ReadAll(packed.substr(0, packed.size() - 3), 4096, &cut);
    EXPECT_EQ(cut.code(), StatusCode::kCorruption) << cut.ToString();
    std::string damaged = packed;
    damaged[6] = static_cast<char>(damaged[6] ^ 0x55);
    for (std::size_t i = 10; i < 20; ++i) damaged[i] = static_cast<char>(damaged[i] ^ 0x55);
    Status bad;
    ReadAll(damaged, 4096, &bad);
    EXPECT_EQ(bad.code(), StatusCode::kCorruption) << bad.ToString();
  }
}

TEST(ByteSource, FilesThatCannotBeRead) {
  auto missing = FileInput::Open("/nonexistent/x.log");
  ASSERT_FALSE(missing.has_value());
  EXPECT_EQ(missing.error().code(), StatusCode::kNotFound);
  auto folder = FileInput::Open("/tmp");
  ASSERT_FALSE(folder.has_value());
  EXPECT_NE(folder.error().message().find("folder"), std::string::npos);
}

}  // namespace
}  // namespace quipu::import
