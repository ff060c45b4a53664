#include "store/kv_torn_log.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <string_view>

#include "base/bytes.h"
#include "base/check.h"
#include "store/kv_log.h"

namespace quipu {
namespace {

constexpr std::uint64_t kLogBytesMax = 1ull << 30;
constexpr std::uint64_t kCurrentBytesMax = 64;
constexpr std::string_view kLogSuffix = ".log", kManifestPrefix = "MANIFEST-";
constexpr std::uint8_t kFullRecord = 1, kFirstOfRecord = 2;

/// Paths by number.
Result<std::map<std::uint64_t, std::string>> LogsOf(Vfs* vfs, const std::string& folder) {
  QUIPU_TRY_ASSIGN(const std::vector<std::string> names, vfs->List(folder));
  std::map<std::uint64_t, std::string> logs;
  for (const std::string& name : names) {
    if (!name.ends_with(kLogSuffix)) continue;
    std::uint64_t number = 0;
    const char* const end = name.data() + name.size() - kLogSuffix.size();
    const auto parsed = std::from_chars(name.data(), end, number);
    if (parsed.ec == std::errc() && parsed.ptr == end) logs.emplace(number, JoinPath(folder, name));
  }
  return logs;
}

LogTail TailOf(const std::string& log, std::uint64_t from) {
  return {"log",
          [&log](std::uint64_t offset, std::size_t bytes, std::string* out) -> Status {
            out->assign(std::string_view(log).substr(std::min<std::uint64_t>(offset, log.size())),
                        0, bytes);
            return {};
          },
          from};
}

std::uint64_t EndOfWholeRecords(const std::string& log) {
  LogTail tail = TailOf(log, 0);
  std::string record;
  for (;;) {
    const auto step = tail.Next(&record);
    if (!step || *step == LogTail::Step::kEnd) return tail.offset();
  }
}

/// Behind `from`, as a block that never reached the disk.
bool HasSectorOfZeros(const std::string& log, std::uint64_t from) {
  constexpr std::uint64_t kSectorBytes = 512;
  for (std::uint64_t at = (from / kSectorBytes + 1) * kSectorBytes; at < log.size();
       at += kSectorBytes) {
    const std::string_view sector = std::string_view(log).substr(at, kSectorBytes);
    if (sector.find_first_not_of('\0') == sector.npos) return true;
  }
  return false;
}

/// Wherever it begins: of what is damaged no length can be believed.
bool HoldsWholeRecord(const std::string& log, std::uint64_t from) {
  for (std::uint64_t at = from; at + kLogHeaderBytes <= log.size(); ++at) {
    const std::uint64_t left = std::min(kLogBlockBytes - at % kLogBlockBytes, log.size() - at);
    if (left < kLogHeaderBytes) continue;
    const auto kind = static_cast<std::uint8_t>(log[at + 6]);
    const std::uint64_t bytes = kLogHeaderBytes + LoadLe<std::uint16_t>(log.data() + at + 4);
    if ((kind != kFullRecord && kind != kFirstOfRecord) || bytes > left) continue;
    std::string record;
    const auto step = TailOf(log, at).Next(&record);
    if (step && *step == LogTail::Step::kRecord) return true;
  }
  return false;
}

}  // namespace

Result<bool> IsOnlyTailTorn(Vfs* vfs, const std::string& folder) {
  QUIPU_TRY_ASSIGN(const auto logs, LogsOf(vfs, folder));
  bool is_torn = false;
  for (const auto& [number, path] : logs) {
    QUIPU_TRY_ASSIGN(const std::string log, ReadWholeFile(*vfs, path, kLogBytesMax));
    if (log.empty()) continue;
    if (is_torn) return false;
    const std::uint64_t end = EndOfWholeRecords(log);
    if (end == log.size()) continue;
    if (HoldsWholeRecord(log, end + 1)) return false;
    is_torn = true;
  }
  return is_torn;
}

Result<std::optional<TornManifest>> FindTornManifest(Vfs* vfs, const std::string& folder) {
  std::optional<TornManifest> none;
  QUIPU_TRY_ASSIGN(std::string name,
                   ReadWholeFile(*vfs, JoinPath(folder, "CURRENT"), kCurrentBytesMax));
  if (!name.ends_with('\n') || !name.starts_with(kManifestPrefix)) return none;
  name.pop_back();
  TornManifest torn{JoinPath(folder, name), 0};
  QUIPU_TRY_ASSIGN(const std::string list, ReadWholeFile(*vfs, torn.path, kLogBytesMax));
  torn.whole_bytes = EndOfWholeRecords(list);
  // Without one whole change it is no list.
  if (torn.whole_bytes == 0 || torn.whole_bytes == list.size() ||
      !HasSectorOfZeros(list, torn.whole_bytes) || HoldsWholeRecord(list, torn.whole_bytes + 1))
    return none;
  return std::optional<TornManifest>(std::move(torn));
}

}  // namespace quipu
