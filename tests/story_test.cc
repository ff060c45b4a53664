// Stories: what a user types and sees, as text. A story is stories/NAME.story, run in a new folder
// with `quipu` in PATH:
//
//     # words to the reader
//     $ quipu init S               <- a command, for the shell
//     > more of it                 <- and its further lines
//     created S                    <- what it prints, on both outputs
//     [exit 1]                     <- if it did not end well
//
// docs/QUERY.md, the query guide, is a story, too: its fenced blocks are run in order, in one folder, and the words around them are words to the reader.
// So what the guide shows is what the program says.
//
// What changes from run to run is put as <uuid> and <N.N s>. QUIPU_REWRITE=1 writes what the
// program says now into the stories: read the diff.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>
#include <sstream>
#include <vector>

#include "tests/shell.h"

namespace quipu {
namespace {

const std::filesystem::path kStories =
    std::filesystem::path(QUIPU_SOURCE_DIR) / "tests" / "stories";

std::string ReadAll(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// Masks what is chance: identifiers, durations and rates.
std::string Steady(std::string text) {
  static const std::regex uuid("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}");
  static const std::regex seconds("[0-9]+(\\.[0-9]+)? (ms|s)\\b");
  static const std::regex rate("[0-9][0-9.,]*[kM]?( events)?/s");
  std::erase(text, '\r');  // CSV lines end in CR LF
  text = std::regex_replace(text, uuid, "<uuid>");
  text = std::regex_replace(text, rate, "<rate>");
  return std::regex_replace(text, seconds, "<seconds>");
}

/// The story as it would read if the program's answers were right.
std::string Play(const std::string& story) {
  const ScratchFolder folder;
  std::istringstream lines(story);
  std::string played;
  std::string command;
  const bool is_guide = !story.starts_with("$ ") && story.find("\n```\n$ ") != std::string::npos;
  bool is_text = is_guide;  // of a guide: outside its blocks
  bool is_code = false;
  const auto run = [&] {
    if (command.empty()) return;
    const ShellOutput output = RunShell(command, folder.path(), QUIPU_BIN_DIR);
    played += Steady(output.text);
    if (!output.text.empty() && output.text.back() != '\n') played += "\n";
    if (output.exit_status != 0) played += "[exit " + std::to_string(output.exit_status) + "]\n";
    command.clear();
  };
  for (std::string line; std::getline(lines, line);) {
    // A block with a language (```cpp) is words, too.
    const bool ends_code = is_code && line == "```";
    if (is_guide && line.starts_with("```") && line.size() > 3) is_code = true;
    if (is_guide && line == "```" && !is_code) {
      run();
      is_text = !is_text;
      played += line + "\n";
      continue;
    }
    if (ends_code) is_code = false;
    if (is_text) {
      played += line + "\n";
      continue;
    }
    if (line.starts_with("$ ") || line.starts_with("#")) run();
    if (line.starts_with("$ ")) command = line.substr(2);
    if (line.starts_with("> ")) command += "\n" + line.substr(2);
    if (line.starts_with("$ ") || line.starts_with("> ") || line.starts_with("#"))
      played += line + "\n";
  }
  run();
  return played;
}

TEST(Story, EveryStoryIsStillTrue) {
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::directory_iterator(kStories)) {
    if (entry.path().extension() == ".story") paths.push_back(entry.path());
  }
  paths.push_back(std::filesystem::path(QUIPU_SOURCE_DIR) / "docs" / "QUERY.md");
  std::sort(paths.begin(), paths.end());
  ASSERT_FALSE(paths.empty()) << "no stories in " << kStories;
  for (const auto& path : paths) {
    SCOPED_TRACE(path.string());
    const std::string story = ReadAll(path);
    const std::string played = Play(story);
    if (std::getenv("QUIPU_REWRITE") != nullptr) {
      std::ofstream(path, std::ios::binary) << played;
    } else {
      EXPECT_EQ(played, story);
    }
  }
}

}  // namespace
}  // namespace quipu
