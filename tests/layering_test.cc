// The house rules that a compiler does not know: which folder may include which, what a public header may pull in, and how
// large and how named things may be. Reads the sources of the repository; needs nothing of Quipu itself.
//
// The allowed arrows come from the `quipu_folder(NAME DEPENDS ...)` lines of engine/*/CMakeLists.txt, which are also the link
// lines, and are compared with the picture below: changing the architecture means changing both, knowingly.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace {

namespace fs = std::filesystem;

using Names = std::set<std::string>;
/// Folder under engine/ -> folders it may include, itself left out.
using Arrows = std::map<std::string, Names>;

/// The picture. Every folder may also include itself and quipu/.
const Arrows kPicture = {
    {"base", {}},
    {"codec", {"base"}},
    {"sketch", {"base"}},
    {"batch", {"base"}},
    {"segment", {"base", "codec", "sketch", "batch"}},
    {"store", {"base", "codec", "sketch", "batch", "segment"}},
    {"ingest", {"base", "batch", "segment", "store"}},
    {"query", {"base", "codec", "sketch", "batch", "segment", "store"}},
    {"upkeep", {"base", "sketch", "batch", "segment", "store"}},
    {"db", {"base", "batch", "segment", "store", "ingest", "query", "upkeep"}},
};

/// Folders with sources of ours.
const std::vector<std::string> kSourceFolders = {"include", "engine", "server", "formats", "tests",
                                                 "bench",   "fuzz",   "cmake",  ".ci",     "docs"};

struct SourceFile {
  std::string path;  ///< Relative to the repository, with '/'.
  std::string text;
};

struct Include {
  int line = 0;
  bool angle = false;
  std::string target;
};

bool StartsWith(std::string_view s, std::string_view prefix) {
  return s.substr(0, prefix.size()) == prefix;
}
bool EndsWith(std::string_view s, std::string_view suffix) {
  return s.size() >= suffix.size() && s.substr(s.size() - suffix.size()) == suffix;
}
bool IsCpp(std::string_view path) { return EndsWith(path, ".h") || EndsWith(path, ".cc"); }
bool IsTest(std::string_view path) {
  return EndsWith(path, "_test.cc") || EndsWith(path, "_testing.h") ||
         EndsWith(path, "_testing.cc") || StartsWith(path, "tests/") ||
         StartsWith(path, "bench/") || StartsWith(path, "fuzz/");
}

/// Whether `path` belongs to what a testing header declares: engine/base/vfs_fault.cc to "base/vfs_testing.h".
bool Implements(const std::string& path, const std::string& testing_header) {
  const std::string stem =
      testing_header.substr(0, testing_header.size() - std::string_view("testing.h").size());
  return EndsWith(path, ".cc") && StartsWith(path, "engine/" + stem);
}

/// The first component of a path with a '/', else empty.
std::string FirstFolder(std::string_view path) {
  const std::size_t slash = path.find('/');
  return slash == std::string_view::npos ? std::string() : std::string(path.substr(0, slash));
}
/// "codec" for engine/codec/x.cc; empty outside engine/.
std::string EngineFolder(std::string_view path) {
  return StartsWith(path, "engine/") ? FirstFolder(path.substr(7)) : std::string();
}

std::vector<std::string> Lines(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

/// The #include lines. One inside a block comment or a raw string counts too, unless the line starts otherwise.
std::vector<Include> IncludesOf(const SourceFile& file) {
  static const std::regex kInclude(R"re(^\s*#\s*include\s*(["<])([^">]+)[">])re");
  std::vector<Include> found;
  int number = 0;
  for (const std::string& line : Lines(file.text)) {
    ++number;
    std::smatch match;
    if (std::regex_search(line, match, kInclude)) {
      found.push_back({number, match[1] == "<", match[2]});
    }
  }
  return found;
}

/// A standard header: no folder, no extension, or one of the C headers that a C ABI needs.
bool IsStandardHeader(const std::string& target) {
  static const Names kC = {"stddef.h", "stdint.h", "stdbool.h"};
  return kC.contains(target) || target.find_first_of("/.") == std::string::npos;
}

