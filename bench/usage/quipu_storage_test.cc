// The bytes by column must be all bytes, each once.
#include "usage/quipu_storage.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "usage/process.h"

namespace quipu::usage {
namespace {

namespace fs = std::filesystem;

TEST(BytesOfSegments, ADictionaryBelongsToItsDimension) {
  const std::vector<ColumnStorage> parts = {{"times", "", 10, 1},     {"measure", "cost", 20, 1},
                                            {"dimension", "d", 3, 1}, {"dictionary", "d", 4, 1},
                                            {"ids", "", 50, 1},       {"identity_index", "", 6, 1},
                                            {"summaries", "", 7, 1},  {"other", "", 8, 1}};
  const std::map<std::string, double> expected = {
      {"time", 10},          {"cost", 20},     {"d", 7},      {"id", 50},
      {"identity index", 6}, {"summaries", 7}, {"footers", 8}};
  EXPECT_EQ(BytesOfSegments(parts), expected);
}

TEST(AddOtherFiles, MakesTheSumEveryByteOnDisk) {
  std::string pattern = (fs::temp_directory_path() / "quipu-storage-XXXXXX").string();
  ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
  fs::create_directories(pattern + "/kv");
  fs::create_directories(pattern + "/segments");
  std::ofstream(pattern + "/kv/log") << std::string(100, 'k');
  std::ofstream(pattern + "/segments/one") << std::string(5000, 's');
  std::ofstream(pattern + "/LOCK") << "123";
  std::map<std::string, double> bytes = {{"time", 3000}, {"id", 2000}};
  EXPECT_TRUE(AddOtherFiles(pattern, &bytes).ok());
  EXPECT_EQ(bytes["key-value store"], 100);
  EXPECT_EQ(bytes["other files"], 3);
  EXPECT_EQ(Sum(bytes), static_cast<double>(DiskBytes(pattern)));
  bytes = {{"time", 6000}};
  EXPECT_EQ(AddOtherFiles(pattern, &bytes).code(), StatusCode::kInternal);
  fs::remove_all(pattern);
}

}  // namespace
}  // namespace quipu::usage
