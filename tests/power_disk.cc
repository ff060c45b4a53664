#include "tests/power_disk.h"

#include <fcntl.h>
#include <linux/loop.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>

#include "base/check.h"

namespace quipu {
namespace {

// Of linux/fs/ext4/ext4.h, which is not among the kernel's public headers.
constexpr unsigned long kExt4Shutdown = _IOR('X', 125, std::uint32_t);
constexpr std::uint32_t kWithoutFlushingTheLog = 2;
constexpr int kAttachTries = 20;  // others take free loop devices, too

Status Failed(const std::string& what) {
  return Status::IoError(what + ": " + std::generic_category().message(errno));
}

/// Mounts of this process are its own from now on.
Status LeaveTheOthers() {
  static const Status left = [] {
    if (unshare(CLONE_NEWNS) != 0) return Failed("a mount namespace");
    if (mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0)
      return Failed("private mounts");
    return Status();
  }();
  return left;
}

}  // namespace

Result<std::unique_ptr<PowerDisk>> PowerDisk::Make(const std::string& folder, std::uint64_t bytes) {
  if (geteuid() != 0) return Status::IoError("only root may mount a file system");
  QUIPU_TRY(LeaveTheOthers());
  std::string name = folder + "/quipu_power_XXXXXX";
  if (mkdtemp(name.data()) == nullptr) return Failed("a folder in " + folder);
  std::unique_ptr<PowerDisk> disk(new PowerDisk(name));
  QUIPU_TRY(disk->Format(bytes));
  QUIPU_TRY(disk->AttachLoop());
  QUIPU_TRY(disk->Mount());
  return disk;
}

PowerDisk::PowerDisk(std::string folder)
    : folder_(std::move(folder)), image_(folder_ + "/image"), mounted_(folder_ + "/mounted") {}

PowerDisk::~PowerDisk() {
  umount2(mounted_.c_str(), MNT_DETACH);
  if (loop_fd_ >= 0) {
    ioctl(loop_fd_, LOOP_CLR_FD, 0);
    close(loop_fd_);
  }
  std::error_code ignored;
  if (!is_kept_) std::filesystem::remove_all(folder_, ignored);
}

Status PowerDisk::Format(std::uint64_t bytes) const {
  if (mkdir(mounted_.c_str(), 0700) != 0) return Failed("mkdir " + mounted_);
  const int fd = open(image_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) return Failed("create " + image_);
  const bool is_sized = ftruncate(fd, static_cast<off_t>(bytes)) == 0;
  close(fd);
  if (!is_sized) return Failed("truncate " + image_);
  const std::string command = "mkfs.ext4 -q -F -m 0 '" + image_ + "'";
  if (std::system(command.c_str()) != 0) return Status::IoError("failed: " + command);
  return {};
}

Status PowerDisk::AttachLoop() {
  const int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
  if (control < 0) return Failed("open /dev/loop-control");
  const int image = open(image_.c_str(), O_RDWR | O_CLOEXEC);
  QUIPU_CHECK(image >= 0);
  Status status = Status::IoError("no free loop device");
  for (int tries = 0; tries < kAttachTries && loop_fd_ < 0; ++tries) {
    const int number = ioctl(control, LOOP_CTL_GET_FREE);
    if (number < 0) break;
    loop_ = "/dev/loop" + std::to_string(number);
    const int fd = open(loop_.c_str(), O_RDWR | O_CLOEXEC);
    if (fd < 0) {
      status = Failed("open " + loop_);
      break;
    }
    loop_config config{};
    config.fd = static_cast<std::uint32_t>(image);
    config.info.lo_flags = LO_FLAGS_AUTOCLEAR;
    if (ioctl(fd, LOOP_CONFIGURE, &config) == 0) {
      loop_fd_ = fd;
    } else {
      status = Failed("attach " + loop_);
      close(fd);
    }
  }
  close(image);
  close(control);
  return loop_fd_ >= 0 ? Status() : status;
}

Status PowerDisk::Mount() const {
  if (mount(loop_.c_str(), mounted_.c_str(), "ext4", MS_NOATIME, nullptr) != 0)
    return Failed("mount " + loop_ + " on " + mounted_);
  return {};
}

Status PowerDisk::CutPower() {
  const int fd = open(mounted_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return Failed("open " + mounted_);
  std::uint32_t how = kWithoutFlushingTheLog;
  const int cut = ioctl(fd, kExt4Shutdown, &how);
  const Status status = cut == 0 ? Status() : Failed("EXT4_IOC_SHUTDOWN");
  close(fd);
  return status;
}

Status PowerDisk::Restart() {
  if (umount2(mounted_.c_str(), 0) != 0) return Failed("unmount " + mounted_);
  return Mount();
}

}  // namespace quipu
