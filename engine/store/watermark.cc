#include "store/watermark.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <vector>

#include "base/check.h"

namespace quipu {
namespace {

constexpr std::size_t kRecordBytes = 16;
constexpr std::uint64_t kFileBytesMax = std::uint64_t{kWatermarkRecordsMax} * kRecordBytes;

std::string FileName(std::uint64_t number) {
  std::string digits = std::to_string(number);
  if (digits.size() < 10) digits.insert(0, 10 - digits.size(), '0');
  return std::string(kWatermarkPrefix) + digits;
}

std::optional<std::uint64_t> NumberOf(std::string_view name) {
  if (!name.starts_with(kWatermarkPrefix)) return std::nullopt;
  name.remove_prefix(kWatermarkPrefix.size());
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
  if (error != std::errc() || end != name.data() + name.size()) return std::nullopt;
  return number;
}

Result<std::vector<std::uint64_t>> FileNumbers(Vfs& vfs, const std::string& folder) {
  QUIPU_TRY_ASSIGN(const std::vector<std::string> names, vfs.List(folder));
  std::vector<std::uint64_t> numbers;
  for (const std::string& name : names) {
    if (const auto number = NumberOf(name)) numbers.push_back(*number);
  }
  std::sort(numbers.begin(), numbers.end());
  return numbers;
}

std::uint64_t CheckOf(std::uint64_t seq, const Hash128& store_id, std::uint64_t number) {
  std::string place;
  ByteWriter w(&place);
  w.U64(store_id.high);
  w.U64(store_id.low);
  w.U64(number);
  std::string record;
  ByteWriter(&record).U64(seq);
  return Hash64(record, Hash64(place));
}

}  // namespace

Result<std::uint64_t> Watermark::Read(Vfs& vfs, const std::string& folder,
                                      const Hash128& store_id) {
  QUIPU_TRY_ASSIGN(const std::vector<std::uint64_t> numbers, FileNumbers(vfs, folder));
  std::uint64_t highest = 0;
  for (const std::uint64_t number : numbers) {
    QUIPU_TRY_ASSIGN(const std::string bytes,
                     ReadWholeFile(vfs, JoinPath(folder, FileName(number)), kFileBytesMax));
    ByteReader in(AsBytes(bytes));
    while (in.remaining() >= kRecordBytes) {
      const std::uint64_t seq = in.U64();
      if (in.U64() == CheckOf(seq, store_id, number)) highest = std::max(highest, seq);
    }
  }
  return highest;
}

Watermark::Watermark(Vfs* vfs, Clock* clock, std::string folder, const Hash128& store_id)
    : vfs_(vfs), clock_(clock), folder_(std::move(folder)), store_id_(store_id) {}

Result<std::unique_ptr<Watermark>> Watermark::Start(Vfs* vfs, Clock* clock,
                                                    const std::string& folder,
                                                    const Hash128& store_id, std::uint64_t seq) {
  QUIPU_TRY_ASSIGN(const std::vector<std::uint64_t> numbers, FileNumbers(*vfs, folder));
  std::unique_ptr<Watermark> watermark(new Watermark(vfs, clock, folder, store_id));
  QUIPU_TRY(watermark->StartFile(numbers.empty() ? 1 : numbers.back() + 1, seq));
  return watermark;
}

Status Watermark::StartFile(std::uint64_t number, std::uint64_t seq) {
  number_ = number;
  records_ = 0;
  QUIPU_TRY_ASSIGN(file_, vfs_->Create(JoinPath(folder_, FileName(number))));
  QUIPU_TRY(Append(seq));
  QUIPU_TRY(file_->Sync());
  QUIPU_TRY(vfs_->SyncFolder(folder_));
  synced_us_ = clock_->MonotonicUs();
  return RemoveOlder(number);
}

Status Watermark::RemoveOlder(std::uint64_t number) {
  QUIPU_TRY_ASSIGN(const std::vector<std::uint64_t> numbers, FileNumbers(*vfs_, folder_));
  for (const std::uint64_t older : numbers) {
    if (older < number) QUIPU_TRY(vfs_->Unlink(JoinPath(folder_, FileName(older))));
  }
  return {};
}

Status Watermark::Append(std::uint64_t seq) {
  std::string record;
  ByteWriter w(&record);
  w.U64(seq);
  w.U64(CheckOf(seq, store_id_, number_));
  ++records_;
  return file_->Append(AsBytes(record));
}

Status Watermark::Advance(std::uint64_t seq) {
  if (records_ == kWatermarkRecordsMax) {
    QUIPU_TRY(Close());
    return StartFile(number_ + 1, seq);
  }
  QUIPU_TRY(Append(seq));
  const std::int64_t now = clock_->MonotonicUs();
  if (now - synced_us_ < kWatermarkSyncUs) return {};
  synced_us_ = now;
  return file_->Sync();
}

Status Watermark::Close() {
  QUIPU_TRY(file_->Sync());
  return file_->Close();
}

}  // namespace quipu
