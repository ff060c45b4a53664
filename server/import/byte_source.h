// Bytes of a file or of standard input, decompressed on the way. Compression is recognised by its first bytes, never by the
// name: gzip (also several members, as log rotation with append makes) and zstd (also several frames).
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "quipu/status.h"

namespace quipu::import {

class ByteSource {
 public:
  virtual ~ByteSource() = default;
  /// Fills the front of `out`; 0 at the end. kCancelled when a signal interrupted a waiting read.
  virtual Result<std::size_t> Read(std::span<char> out) = 0;
};

/// Where bytes come from before decompression, counting them for the progress bar.
class FileInput : public ByteSource {
 public:
  /// `path` "-" is standard input. `stop`, asked now and then while a pipe keeps a read waiting, ends it with kCancelled; it is called
  /// from the reading thread.
  static Result<std::unique_ptr<FileInput>> Open(const std::string& path,
                                                 std::function<bool()> stop = {});
  ~FileInput() override;
  FileInput(const FileInput&) = delete;
  FileInput& operator=(const FileInput&) = delete;

  Result<std::size_t> Read(std::span<char> out) override;
  [[nodiscard]] std::uint64_t bytes_read() const noexcept { return bytes_read_; }
  /// Size of a regular file; absent for a pipe.
  [[nodiscard]] std::optional<std::uint64_t> size() const noexcept { return size_; }

 private:
  FileInput(int fd, bool owned, std::string path, std::optional<std::uint64_t> size,
            std::function<bool()> stop)
      : fd_(fd), owned_(owned), path_(std::move(path)), size_(size), stop_(std::move(stop)) {}
  Status WaitForBytes() const;
  int fd_;
  bool owned_;
  std::string path_;
  std::optional<std::uint64_t> size_;
  std::function<bool()> stop_;
  std::uint64_t bytes_read_ = 0;
};

/// Wraps `raw` (which must outlive the answer) in the decompressor that its first bytes call for.
Result<std::unique_ptr<ByteSource>> Decompressed(ByteSource& raw);

}  // namespace quipu::import
