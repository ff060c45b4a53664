// docs/PROMISES.md names the tests that break if a promise is not kept. Each of them must exist, and no promise may be without one.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>
#include <set>
#include <string>
#include <vector>

namespace quipu {
namespace {

namespace fs = std::filesystem;

std::string ReadFile(const fs::path& path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// "Suite.Case" of every test in the sources.
std::set<std::string> TestsOf(const fs::path& root) {
  static const std::regex kTest(R"(\nTEST(?:_F|_P)?\(\s*(\w+),\s*(\w+)\))");
  std::set<std::string> tests;
  for (const char* folder : {"engine", "server", "tests", "fuzz"}) {
    for (const auto& entry : fs::recursive_directory_iterator(root / folder)) {
      if (!entry.path().filename().string().ends_with("_test.cc")) continue;
      const std::string text = ReadFile(entry.path());
      for (std::sregex_iterator it(text.begin(), text.end(), kTest), end; it != end; ++it)
        tests.insert((*it)[1].str() + "." + (*it)[2].str());
    }
  }
  return tests;
}

struct Promise {
  std::string title;
  std::vector<std::string> tests;
};

/// The numbered sections of the page, with all `Suite.Case` in them.
std::vector<Promise> PromisesOf(const std::string& page) {
  static const std::regex kHeading(R"(\n## (\d+\. [^\n]*))");
  static const std::regex kName(R"(`(\w+\.[A-Z]\w+)`)");
  std::vector<Promise> promises;
  for (std::sregex_iterator it(page.begin(), page.end(), kHeading), end; it != end; ++it) {
    const std::string rest = it->suffix().str();
    const std::string section = rest.substr(0, rest.find("\n## "));
    Promise promise{(*it)[1].str(), {}};
    for (std::sregex_iterator name(section.begin(), section.end(), kName); name != end; ++name)
      promise.tests.push_back((*name)[1].str());
    promises.push_back(std::move(promise));
  }
  return promises;
}

TEST(Promises, EachIsKeptByTestsThatExist) {
  const fs::path root = QUIPU_SOURCE_DIR;
  const std::set<std::string> tests = TestsOf(root);
  const std::vector<Promise> promises = PromisesOf(ReadFile(root / "docs/PROMISES.md"));
  EXPECT_GT(tests.size(), 100u);
  EXPECT_GE(promises.size(), 10u);
  for (const Promise& promise : promises) {
    EXPECT_FALSE(promise.tests.empty()) << promise.title << " has no test";
    for (const std::string& test : promise.tests)
      EXPECT_TRUE(tests.contains(test)) << promise.title << " names " << test;
  }
}

TEST(Promises, TheReaderSeesNamesAndSections) {
  const std::vector<Promise> promises =
      PromisesOf("\n## 1. One\n`Ab.Cd`, `Options::x`\n## 2. Two\nnone\n## Else\n`Ef.Gh`\n");
  ASSERT_EQ(promises.size(), 2u);
  EXPECT_EQ(promises[0].title, "1. One");
  EXPECT_EQ(promises[0].tests, std::vector<std::string>{"Ab.Cd"});
  EXPECT_TRUE(promises[1].tests.empty());
}

}  // namespace
}  // namespace quipu
