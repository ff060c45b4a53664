#include "import/byte_source.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>
#include <vector>

#include "cli/try.h"

namespace quipu::import {
namespace {

constexpr std::size_t kChunkBytes = std::size_t{256} << 10;
constexpr int kZstdWindowLogMax = 27;  // 128 MiB: what `zstd` itself accepts without --long
constexpr std::string_view kBroken =
    "; the file is cut short or damaged: get it again, then import it again (lines that are stored "
    "are not counted twice)";

std::string ErrnoText(int error) { return std::strerror(error); }

/// Gives back the bytes that were read to look at the magic, then the rest.
class Peeked final : public ByteSource {
 public:
  Peeked(std::string head, ByteSource& rest) : head_(std::move(head)), rest_(rest) {}
  Result<std::size_t> Read(std::span<char> out) override {
    if (used_ == head_.size()) return rest_.Read(out);
    const std::size_t n = std::min(out.size(), head_.size() - used_);
    std::memcpy(out.data(), head_.data() + used_, n);
    used_ += n;
    return n;
  }

 private:
  std::string head_;
  std::size_t used_ = 0;
  ByteSource& rest_;
};

class GzipSource final : public ByteSource {
 public:
  explicit GzipSource(std::unique_ptr<ByteSource> raw)
      : raw_(std::move(raw)), ready_(inflateInit2(&stream_, 15 + 16) == Z_OK) {}
  ~GzipSource() override {
    if (ready_) inflateEnd(&stream_);
  }
  GzipSource(const GzipSource&) = delete;
  GzipSource& operator=(const GzipSource&) = delete;

  Result<std::size_t> Read(std::span<char> out) override {
    if (!ready_) return Status::Exhausted("no memory for reading gzip data");
    stream_.next_out = reinterpret_cast<Bytef*>(out.data());
    stream_.avail_out = static_cast<uInt>(std::min<std::size_t>(out.size(), kChunkBytes));
    const uInt room = stream_.avail_out;
    while (stream_.avail_out == room) {
      if (stream_.avail_in == 0) {
        SERVER_TRY_ASSIGN(const std::size_t n, raw_->Read(in_));
        if (n == 0) {
          if (in_member_) return Status::Corruption("gzip data ends early" + std::string(kBroken));
          return std::size_t{0};
        }
        stream_.next_in = reinterpret_cast<Bytef*>(in_.data());
        stream_.avail_in = static_cast<uInt>(n);
      }
      if (!in_member_ && stream_.total_in > 0) inflateReset(&stream_);
      in_member_ = true;
      const int code = inflate(&stream_, Z_NO_FLUSH);
      if (code == Z_STREAM_END) {
        in_member_ = false;
      } else if (code != Z_OK && code != Z_BUF_ERROR) {
        return Status::Corruption("gzip data is damaged" + std::string(kBroken));
      }
    }
    return static_cast<std::size_t>(room - stream_.avail_out);
  }

 private:
  std::unique_ptr<ByteSource> raw_;
  std::vector<char> in_ = std::vector<char>(kChunkBytes);
  z_stream stream_{};
  bool ready_;
  bool in_member_ = false;
};

class ZstdSource final : public ByteSource {
 public:
  explicit ZstdSource(std::unique_ptr<ByteSource> raw)
      : raw_(std::move(raw)), stream_(ZSTD_createDStream()) {
    if (stream_ != nullptr) {
      ZSTD_DCtx_setParameter(stream_, ZSTD_d_windowLogMax, kZstdWindowLogMax);
    }
  }
  ~ZstdSource() override { ZSTD_freeDStream(stream_); }
  ZstdSource(const ZstdSource&) = delete;
  ZstdSource& operator=(const ZstdSource&) = delete;

