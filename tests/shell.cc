#include "tests/shell.h"

#include <sys/wait.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "base/check.h"

namespace quipu {

ScratchFolder::ScratchFolder() : ScratchFolder(std::filesystem::temp_directory_path().string()) {}

ScratchFolder::ScratchFolder(const std::string& parent) : path_(parent + "/quipu_test_XXXXXX") {
  QUIPU_CHECK(mkdtemp(path_.data()) != nullptr);
}

ScratchFolder::~ScratchFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string FolderInMemory() {
  std::error_code ignored;
  const bool exists = std::filesystem::exists("/dev/shm", ignored);
  return exists ? "/dev/shm" : std::filesystem::temp_directory_path().string();
}

ShellOutput RunShell(const std::string& command, const std::string& folder,
                     const std::string& programs) {
  const std::string line = "cd '" + folder + "' && export PATH='" + programs +
                           "':\"$PATH\" LC_ALL=C TZ=UTC && { " + command + "\n} 2>&1 </dev/null";
  std::FILE* pipe = popen(line.c_str(), "r");
  QUIPU_CHECK(pipe != nullptr);
  ShellOutput output;
  std::array<char, 65536> buffer{};
  for (std::size_t n = 0; (n = std::fread(buffer.data(), 1, buffer.size(), pipe)) > 0;)
    output.text.append(buffer.data(), n);
  const int status = pclose(pipe);
  output.exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return output;
}

}  // namespace quipu
