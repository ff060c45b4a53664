#include "usage/process.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <thread>

namespace quipu::usage {
namespace {

namespace fs = std::filesystem;

/// The text after "NAME:" in a file of such lines, without blanks in front.
std::string LineOf(const char* file, const std::string& name) {
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) {
    const std::size_t colon = line.find(':');
    if (colon == std::string::npos || line.compare(0, name.size(), name) != 0) continue;
    const std::size_t start = line.find_first_not_of(" \t", colon + 1);
    return start == std::string::npos ? "" : line.substr(start);
  }
  return "";
}

std::uint64_t NumberOf(const char* file, const std::string& name) {
  return std::strtoull(LineOf(file, name).c_str(), nullptr, 10);
}

void ForEachFile(const std::string& path, const std::function<void(const fs::path&)>& take) {
  std::error_code bad;
  if (!fs::is_directory(path, bad)) return take(path);
  for (fs::recursive_directory_iterator it(path, bad), end; !bad && it != end; it.increment(bad)) {
    if (it->is_regular_file(bad)) take(it->path());
  }
}

}  // namespace

std::uint64_t ResidentBytesMax() { return NumberOf("/proc/self/status", "VmHWM") * 1024; }

std::uint64_t WrittenBytes() {
  const std::uint64_t written = NumberOf("/proc/self/io", "write_bytes");
  const std::uint64_t cancelled = NumberOf("/proc/self/io", "cancelled_write_bytes");
  return written > cancelled ? written - cancelled : 0;
}

double CpuSeconds() {
  struct rusage used {};
  ::getrusage(RUSAGE_SELF, &used);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
  };
  return seconds(used.ru_utime) + seconds(used.ru_stime);
}

std::uint64_t DiskBytes(const std::string& path) {
  std::uint64_t bytes = 0;
  ForEachFile(path, [&](const fs::path& file) {
    struct stat about {};
    if (::stat(file.c_str(), &about) == 0)
      bytes += static_cast<std::uint64_t>(about.st_blocks) * 512;
  });
  return bytes;
}

void DropFromCache(const std::string& path) {
  ForEachFile(path, [&](const fs::path& file) {
    const int handle = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
    if (handle < 0) return;
    ::fsync(handle);
    ::posix_fadvise(handle, 0, 0, POSIX_FADV_DONTNEED);
    ::close(handle);
  });
}

Machine ThisMachine() {
  Machine machine;
  machine.cpu = LineOf("/proc/cpuinfo", "model name");
  machine.cpus = static_cast<int>(std::thread::hardware_concurrency());
  machine.memory_bytes = NumberOf("/proc/meminfo", "MemTotal") * 1024;
  struct utsname system {};
  if (::uname(&system) == 0) machine.kernel = std::string(system.sysname) + " " + system.release;
  double loads[1] = {};
  if (::getloadavg(loads, 1) == 1) machine.load_average = loads[0];
  return machine;
}

}  // namespace quipu::usage
