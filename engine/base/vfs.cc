#include "base/vfs.h"

#include "base/check.h"

namespace quipu {

Result<std::string> ReadWholeFile(Vfs& vfs, const std::string& path, std::uint64_t bytes_max) {
  QUIPU_TRY_ASSIGN(std::unique_ptr<ReadableFile> file, vfs.OpenForRead(path));
  if (file->size() > bytes_max) {
    return Status::Corruption(path + ": holds " + std::to_string(file->size()) +
                              " bytes, expected at most " + std::to_string(bytes_max));
  }
  std::string text(static_cast<std::size_t>(file->size()), '\0');
  QUIPU_TRY(file->ReadAt(0, {reinterpret_cast<std::uint8_t*>(text.data()), text.size()}));
  return text;
}

namespace {

Status WriteAndSync(Vfs& vfs, const std::string& path, Bytes data) {
  QUIPU_TRY_ASSIGN(std::unique_ptr<WritableFile> file, vfs.Create(path));
  QUIPU_TRY(file->Append(data));
  QUIPU_TRY(file->Sync());
  return file->Close();
}

}  // namespace

Status WriteFileDurably(Vfs& vfs, const std::string& path, Bytes data) {
  const std::string tmp = path + ".tmp";
  Status status = vfs.Unlink(tmp);  // left by a crash
  if (!status.ok() && status.code() != StatusCode::kNotFound) return status;
  status = WriteAndSync(vfs, tmp, data);
  if (status.ok()) status = vfs.Rename(tmp, path);
  if (!status.ok()) {
    // Only tidies up: the error to report is the first one, and the next try removes what stays.
    static_cast<void>(vfs.Unlink(tmp));
    return status;
  }
  return vfs.SyncFolder(FolderOf(path));
}

std::string JoinPath(std::string_view folder, std::string_view name) {
  std::string path(folder);
  if (!path.empty() && path.back() != '/') path += '/';
  path += name;
  return path;
}

std::string FolderOf(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string_view::npos) return ".";
  return std::string(path.substr(0, slash == 0 ? 1 : slash));
}

}  // namespace quipu
