// A child of a crash test: this program again, with other arguments, that says lines until the world ends.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

namespace quipu {

/// The name under which a test program finds itself started as a child; its last argument is the descriptor to speak to.
inline constexpr const char* kCrashChildName = "crash_child";

class CrashChild {
 public:
  /// What it writes to its standard error goes to the end of `log`.
  CrashChild(std::vector<std::string> arguments, const std::string& log);
  ~CrashChild();
  CrashChild(const CrashChild&) = delete;
  CrashChild& operator=(const CrashChild&) = delete;

  /// Listens for so long. False if it ended meanwhile.
  bool Listen(std::int64_t us);
  /// Listens until it has said a line, for at most so long. False if it ended meanwhile.
  bool ListenForLine(std::int64_t us_max);
  /// SIGKILL, and its last words.
  void Kill();
  /// Says how it ended; after Kill.
  [[nodiscard]] std::string End() const;
  /// The whole lines since the last call, oldest first.
  std::vector<std::string> TakeLines();

 private:
  bool Wait(std::int64_t us, bool until_a_line);
  bool ReadSome();

  pid_t pid_ = -1;
  int fd_ = -1;
  int status_ = 0;
  bool has_line_ = false;
  std::string heard_;
};

/// Says a line to the parent: all of it, or after a kill nothing of it.
void TellParent(int fd, const std::string& line);

}  // namespace quipu
