// Runs command lines as a user would type them: through the shell, in a folder of the test's own,
// with our programs in PATH.
#pragma once

#include <string>

namespace quipu {

struct ShellOutput {
  std::string text;  ///< Standard output and standard error, in the order they came.
  int exit_status = 0;
};

/// A new empty folder that goes away with its contents.
class ScratchFolder {
 public:
  ScratchFolder();
  /// Below that folder.
  explicit ScratchFolder(const std::string& parent);
  ~ScratchFolder();
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

/// A folder in memory if the system has one, where fsync costs nothing; for tests in which no power fails.
std::string FolderInMemory();

/// Runs `command` in `folder` with `programs` first in PATH, in the C locale and in UTC, without a
/// terminal.
ShellOutput RunShell(const std::string& command, const std::string& folder,
                     const std::string& programs);

}  // namespace quipu
