// Each setting has its reason; those that refer to a defect name the version that mended it, since 7.8.3 (Debian's) does not have the mend.
#include "store/kv_rocks_settings.h"

#include <rocksdb/filter_policy.h>
#include <rocksdb/table.h>

#include <array>

#include "base/canary.h"
#include "base/check.h"

namespace quipu {
namespace {

constexpr std::size_t kBlobMemtableBytes = 64u << 20;
constexpr std::size_t kSmallMemtableBytes = 8u << 20;

rocksdb::ColumnFamilyOptions MakeSpaceOptions(KvSpace space,
                                              const std::shared_ptr<rocksdb::Cache>& cache) {
  rocksdb::ColumnFamilyOptions o;
  // Thrice the blobs of a seal of the default size: most are deleted while they are still in the memtable, and a flush then drops put and delete
  // together but for a small tombstone. Larger would only hold dead blobs in memory.
  o.write_buffer_size = space == KvSpace::kBlobs ? kBlobMemtableBytes : kSmallMemtableBytes;
  o.max_write_buffer_number = 2;  // see max_background_jobs
  o.compression =
      rocksdb::kNoCompression;  // blobs live for minutes and names are few: not worth the processor
  o.bottommost_compression = rocksdb::kDisableCompressionOption;
  o.paranoid_file_checks =
      true;  // read back what a flush has written: 7.8 cannot verify record counts (8.7)
  o.force_consistency_checks = true;
  rocksdb::BlockBasedTableOptions table;
  table.checksum = rocksdb::kXXH3;
  table.block_cache = cache;
  // Producers are looked up one by one; meta and blobs are only scanned.
  if (space == KvSpace::kProducers) table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  o.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return o;
}

}  // namespace

Status FromRocks(const rocksdb::Status& s, std::string_view what, const std::string& path) {
  if (s.ok()) return {};
  std::string message = "key-value store " + path + ": " + std::string(what) + ": " + s.ToString();
  if (s.IsCorruption()) return Status::Corruption(std::move(message));
  if (s.IsNotSupported()) return Status::Unsupported(std::move(message));
  return Status::IoError(std::move(message));
}

rocksdb::DBOptions MakeDbOptions(const std::shared_ptr<FailStop>& fail_stop) {
  rocksdb::DBOptions o;
  o.create_if_missing = true;
  o.create_missing_column_families =
      true;  // a crash between creating two families is mended at the next open
  // The default, point-in-time recovery, drops every commit after one flipped bit and says nothing (measured). This mode refuses to
  // open then, and still accepts a last record that is cut short. (kAbsoluteConsistency would refuse that too.) See OpenRocksKv for one that
  // is torn inside.
  if (!IsCanary(Canary::kDefaultWalRecovery))
    o.wal_recovery_mode = rocksdb::WALRecoveryMode::kTolerateCorruptedTailRecords;
  o.paranoid_checks = true;        // stop at the first damaged block
  o.max_bgerror_resume_count = 0;  // no self-healing: an error stops writes (FailStop)
  o.track_and_verify_wals_in_manifest =
      false;  // false "missing WAL" (mended in 7.10), and no gain in our tests
  o.wal_compression = rocksdb::kNoCompression;  // recovery defect (8.0)
  o.recycle_log_file_num = 0;  // recovery defects (9.3); cannot tell a torn tail from an old record
  o.manual_wal_flush = false;  // families may diverge after a WAL error (9.7)
  o.two_write_queues = false;  // only for two-phase commit, which we do not use
  o.atomic_flush =
      false;  // stuck after a failed flush (8.7); not needed, every Write is in the WAL
  // Else every log takes 1.1 x the largest table from the disk before it holds anything: an empty store 70 MB, gone from the free space that
  // the disk reserve is compared with. A log that grows by appends must have its size written by each fdatasync anyway.
  o.allow_fallocate = false;
  // One write of a flush: a kernel that is not built to preempt itself gives nobody else the processor until it ends (see vfs_posix.cc).
  o.writable_file_max_buffer_size = 128u << 10;
  o.max_background_jobs = 2;  // more jobs than buffers retried failed flushes out of order (7.9)
  o.max_open_files = -1;      // a handful of files; keep them open
  // An idle family pins every WAL (the meta and producer families change little), so cap their sum; this also bounds what a reopen
  // after a crash must replay: about a second.
  o.max_total_wal_size = 256u << 20;
  o.max_manifest_file_size =
      16u << 20;  // of RocksDB's own manifest; the default of 1 GB suits no embedded store
  o.max_log_file_size = 1u << 20;  // its text log, LOG: at most 3 MB of it
  o.keep_log_file_num = 3;
  o.stats_dump_period_sec = 0;     // no statistics into that log, no timer thread for it
  o.stats_persist_period_sec = 0;  // likewise
  o.listeners.push_back(fail_stop);
  return o;
}

std::vector<rocksdb::ColumnFamilyDescriptor> MakeFamilies() {
  const std::shared_ptr<rocksdb::Cache> cache = rocksdb::NewLRUCache(16u << 20);
  // The names are on disk. "default" must exist; it is the meta space.
  const std::array<std::string, kKvSpaces> names = {rocksdb::kDefaultColumnFamilyName, "producers",
                                                    "blobs"};
  std::vector<rocksdb::ColumnFamilyDescriptor> families;
  for (int i = 0; i < kKvSpaces; ++i) {
    families.emplace_back(names[static_cast<std::size_t>(i)],
                          MakeSpaceOptions(static_cast<KvSpace>(i), cache));
  }
  return families;
}

Result<std::optional<std::string>> GetRow(rocksdb::DB* db, rocksdb::ColumnFamilyHandle* space,
                                          std::string_view key, const std::string& path) {
  std::string value;
  const rocksdb::Status s = db->Get(rocksdb::ReadOptions(), space, ToSlice(key), &value);
  if (s.IsNotFound()) return std::optional<std::string>();
  QUIPU_TRY(FromRocks(s, "get", path));
  return std::optional<std::string>(std::move(value));
}

Status ScanRows(rocksdb::DB* db, rocksdb::ColumnFamilyHandle* space, std::string_view from,
                const KvReader::Visitor& visit, const std::string& path) {
  rocksdb::ReadOptions options;
  options.fill_cache = false;  // scans happen at open, once
  // Deleted blobs leave tombstones; the bound keeps the iterator from walking those before `from` (20 us became 13 ms, #10300).
  const rocksdb::Slice lower = ToSlice(from);
  options.iterate_lower_bound = &lower;
  const std::unique_ptr<rocksdb::Iterator> it(db->NewIterator(options, space));
  bool stop = false;
  for (it->Seek(lower); it->Valid() && !stop; it->Next()) {
    QUIPU_TRY(visit(ToView(it->key()), ToView(it->value()), &stop));
  }
  // A loop that ends by an error looks like one that ends by the last key.
  return FromRocks(it->status(), "scan", path);
}

}  // namespace quipu