  Result<std::size_t> Read(std::span<char> out) override {
    if (stream_ == nullptr) return Status::Exhausted("no memory for reading zstd data");
    ZSTD_outBuffer target{out.data(), out.size(), 0};
    while (target.pos == 0) {
      const bool drained = input_.pos == input_.size;
      if (drained && !more_inside_) {
        SERVER_TRY_ASSIGN(const std::size_t n, raw_->Read(in_));
        if (n == 0) {
          if (in_frame_) return Status::Corruption("zstd data ends early" + std::string(kBroken));
          return std::size_t{0};
        }
        input_ = {in_.data(), n, 0};
      }
      const std::size_t code = ZSTD_decompressStream(stream_, &target, &input_);
      if (ZSTD_isError(code) != 0) {
        return Status::Corruption(std::string("zstd data is damaged (") + ZSTD_getErrorName(code) +
                                  ")" + std::string(kBroken));
      }
      in_frame_ = code != 0;
      more_inside_ = in_frame_ && target.pos == target.size;
    }
    return target.pos;
  }

 private:
  std::unique_ptr<ByteSource> raw_;
  std::vector<char> in_ = std::vector<char>(kChunkBytes);
  ZSTD_DStream* stream_;
  ZSTD_inBuffer input_{nullptr, 0, 0};
  bool in_frame_ = false;
  bool more_inside_ = false;  // the output was full: there may be more without further input
};

}  // namespace

Result<std::unique_ptr<FileInput>> FileInput::Open(const std::string& path,
                                                   std::function<bool()> stop) {
  if (path == "-") {
    return std::unique_ptr<FileInput>(
        new FileInput(STDIN_FILENO, false, "standard input", {}, std::move(stop)));
  }
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    const int error = errno;
    if (error == ENOENT) return Status::NotFound(path + ": there is no such file; check the name");
    return Status::IoError(path + ": cannot be opened: " + ErrnoText(error));
  }
  struct stat info {};
  if (::fstat(fd, &info) == 0 && S_ISDIR(info.st_mode)) {
    ::close(fd);
    return Status::InvalidArgument(path + ": is a folder; name the files in it");
  }
  std::optional<std::uint64_t> size;
  if (S_ISREG(info.st_mode)) size = static_cast<std::uint64_t>(info.st_size);
  return std::unique_ptr<FileInput>(new FileInput(fd, true, path, size, std::move(stop)));
}

FileInput::~FileInput() {
  if (owned_) ::close(fd_);
}

Status FileInput::WaitForBytes() const {
  constexpr int kAskMs = 100;
  for (;;) {
    pollfd waiting{fd_, POLLIN, 0};
    const int n = ::poll(&waiting, 1, kAskMs);
    if (n > 0 || (n < 0 && errno != EINTR)) return {};  // an error shows itself when reading
    if (stop_()) return Status::Cancelled("reading was interrupted");
  }
}

Result<std::size_t> FileInput::Read(std::span<char> out) {
  if (stop_ && !size_) SERVER_TRY(WaitForBytes());
  const ssize_t n = ::read(fd_, out.data(), out.size());
  if (n < 0) {
    if (errno == EINTR) return Status::Cancelled("reading was interrupted");
    return Status::IoError(path_ + ": cannot be read: " + ErrnoText(errno));
  }
  bytes_read_ += static_cast<std::uint64_t>(n);
  return static_cast<std::size_t>(n);
}

Result<std::unique_ptr<ByteSource>> Decompressed(ByteSource& raw) {
  std::string head(4, '\0');
  std::size_t have = 0;
  while (have < head.size()) {
    SERVER_TRY_ASSIGN(const std::size_t n,
                      raw.Read(std::span<char>(head.data() + have, head.size() - have)));
    if (n == 0) break;
    have += n;
  }
  head.resize(have);
  const bool gzip = head.starts_with("\x1f\x8b");
  const bool zstd = head == "\x28\xb5\x2f\xfd";
  std::unique_ptr<ByteSource> peeked = std::make_unique<Peeked>(std::move(head), raw);
  if (gzip) return std::unique_ptr<ByteSource>(std::make_unique<GzipSource>(std::move(peeked)));
  if (zstd) return std::unique_ptr<ByteSource>(std::make_unique<ZstdSource>(std::move(peeked)));
  return peeked;
}

}  // namespace quipu::import