/// Why this include is not allowed; empty if it is.
std::string Objection(const SourceFile& file, const Include& include, const Arrows& arrows,
                      const Names& server_files) {
  const std::string& target = include.target;
  const std::string folder = FirstFolder(target);
  if (EndsWith(target, "_testing.h") && !IsTest(file.path) && !Implements(file.path, target))
    return "only tests may include a testing header";
  if (folder == "quipu") return include.angle ? "write it with quotes" : "";
  const bool names_engine = arrows.contains(folder);

  if (StartsWith(file.path, "include/")) {
    return include.angle && IsStandardHeader(target)
               ? ""
               : "a public header includes only quipu/ and the standard library";
  }
  if (StartsWith(file.path, "server/")) {
    if (include.angle) return names_engine ? "server/ sees the engine only through quipu/" : "";
    const std::string beside = file.path.substr(0, file.path.rfind('/') + 1) + target;
    if (server_files.contains(beside) || server_files.contains("server/" + target)) return "";
    if (server_files.contains(target)) return "";
    return "server/ includes only quipu/, its own headers and libraries";
  }
  const std::string own = EngineFolder(file.path);
  if (own.empty()) return "";  // tests, benchmarks and fuzz targets see everything
  if (!names_engine) {
    if (include.angle || folder == "formats") return "";
    return "write an internal header as \"folder/file.h\" with a folder of engine/";
  }
  if (folder == own) return "";
  const auto allowed = arrows.find(own);
  if (allowed == arrows.end()) return "engine/" + own + " has no quipu_folder line";
  return allowed->second.contains(folder) ? ""
                                          : "engine/" + own + " may not include engine/" + folder;
}

/// Every forbidden include, as "path:line: target: why".
std::vector<std::string> CheckIncludes(const std::vector<SourceFile>& files, const Arrows& arrows) {
  std::vector<std::string> wrong;
  Names server_files;
  for (const SourceFile& file : files) {
    if (StartsWith(file.path, "server/")) server_files.insert(file.path);
  }
  for (const SourceFile& file : files) {
    if (!IsCpp(file.path)) continue;
    for (const Include& include : IncludesOf(file)) {
      const std::string why = Objection(file, include, arrows, server_files);
      if (!why.empty()) {
        wrong.push_back(file.path + ":" + std::to_string(include.line) + ": " + include.target +
                        ": " + why);
      }
      if (FirstFolder(include.target) == "rocksdb" && !IsTest(file.path) &&
          !StartsWith(file.path, "engine/store/kv_rocks")) {
        wrong.push_back(file.path + ": only engine/store/kv_rocks* includes RocksDB");
      }
    }
  }
  return wrong;
}

/// Words that mark unfinished work, outside this list's own spelling of them.
std::vector<std::string> CheckMarks(const std::vector<SourceFile>& files) {
  static const std::regex kMark(
      "\\b(TO"
      "DO|FIX"
      "ME|XX"
      "X|HA"
      "CK)\\b");
  std::vector<std::string> wrong;
  for (const SourceFile& file : files) {
    int number = 0;
    for (const std::string& line : Lines(file.text)) {
      ++number;
      if (std::regex_search(line, kMark))
        wrong.push_back(file.path + ":" + std::to_string(number) + ": " + line);
    }
  }
  return wrong;
}

/// Names that say nothing about what is inside, and files too long to read in one sitting.
std::vector<std::string> CheckNamesAndSizes(const std::vector<SourceFile>& files) {
  static const std::regex kEmptyName("utils|helpers|common|manager");
  constexpr std::size_t kLinesMax = 600;
  std::vector<std::string> wrong;
  for (const SourceFile& file : files) {
    if (std::regex_search(file.path, kEmptyName))
      wrong.push_back(file.path + ": name it after what it does");
    const std::size_t lines = Lines(file.text).size();
    if (lines > kLinesMax) {
      wrong.push_back(file.path + ": " + std::to_string(lines) +
                      " lines; split it by idea (at most 600)");
    }
    if (EndsWith(file.path, ".h") && file.text.find("#pragma once") == std::string::npos) {
      wrong.push_back(file.path + ": no #pragma once");
    }
  }
  return wrong;
}

