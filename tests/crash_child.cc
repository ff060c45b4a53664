#include "tests/crash_child.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/check.h"

namespace quipu {

CrashChild::CrashChild(std::vector<std::string> arguments, const std::string& log) {
  int fds[2];
  QUIPU_CHECK(pipe2(fds, O_CLOEXEC) == 0);
  arguments.insert(arguments.begin(), kCrashChildName);
  arguments.push_back(std::to_string(STDOUT_FILENO));
  std::vector<char*> argv;
  for (std::string& a : arguments) argv.push_back(a.data());
  argv.push_back(nullptr);
  pid_ = fork();
  QUIPU_CHECK(pid_ >= 0);
  if (pid_ == 0) {
    dup2(fds[1], STDOUT_FILENO);
    const int errors = open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (errors >= 0) dup2(errors, STDERR_FILENO);
    const rlimit none{0, 0};  // RocksDB asserts when its disk goes away: no core files
    setrlimit(RLIMIT_CORE, &none);
    execv("/proc/self/exe", argv.data());
    _exit(127);
  }
  close(fds[1]);
  fd_ = fds[0];
}

CrashChild::~CrashChild() {
  if (pid_ >= 0) Kill();
  close(fd_);
}

bool CrashChild::Listen(std::int64_t us) { return Wait(us, /*until_a_line=*/false); }
bool CrashChild::ListenForLine(std::int64_t us_max) { return Wait(us_max, /*until_a_line=*/true); }

bool CrashChild::Wait(std::int64_t us, bool until_a_line) {
  using std::chrono::steady_clock;
  const auto deadline = steady_clock::now() + std::chrono::microseconds(us);
  while (!until_a_line || !has_line_) {
    const auto left =
        std::chrono::duration_cast<std::chrono::nanoseconds>(deadline - steady_clock::now());
    if (left.count() <= 0) break;
    const timespec timeout{static_cast<time_t>(left.count() / 1'000'000'000),
                           static_cast<long>(left.count() % 1'000'000'000)};
    pollfd wait{fd_, POLLIN, 0};
    if (ppoll(&wait, 1, &timeout, nullptr) > 0 && !ReadSome()) return false;
  }
  // What it has said until this moment.
  for (pollfd wait{fd_, POLLIN, 0}; poll(&wait, 1, 0) > 0;) {
    if (!ReadSome()) return false;
  }
  return true;
}

bool CrashChild::ReadSome() {
  char buffer[65536];
  const ssize_t n = read(fd_, buffer, sizeof buffer);
  if (n <= 0) return false;
  heard_.append(buffer, static_cast<std::size_t>(n));
  has_line_ = has_line_ || std::find(buffer, buffer + n, '\n') != buffer + n;
  return true;
}

void CrashChild::Kill() {
  kill(pid_, SIGKILL);
  while (ReadSome()) {
  }
  QUIPU_CHECK(waitpid(pid_, &status_, 0) == pid_);
  pid_ = -1;
}

std::string CrashChild::End() const {
  return WIFSIGNALED(status_) ? "signal " + std::to_string(WTERMSIG(status_))
                              : "status " + std::to_string(WEXITSTATUS(status_));
}

std::vector<std::string> CrashChild::TakeLines() {
  std::vector<std::string> lines;
  std::size_t begin = 0;
  for (std::size_t end; (end = heard_.find('\n', begin)) != std::string::npos; begin = end + 1)
    lines.push_back(heard_.substr(begin, end - begin));
  heard_.erase(0, begin);
  return lines;
}

void TellParent(int fd, const std::string& line) {
  const std::string whole = line.substr(0, PIPE_BUF - 1) + "\n";
  if (write(fd, whole.data(), whole.size()) != static_cast<ssize_t>(whole.size())) _exit(3);
}

}  // namespace quipu
