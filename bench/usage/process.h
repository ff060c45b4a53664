// What the operating system knows about this process, this machine and the files of an engine (Linux: /proc).
#pragma once

#include <cstdint>
#include <string>

namespace quipu::usage {

/// Most resident memory so far.
std::uint64_t ResidentBytesMax();
/// Bytes that this process caused to be written to storage so far, less what was thrown away before it got there.
std::uint64_t WrittenBytes();
/// Processor time of all threads so far, of the system on their behalf included.
double CpuSeconds();
/// What a file or a folder with everything in it takes on disk (allocated blocks).
std::uint64_t DiskBytes(const std::string& path);
/// Writes the folder's files back and drops them from the page cache.
void DropFromCache(const std::string& path);

/// "AMD EPYC 9R14", 2, 23.4e9, "Linux 6.1.0".
struct Machine {
  std::string cpu;
  int cpus = 0;
  std::uint64_t memory_bytes = 0;
  std::string kernel;
  double load_average = 0;  ///< Of the last minute: a busy machine makes the times only indicative.
};
Machine ThisMachine();

}  // namespace quipu::usage
