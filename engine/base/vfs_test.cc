#include "base/vfs.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include "base/test_seed.h"
#include "base/vfs_testing.h"

namespace quipu {
namespace {

/// The same promises, kept by every Vfs.
class VfsConformance : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    const std::string_view kind = GetParam();
    if (kind == "posix") {
      char folder[] = "/tmp/quipu-vfs-XXXXXX";
      ASSERT_NE(::mkdtemp(folder), nullptr);
      root_ = disk_ = folder;
      vfs_ = Vfs::Posix();
      return;
    }
    root_ = "/db";
    vfs_ = &memory_;
    if (kind == "stacked") vfs_ = &order_;
    ASSERT_TRUE(vfs_->MakeFolder(root_).ok());
  }
  void TearDown() override {
    if (!disk_.empty()) std::filesystem::remove_all(disk_);
  }
  std::string Path(std::string_view name) const { return JoinPath(root_, name); }
  void Write(const std::string& name, std::string_view text) {
    auto file = vfs_->Create(Path(name));
    ASSERT_TRUE(file.has_value()) << file.error().ToString();
    ASSERT_TRUE((*file)->Append(AsBytes(text)).ok());
    ASSERT_TRUE((*file)->Sync().ok());
    ASSERT_TRUE((*file)->Close().ok());
  }
  std::string Read(const std::string& name) {
    const Result<std::string> text = ReadWholeFile(*vfs_, Path(name), 1 << 20);
    return text ? *text : text.error().ToString();
  }

  MemoryVfs memory_;
  FaultVfs fault_{&memory_};
  OrderCheckingVfs order_{&fault_};
  Vfs* vfs_ = nullptr;
  std::string root_, disk_;
};

TEST_P(VfsConformance, FilesKeepTheirBytes) {
  auto file = vfs_->Create(Path("a"));
  ASSERT_TRUE(file.has_value());
  std::string want;
  for (int i = 0; i < 100; ++i) {
    const std::string piece(static_cast<std::size_t>(i * 37 % 300), static_cast<char>(i));
    ASSERT_TRUE((*file)->Append(AsBytes(piece)).ok());
    want += piece;
  }
  ASSERT_TRUE((*file)->Sync().ok());
  ASSERT_TRUE((*file)->Close().ok());
  EXPECT_FALSE((*file)->Close().ok());
  EXPECT_EQ(Read("a"), want);

  auto reader = vfs_->OpenForRead(Path("a"));
  ASSERT_TRUE(reader.has_value());
  EXPECT_EQ((*reader)->size(), want.size());
  std::string part(10, '\0');
  auto out = std::span(reinterpret_cast<std::uint8_t*>(part.data()), part.size());
  ASSERT_TRUE((*reader)->ReadAt(want.size() - 10, out).ok());
  EXPECT_EQ(part, want.substr(want.size() - 10));
  EXPECT_EQ((*reader)->ReadAt(want.size() - 9, out).code(), StatusCode::kCorruption);
  EXPECT_EQ((*reader)->ReadAt(~std::uint64_t{0}, out).code(), StatusCode::kCorruption);
  ASSERT_TRUE(vfs_->Unlink(Path("a")).ok());
  EXPECT_TRUE((*reader)->ReadAt(0, out).ok());  // an open file outlives its name
}

TEST_P(VfsConformance, WritingAfterCloseFails) {
  auto file = vfs_->Create(Path("a"));
  ASSERT_TRUE((*file)->Close().ok());
  EXPECT_EQ((*file)->Append(AsBytes("x")).code(), StatusCode::kIoError);
}

