// Reads the worked examples of formats/encodings.md and holds the code to their very bytes: the
// document cannot drift.
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <sstream>

#include "codec/bitpack.h"
#include "codec/int_codec.h"
#include "codec/text_codec.h"

namespace quipu {
namespace {

struct Example {
  std::string kind;    // "pack", "ints", "list", "strings", "zstd", "ids"
  std::string detail;  // the width, the encoding
  std::vector<std::string> values;
  std::string bytes;
};

std::vector<std::string> Words(const std::string& line) {
  std::istringstream in(line);
  std::vector<std::string> words;
  for (std::string w; in >> w;) {
    if (w != "|") words.push_back(w == "\"\"" ? "" : w);
  }
  return words;
}

// An example is a fenced block "```example" of lines that start with kind, values or bytes.
std::vector<Example> ReadExamples() {
  std::ifstream file(QUIPU_SOURCE_DIR "/formats/encodings.md");
  std::vector<Example> examples;
  bool inside = false;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("```")) {
      inside = line == "```example";
      if (inside) examples.emplace_back();
      continue;
    }
    if (!inside) continue;
    std::vector<std::string> words = Words(line);
    if (words.empty()) continue;
    Example& e = examples.back();
    const std::string head = words[0];
    words.erase(words.begin());
    if (head == "values") {
      e.values.insert(e.values.end(), words.begin(), words.end());
    } else if (head == "bytes") {
      for (const std::string& w : words) {  // "00x112" is 112 times 00
        const std::size_t times = w.size() > 2 ? std::stoul(w.substr(3)) : 1;
        e.bytes.append(times, static_cast<char>(std::stoi(w.substr(0, 2), nullptr, 16)));
      }
    } else {
      e.kind = head;
      for (const std::string& w : words) e.detail += (e.detail.empty() ? "" : " ") + w;
    }
  }
  return examples;
}

// "5" is one value, "5x1024" is 1,024 times 5.
std::vector<std::int64_t> Numbers(const Example& e) {
  std::vector<std::int64_t> numbers;
  for (const std::string& w : e.values) {
    std::size_t end = 0;
    const std::int64_t v = std::stoll(w, &end);
    numbers.insert(numbers.end(), end < w.size() ? std::stoul(w.substr(end + 1)) : 1, v);
  }
  return numbers;
}

void CheckPack(const Example& e) {
  const std::vector<std::int64_t> numbers = Numbers(e);
  const std::vector<std::uint64_t> values(numbers.begin(), numbers.end());
  std::string packed;
  PackBits(values, std::stoi(e.detail), &packed);
  EXPECT_EQ(packed, e.bytes);
  std::vector<std::uint64_t> back(values.size());
  UnpackBits(AsBytes(e.bytes), std::stoi(e.detail), back);
  EXPECT_EQ(back, values);
}

void CheckInts(const Example& e) {
  const std::vector<std::int64_t> values = Numbers(e);
  std::string out;
  if (e.kind == "list") {
    EncodeIntList(values, &out);
  } else {
    int encoding = 0;
    while (encoding + 1 < static_cast<int>(kIntEncodings) &&
           IntEncodingName(static_cast<IntEncoding>(encoding)) != e.detail)
      ++encoding;
    EXPECT_EQ(IntEncodingName(static_cast<IntEncoding>(encoding)), e.detail);
    EXPECT_TRUE(EncodeIntsAs(static_cast<IntEncoding>(encoding), values, &out));
  }
  EXPECT_EQ(out, e.bytes);
  std::vector<std::int64_t> back(values.size());
  Bytes in = AsBytes(e.bytes);
  const Status s = DecodeIntList(&in, back);
  EXPECT_TRUE(s.ok()) << s.ToString();
  EXPECT_TRUE(in.empty());
  EXPECT_EQ(back, values);
}

void CheckText(const Example& e) {
  const std::vector<std::string_view> values(e.values.begin(), e.values.end());
  // What zstd writes may change with its version; what it reads may not.
  if (e.kind != "zstd") {
    std::string out;
    (e.kind == "ids" ? EncodeIds : EncodeStrings)(values, &out);
    EXPECT_EQ(out, e.bytes);
  }
  Bytes in = AsBytes(e.bytes);
  std::string text, expected;
  std::vector<std::uint32_t> offsets, expected_offsets = {0};
  for (const std::string_view v : values) {
    expected += v;
    expected_offsets.push_back(static_cast<std::uint32_t>(expected.size()));
  }
  const Status s =
      (e.kind == "ids" ? DecodeIds : DecodeStrings)(&in, values.size(), 1000, &text, &offsets);
  EXPECT_TRUE(s.ok()) << s.ToString();
  EXPECT_TRUE(in.empty());
  EXPECT_EQ(text, expected);
  EXPECT_EQ(offsets, expected_offsets);
}

TEST(EncodingsGoldenTest, TheDocumentsExamples) {
  std::map<std::string, int> seen;
  for (const Example& e : ReadExamples()) {
    SCOPED_TRACE(e.kind + " " + e.detail);
    ++seen[e.kind == "ints" ? e.detail : e.kind];
    if (e.kind == "pack") {
      CheckPack(e);
    } else if (e.kind == "ints" || e.kind == "list") {
      CheckInts(e);
    } else if (e.kind == "strings" || e.kind == "zstd" || e.kind == "ids") {
      CheckText(e);
    } else {
      ADD_FAILURE() << "an example of unknown kind";
    }
  }
  for (const char* kind :
       {"pack", "constant", "constant delta", "run length", "frame of reference", "patched",
        "dictionary", "delta", "patched delta", "list", "strings", "zstd", "ids"}) {
    EXPECT_GE(seen[kind], 1) << kind;
  }
  EXPECT_GE(seen["ids"], 3);
}

}  // namespace
}  // namespace quipu