/// The arrows of `quipu_folder(NAME DEPENDS a b LIBRARIES ...)` in the text of CMakeLists files.
Arrows ParseArrows(const std::string& cmake) {
  static const std::regex kCall(R"(quipu_folder\s*\(([^)]*)\))");
  Arrows arrows;
  for (std::sregex_iterator it(cmake.begin(), cmake.end(), kCall), end; it != end; ++it) {
    std::istringstream words((*it)[1].str());
    std::string name;
    words >> name;
    Names& depends = arrows[name];
    bool listing = false;
    for (std::string word; words >> word;) {
      if (word == "DEPENDS") {
        listing = true;
      } else if (word == "LIBRARIES" || word == "TEST_LIBRARIES") {
        listing = false;
      } else if (listing) {
        depends.insert(word);
      }
    }
  }
  return arrows;
}

std::string ReadFile(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  EXPECT_TRUE(in.good()) << path;
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

bool IsSource(const fs::path& path) {
  static const Names kExtensions = {".h",  ".cc",  ".fbs",  ".cmake", ".sh",
                                    ".js", ".css", ".html", ".supp"};
  const std::string name = path.filename().string();
  if (name == "CMakeLists.txt" || kExtensions.contains(path.extension().string())) return true;
  return path.parent_path().filename() == ".ci";
}

std::vector<SourceFile> ReadSources() {
  const fs::path root = QUIPU_SOURCE_DIR;
  std::vector<SourceFile> files = {{"CMakeLists.txt", ReadFile(root / "CMakeLists.txt")},
                                   {"Makefile", ReadFile(root / "Makefile")}};
  for (const std::string& folder : kSourceFolders) {
    if (!fs::exists(root / folder)) continue;
    for (const fs::directory_entry& entry : fs::recursive_directory_iterator(root / folder)) {
      if (!entry.is_regular_file() || !IsSource(entry.path())) continue;
      files.push_back({fs::relative(entry.path(), root).generic_string(), ReadFile(entry.path())});
    }
  }
  std::sort(files.begin(), files.end(),
            [](const SourceFile& a, const SourceFile& b) { return a.path < b.path; });
  return files;
}

const std::vector<SourceFile>& Sources() {
  static const std::vector<SourceFile> kSources = ReadSources();
  return kSources;
}

Arrows ArrowsOfRepository() {
  std::string cmake;
  for (const SourceFile& file : Sources()) {
    if (StartsWith(file.path, "engine/") && EndsWith(file.path, "CMakeLists.txt"))
      cmake += file.text + "\n";
  }
  return ParseArrows(cmake);
}

std::string Join(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += "  " + line + "\n";
  return text;
}

std::vector<SourceFile> PublicHeaders() {
  std::vector<SourceFile> headers;
  for (const SourceFile& file : Sources()) {
    if (StartsWith(file.path, "include/quipu/")) headers.push_back(file);
  }
  return headers;
}

TEST(Layering, LinkLinesAreThePicture) { EXPECT_EQ(ArrowsOfRepository(), kPicture); }

TEST(Layering, EveryIncludeFollowsAnArrow) {
  ASSERT_GT(Sources().size(), 20u) << "the sources were not found in " << QUIPU_SOURCE_DIR;
  const std::vector<std::string> wrong = CheckIncludes(Sources(), ArrowsOfRepository());
  EXPECT_TRUE(wrong.empty()) << Join(wrong);
}

TEST(Layering, OneCornerOfOneFolderIncludesRocksDb) {
  std::vector<std::string> users;
  for (const SourceFile& file : Sources()) {
    if (!IsCpp(file.path) || IsTest(file.path)) continue;
    const std::vector<Include> includes = IncludesOf(file);
    const bool uses = std::any_of(includes.begin(), includes.end(), [](const Include& i) {
      return FirstFolder(i.target) == "rocksdb";
    });
    if (uses) users.push_back(file.path);
  }
  EXPECT_GT(users.size(), 0u);
  for (const std::string& user : users)
    EXPECT_TRUE(StartsWith(user, "engine/store/kv_rocks")) << user;
}

/// With nothing but include/ on the path, and as the only thing in the program.
TEST(Layering, EachPublicHeaderCompilesAlone) {
  const std::string root = QUIPU_SOURCE_DIR;
  for (const SourceFile& header : PublicHeaders()) {
    const std::string name = header.path.substr(std::string("include/").size());
    const std::string command = std::string("'") + QUIPU_CXX_COMPILER +
                                "' -std=c++20 -fsyntax-only -Wall -Wextra -Werror -I'" + root +
                                "/include' -include '" + name + "' -x c++ /dev/null";
    EXPECT_EQ(std::system(command.c_str()), 0)
        << command;  // NOLINT(cert-env33-c): the compiler is the point
  }
}

TEST(Layering, ThePublicApiStaysSmall) {
  const std::vector<SourceFile> headers = PublicHeaders();
  std::size_t lines = 0;
  for (const SourceFile& header : headers) lines += Lines(header.text).size();
  EXPECT_GE(headers.size(), 1u);
  EXPECT_LE(headers.size(), 15u);
  EXPECT_LE(lines, 2000u);
}

TEST(Layering, NothingIsMarkedUnfinished) {
  const std::vector<std::string> wrong = CheckMarks(Sources());
  EXPECT_TRUE(wrong.empty()) << Join(wrong);
}

TEST(Layering, FilesAreReadableAndNamed) {
  const std::vector<std::string> wrong = CheckNamesAndSizes(Sources());
  EXPECT_TRUE(wrong.empty()) << Join(wrong);
}

// The checker itself: each rule must notice a breach, and only a breach.

/// The complaints about one line in one made-up file.
std::vector<std::string> Complaints(const std::string& path, const std::string& line) {
  return CheckIncludes(
      {{path, "#pragma once\n" + line + "\n"}, {"server/table.h", ""}, {"server/web/page.h", ""}},
      kPicture);
}

TEST(LayeringChecker, NoticesForbiddenIncludes) {
  const std::vector<std::pair<std::string, std::string>> wrong = {
      {"engine/base/hash.cc", "#include \"store/kv.h\""},               // up
      {"engine/codec/int_codec.h", "#include \"sketch/exact_sum.h\""},  // sideways
      {"engine/query/plan.cc", "  #  include   \"ingest/seal.h\""},     // sideways, oddly written
      {"engine/query/plan.cc", "#include <upkeep/compact.h>"},          // sideways, with angles
      {"engine/query/plan_test.cc", "#include \"db/open.h\""},          // up, from a test
      {"engine/ingest/seal.cc",
       "#include \"sketch/exact_sum.h\""},                         // down, but not on the link line
      {"engine/codec/int_codec.cc", "#include \"bitpack.h\""},     // without its folder
      {"engine/codec/int_codec.cc", "#include <quipu/status.h>"},  // ours, with angles
      {"engine/attic/old.cc", "#include \"base/hash.h\""},         // a folder without a link line
      {"engine/base/hash.cc", "#include \"base/vfs_testing.h\""},  // test support in the product
      {"engine/db/vfs_fault.cc", "#include \"base/vfs_testing.h\""},
      {"server/main.cc", "#include \"base/hash.h\""},  // the engine behind the public API's back
      {"server/main.cc", "#include <segment/segment.h>"},
      {"server/main.cc", "#include \"missing.h\""},
      {"include/quipu/query.h", "#include <fmt/format.h>"},  // a third party in a public header
      {"include/quipu/query.h", "#include <date.h>"},
      {"include/quipu/query.h", "#include \"base/hash.h\""},
  };
  for (const auto& [path, line] : wrong)
    EXPECT_EQ(Complaints(path, line).size(), 1u) << path << " " << line;
}

TEST(LayeringChecker, AllowsTheRest) {
  const std::vector<std::pair<std::string, std::string>> right = {
      {"engine/base/hash.cc", "#include \"base/hash.h\""},
      {"engine/base/hash.cc", "#include <xxhash.h>"},
      {"engine/base/hash.cc", "// #include \"store/kv.h\""},
      {"engine/base/vfs_test.cc", "#include \"base/vfs_testing.h\""},
      {"engine/base/vfs_testing.cc", "#include \"base/vfs_testing.h\""},
      {"engine/base/vfs_fault.cc", "#include \"base/vfs_testing.h\""},
      {"engine/segment/segment.cc", "#include \"formats/segment_generated.h\""},
      {"engine/segment/segment.cc", "#include \"codec/int_codec.h\""},
      {"engine/store/kv_rocks.cc", "#include <rocksdb/db.h>"},
      {"engine/db/open.h", "#include \"quipu/status.h\""},
      {"server/main.cc", "#include \"quipu/database.h\""},
      {"server/main.cc", "#include <CLI/CLI.hpp>"},
      {"server/main.cc", "#include \"table.h\""},
      {"server/main.cc", "#include \"server/table.h\""},
      {"server/web/serve.cc", "#include \"page.h\""},
      {"server/web/serve.cc", "#include \"table.h\""},
      {"include/quipu/query.h", "#include <vector>"},
      {"include/quipu/quipu_c.h", "#include <stdint.h>"},
      {"include/quipu/query.h", "#include \"quipu/status.h\""},
      {"tests/crash_test.cc", "#include \"store/kv.h\""},
  };
  for (const auto& [path, line] : right) {
    EXPECT_EQ(Join(Complaints(path, line)), "") << path << " " << line;
  }
}

TEST(LayeringChecker, NoticesAnotherUserOfRocksDb) {
  const SourceFile one{"engine/store/kv_rocks.cc",
                       "#include <rocksdb/db.h>\n#include <rocksdb/options.h>\n"};
  const SourceFile two{"engine/store/other.cc", "#include \"rocksdb/db.h\"\n"};
  const SourceFile test{"tests/store_test.cc", "#include <rocksdb/db.h>\n"};
  EXPECT_EQ(CheckIncludes({one, test}, kPicture).size(), 0u);
  EXPECT_GE(CheckIncludes({one, two}, kPicture).size(), 1u);
}

TEST(LayeringChecker, ReadsLinkLines) {
  const Arrows arrows = ParseArrows(
      "quipu_folder(base LIBRARIES x::y)\n# words\nquipu_folder(codec\n  DEPENDS base other\n  "
      "LIBRARIES z)\n");
  EXPECT_EQ(arrows, (Arrows{{"base", {}}, {"codec", {"base", "other"}}}));
}

TEST(LayeringChecker, NoticesMarksNamesAndSizes) {
  EXPECT_EQ(CheckMarks({{"engine/a.cc",
                         "int a;  // TO"
                         "DO: later\n"}})
                .size(),
            1u);
  EXPECT_EQ(
      CheckMarks({{"engine/a.cc", "char t[] = \"/tmp/XXXXXX\";  // a hacksaw, todo\n"}}).size(),
      0u);
  EXPECT_EQ(CheckNamesAndSizes({{"engine/base/string_utils.cc", ""}}).size(), 1u);
  EXPECT_EQ(CheckNamesAndSizes({{"engine/manager/a.cc", ""}}).size(), 1u);
  EXPECT_EQ(CheckNamesAndSizes({{"engine/base/a.h", "int a;\n"}}).size(), 1u);
  std::string text;
  for (int i = 0; i < 600; ++i) text += "int a;\n";
  EXPECT_EQ(CheckNamesAndSizes({{"engine/base/a.cc", text}}).size(), 0u);
  EXPECT_EQ(CheckNamesAndSizes({{"engine/base/a.cc", text + "int b;\n"}}).size(), 1u);
}

}  // namespace
