// Runs one fuzz target over its checked-in corpus, one test case per file: seeds keep working, and an input that once broke
// the parser stays fixed. Linked with NAME_fuzz.cc in place of libFuzzer, so it needs no Clang. Folders given as arguments are replayed, too.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

class Replay : public testing::Test {
 public:
  explicit Replay(std::filesystem::path path) : path_(std::move(path)) {}
  void TestBody() override {
    std::ifstream in(path_, std::ios::binary);
    ASSERT_TRUE(in.good()) << path_;
    const std::string bytes((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
    // A copy of exactly this size, so that AddressSanitizer sees a read beyond it.
    const std::vector<std::uint8_t> input(bytes.begin(), bytes.end());
    EXPECT_EQ(LLVMFuzzerTestOneInput(input.data(), input.size()), 0);
  }

 private:
  std::filesystem::path path_;
};

TEST(Corpus, IsThere) {
  ASSERT_TRUE(std::filesystem::is_directory(QUIPU_CORPUS_DIR)) << QUIPU_CORPUS_DIR;
  EXPECT_FALSE(std::filesystem::is_empty(QUIPU_CORPUS_DIR)) << QUIPU_CORPUS_DIR;
}

TEST(Corpus, EmptyInputIsHarmless) { EXPECT_EQ(LLVMFuzzerTestOneInput(nullptr, 0), 0); }

void Register(const std::filesystem::path& corpus) {
  std::error_code none;
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::directory_iterator(corpus, none)) {
    if (entry.is_regular_file()) paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  for (const std::filesystem::path& path : paths) {
    testing::RegisterTest("Replay", path.filename().c_str(), nullptr, nullptr, __FILE__, __LINE__,
                          [path]() -> Replay* { return new Replay(path); });
  }
}

}  // namespace

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  Register(QUIPU_CORPUS_DIR);
  for (int i = 1; i < argc; ++i) Register(argv[i]);
  return RUN_ALL_TESTS();
}
