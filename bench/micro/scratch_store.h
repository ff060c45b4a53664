// A store in a folder of its own, for benchmarks.
#pragma once

#include <stdlib.h>

#include <cstdio>
#include <filesystem>
#include <optional>
#include <string>

#include "quipu/database.h"

namespace quipu {

[[noreturn]] inline void Die(const Status& status) {
  std::fprintf(stderr, "benchmark: %s\n", status.ToString().c_str());
  std::abort();
}

/// A store in a folder of its own, removed at the end.
class ScratchStore {
 public:
  explicit ScratchStore(Options options) {
    std::string pattern = std::filesystem::temp_directory_path() / "quipu-bench-XXXXXX";
    if (mkdtemp(pattern.data()) == nullptr)
      Die(Status::IoError("cannot make a folder in " + pattern));
    folder_ = pattern;
    options.create_if_missing = true;
    auto db = Database::Open(folder_ + "/store", options);
    if (!db) Die(db.error());
    db_.emplace(*std::move(db));
  }
  ~ScratchStore() {
    db_.reset();
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  Database& operator*() { return *db_; }
  Database* operator->() { return &*db_; }

 private:
  std::string folder_;
  std::optional<Database> db_;
};

}  // namespace quipu
