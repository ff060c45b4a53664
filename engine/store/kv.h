// KvStore: the narrow door to a transactional key-value store, and the only way to it.
//
// Three spaces (RocksDB column families): kMeta (manifest and catalogue: small, read at open), kProducers (one row a producer), kBlobs
// (one row a commit, put once, deleted once by the seal that makes it redundant). What we ask of an implementation:
//   (1) Write is atomic over all spaces; with sync it is durable when it returns OK.
//   (2) After a crash the state is that after some prefix of the Writes that includes every synced one.
//   (3) A Write that returned an error may or may not have happened: the store must be reopened to know (Store does fail-stop).
//   (4) Keys are ordered bytewise.
// Nothing per event ever goes through here, and no merge operator, range delete, transaction or snapshot is used.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "quipu/status.h"

namespace quipu {

/// Stored as column family order: never renumber.
enum class KvSpace : std::uint8_t { kMeta = 0, kProducers = 1, kBlobs = 2 };
inline constexpr int kKvSpaces = 3;

class KvBatch {
 public:
  struct Op {
    KvSpace space;
    bool is_delete;
    std::string key, value;
  };
  void Put(KvSpace space, std::string key, std::string value) {
    ops_.push_back({space, false, std::move(key), std::move(value)});
  }
  void Delete(KvSpace space, std::string key) { ops_.push_back({space, true, std::move(key), {}}); }
  [[nodiscard]] const std::vector<Op>& ops() const { return ops_; }
  [[nodiscard]] bool empty() const { return ops_.empty(); }

 private:
  std::vector<Op> ops_;
};

/// Rows to read: those of a KvStore, or a copy of some of them.
class KvReader {
 public:
  virtual ~KvReader() = default;
  virtual Result<std::optional<std::string>> Get(KvSpace space, std::string_view key) const = 0;
  /// Calls `visit` for keys >= from in order, until it returns a failed Status (which is returned) or sets *stop.
  using Visitor = std::function<Status(std::string_view key, std::string_view value, bool* stop)>;
  virtual Status Scan(KvSpace space, std::string_view from, const Visitor& visit) const = 0;
};

class KvStore : public KvReader {
 public:
  virtual Status Write(const KvBatch& batch, bool sync) = 0;
  /// Nothing that was deleted or overwritten by the Writes so far is left in the store's files when this returns OK: tables are
  /// rewritten without it and old logs are gone. Dear (it reads and writes everything); Writes may go on meanwhile. After an error
  /// the store is as sound as after any other failed background work: see (3).
  virtual Status Purge() = 0;
  /// After an open: all that was looked for is there. Until then files that the store's list does not name are kept, since a damaged list may be the reason, and a
  /// repair would need them.
  virtual Status ReleaseOldFiles() = 0;
  virtual Status Close() = 0;
};

/// RocksDB in folder `path` (created if missing). The settings and the reason for each are in kv_rocks.cc.
Result<std::unique_ptr<KvStore>> OpenRocksKv(const std::string& path);

/// For repair: what is left of the RocksDB in folder `path`, to be read only (a Write is kUnsupported). Nothing in the folder is changed. Damaged records of the
/// log are left out, damaged tables fail where they are read; what is wrong is appended to `problems`. If RocksDB's own list of files is damaged, a copy
/// with a new list is made in the folder `scratch` ("" = do not), which must not exist and is the caller's to remove with RemoveRocksFolder.
Result<std::unique_ptr<KvStore>> OpenDamagedRocksKv(const std::string& path,
                                                    const std::string& scratch,
                                                    std::vector<std::string>* problems);
Status RemoveRocksFolder(const std::string& path);
/// Follows a KvStore that another process has open, or that nobody has. It writes nothing, takes no lock, and the other process notices
/// nothing of it.
///
/// `Load` gives the rows as they are after one of the Writes. From then on `Next` gives each later Write, whole and in order, none left out and
/// none twice: so its user stands, after each of them, where the writer stood then. Writes are seen from the moment they are in the writer's
/// log, which is before they are durable: a writer's crash takes none of them back, a power cut takes the follower along.
/// One thread at a time.
class KvFollower {
 public:
  virtual ~KvFollower() = default;
  /// The rows (of all spaces), for the moment: to be read and let go. May take seconds and as much memory as the writer's logs.
  /// kNotFound: there is no key-value store (yet).
  virtual Result<std::unique_ptr<KvReader>> Load() = 0;
  enum class Step : std::uint8_t {
    kWrite,  ///< *write is the next one.
    kEnd,    ///< There is no other yet.
    kLost,  ///< The thread is lost (the writer was faster and has removed its log): Load again. As at the start.
  };
  /// kCorruption: what comes next is damaged, now.
  virtual Result<Step> Next(KvBatch* write) = 0;
};

Result<std::unique_ptr<KvFollower>> FollowRocksKv(const std::string& path);

/// A KvStore in memory with the same contract, for tests and simulation. The disk outlives the store, as a real one does.
class MemoryKvDisk {
 public:
  MemoryKvDisk();
  ~MemoryKvDisk();
  Result<std::unique_ptr<KvStore>> Open();
  /// Any number of followers, which must go before a PowerCut (a power cut ends their processes).
  Result<std::unique_ptr<KvFollower>> Follow();
  /// Followers have lost the thread.
  void DropLog();
  /// Forgets a random suffix of the Writes after the last synced one. Open stores fail from now on (kIoError).
  void PowerCut(Random& random);
  /// The n-th Write from now fails; it has happened or not, by the flag.
  void FailNthWrite(std::uint64_t n, bool applied);

  struct State;

 private:
  std::shared_ptr<State> state_;
};

}  // namespace quipu