TEST_P(VfsConformance, Names) {
  Write("a", "1");
  EXPECT_EQ(vfs_->Create(Path("a")).error().code(), StatusCode::kAlreadyExists);
  EXPECT_EQ(vfs_->Create(Path("no/such")).error().code(), StatusCode::kNotFound);
  EXPECT_EQ(vfs_->OpenForRead(Path("b")).error().code(), StatusCode::kNotFound);
  EXPECT_NE(vfs_->OpenForRead(Path("b")).error().message().find(Path("b")), std::string::npos);
  Write("b", "2");
  EXPECT_EQ(vfs_->Rename(Path("a"), Path("b")).code(), StatusCode::kAlreadyExists);
  EXPECT_EQ(Read("b"), "2");
  EXPECT_TRUE(vfs_->Rename(Path("a"), Path("c")).ok());
  EXPECT_EQ(vfs_->Rename(Path("a"), Path("d")).code(), StatusCode::kNotFound);
  EXPECT_EQ(Read("c"), "1");
  EXPECT_FALSE(*vfs_->Exists(Path("a")));
  EXPECT_TRUE(*vfs_->Exists(Path("c")));
  EXPECT_FALSE(*vfs_->Exists(Path("c/x")));
  EXPECT_EQ(*vfs_->List(root_), (std::vector<std::string>{"b", "c"}));
  EXPECT_TRUE(vfs_->Unlink(Path("b")).ok());
  EXPECT_EQ(vfs_->Unlink(Path("b")).code(), StatusCode::kNotFound);
  EXPECT_TRUE(vfs_->SyncFolder(root_).ok());
}

TEST_P(VfsConformance, Folders) {
  EXPECT_TRUE(vfs_->MakeFolder(Path("f")).ok());
  EXPECT_TRUE(vfs_->MakeFolder(Path("f")).ok());
  EXPECT_EQ(vfs_->MakeFolder(Path("g/h")).code(), StatusCode::kNotFound);
  Write("f/x", "1");
  EXPECT_EQ(vfs_->MakeFolder(Path("f/x")).code(), StatusCode::kAlreadyExists);
  EXPECT_EQ(vfs_->Unlink(Path("f")).code(), StatusCode::kIoError);
  EXPECT_EQ(vfs_->OpenForRead(Path("f")).error().code(), StatusCode::kIoError);
  EXPECT_EQ(vfs_->List(Path("g")).error().code(), StatusCode::kNotFound);
  EXPECT_FALSE(vfs_->SyncFolder(Path("f/x")).ok());
  EXPECT_TRUE(vfs_->Rename(Path("f"), Path("g")).ok());
  EXPECT_EQ(Read("g/x"), "1");
  EXPECT_EQ(*vfs_->List(Path("g")), std::vector<std::string>{"x"});
}

TEST_P(VfsConformance, LocksOnce) {
  auto lock = vfs_->Lock(Path("LOCK"));
  ASSERT_TRUE(lock.has_value()) << lock.error().ToString();
  EXPECT_EQ(vfs_->Lock(Path("LOCK")).error().code(), StatusCode::kAlreadyExists);
  *lock = nullptr;
  EXPECT_TRUE(vfs_->Lock(Path("LOCK")).has_value());
  EXPECT_TRUE(vfs_->Lock(Path("OTHER")).has_value());
}

TEST_P(VfsConformance, WriteFileDurably) {
  Write("x.tmp", "left by a crash");
  ASSERT_TRUE(WriteFileDurably(*vfs_, Path("x"), AsBytes("new")).ok());
  EXPECT_EQ(Read("x"), "new");
  EXPECT_EQ(WriteFileDurably(*vfs_, Path("x"), AsBytes("y")).code(), StatusCode::kAlreadyExists);
  EXPECT_EQ(Read("x"), "new");
  EXPECT_EQ(*vfs_->List(root_), std::vector<std::string>{"x"});
  EXPECT_EQ(ReadWholeFile(*vfs_, Path("x"), 2).error().code(), StatusCode::kCorruption);
}

INSTANTIATE_TEST_SUITE_P(All, VfsConformance, ::testing::Values("posix", "memory", "stacked"),
                         [](const auto& param) { return std::string(param.param); });

TEST(PosixVfs, LockNamesTheHolderInAnotherProcess) {
  char folder[] = "/tmp/quipu-vfs-XXXXXX";
  ASSERT_NE(::mkdtemp(folder), nullptr);
  const std::string path = JoinPath(folder, "LOCK");
  auto lock = Vfs::Posix()->Lock(path);
  ASSERT_TRUE(lock.has_value());
  const std::string want = "process " + std::to_string(::getpid());
  const pid_t child = ::fork();
  if (child == 0) {
    const Status refused = Vfs::Posix()->Lock(path).error();
    ::_exit(refused.message().find(want) != std::string_view::npos ? 0 : 1);
  }
  int result = -1;
  ASSERT_EQ(::waitpid(child, &result, 0), child);
  EXPECT_EQ(result, 0);
  std::filesystem::remove_all(folder);
}

TEST(PosixVfs, MoreFilesThanDescriptorsCanBeOpenForReading) {
  char folder[] = "/tmp/quipu-vfs-XXXXXX";
  ASSERT_NE(::mkdtemp(folder), nullptr);
  const auto open_descriptors = [] {
    const std::filesystem::directory_iterator all("/proc/self/fd");
    return std::distance(begin(all), end(all));
  };
  const auto before = open_descriptors();
  constexpr int kFiles = 1300;
  std::vector<std::unique_ptr<ReadableFile>> files;
  for (int i = 0; i < kFiles; ++i) {
    const std::string path = JoinPath(folder, std::to_string(i));
    auto created = Vfs::Posix()->Create(path);
    ASSERT_TRUE(created && (*created)->Append(AsBytes("file " + std::to_string(10'000 + i))).ok());
    ASSERT_TRUE((*created)->Close().ok());
    auto opened = Vfs::Posix()->OpenForRead(path);
    ASSERT_TRUE(opened);
    files.push_back(*std::move(opened));
  }
  EXPECT_LE(open_descriptors() - before, 520);
  for (const int i : {0, 1, 1299, 0, 700, 1}) {
    std::string text(10, ' ');
    ASSERT_TRUE(files[static_cast<std::size_t>(i)]
                    ->ReadAt(0, {reinterpret_cast<std::uint8_t*>(text.data()), text.size()})
                    .ok());
    EXPECT_EQ(text, "file " + std::to_string(10'000 + i));
  }
  files.clear();
  EXPECT_LE(open_descriptors() - before, 1);
  std::filesystem::remove_all(folder);
}

TEST(PosixVfs, AFileIsGivenUpAfterAFailedWrite) {
  char folder[] = "/tmp/quipu-vfs-XXXXXX";
  ASSERT_NE(::mkdtemp(folder), nullptr);
  const pid_t child = ::fork();  // the limit stays in the child
  if (child == 0) {
    ::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{4096, 4096};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    auto file = Vfs::Posix()->Create(JoinPath(folder, "big"));
    const std::string data(3000, 'x');
    bool good = file.has_value() && (*file)->Append(AsBytes(data)).ok();
    good = good && (*file)->Append(AsBytes(data)).code() == StatusCode::kIoError;
    good = good && (*file)->Sync().message().find("given up") != std::string_view::npos;
    good = good && !(*file)->Append({}).ok() && (*file)->Close().ok();
    ::_exit(good ? 0 : 1);
  }
  int result = -1;
  ASSERT_EQ(::waitpid(child, &result, 0), child);
  EXPECT_EQ(result, 0);
  std::filesystem::remove_all(folder);
}

TEST(Paths, JoinAndFolder) {
  EXPECT_EQ(JoinPath("a/b", "c"), "a/b/c");
  EXPECT_EQ(JoinPath("a/", "c"), "a/c");
  EXPECT_EQ(JoinPath("/", "c"), "/c");
  EXPECT_EQ(JoinPath("", "c"), "c");
  EXPECT_EQ(FolderOf("a/b/c"), "a/b");
  EXPECT_EQ(FolderOf("a"), ".");
  EXPECT_EQ(FolderOf("/a"), "/");
}

}  // namespace
}  // namespace quipu
