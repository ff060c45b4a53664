#include "tests/surroundings.h"

#include <algorithm>
#include <filesystem>

#include "base/calendar.h"
#include "base/check.h"
#include "db/database_impl.h"

namespace quipu {

Surroundings::Surroundings(bool real) : real_(real), clock_(ParseTime("2026-12-01")->time_us) {
  if (!real_) return;
  std::string name = (std::filesystem::temp_directory_path() / "quipu_model_XXXXXX").string();
  QUIPU_CHECK(mkdtemp(name.data()) != nullptr);
  folder_ = name;
}

Surroundings::~Surroundings() {
  std::error_code ignored;
  if (real_) std::filesystem::remove_all(folder_, ignored);
}

Result<Database> Surroundings::Open(const Options& options, std::uint64_t seed) {
  StoreEnvironment environment;
  order_.push_back(std::make_unique<OrderCheckingVfs>(real_ ? Vfs::Posix() : &memory_));
  environment.vfs = order_.back().get();
  environment.clock = &clock_;
  environment.random_seed = seed;
  if (!real_) environment.open_kv = [this](const std::string&) { return kv_.Open(); };
  return OpenDatabaseIn(real_ ? folder_ + "/store" : "/store", options, environment);
}

void Surroundings::PowerCut(Random& random) {
  // First: what the manifest holds from now on, no later file operation may contradict.
  kv_.PowerCut(random);
  memory_.PowerCut(random, static_cast<int>(random.Below(101)));
}

void Surroundings::EmptyQuarantine() {
  Vfs* const vfs = real_ ? Vfs::Posix() : static_cast<Vfs*>(&memory_);
  for (const char* name : {"/quarantine", "/archive/quarantine"}) {
    const std::string folder = (real_ ? folder_ + "/store" : "/store") + std::string(name);
    const auto exists = vfs->Exists(folder);
    QUIPU_CHECK(exists.has_value());
    if (!*exists) continue;
    const auto files = vfs->List(folder);
    QUIPU_CHECK(files.has_value());
    for (const std::string& file : *files) QUIPU_CHECK(vfs->Unlink(JoinPath(folder, file)).ok());
  }
}

Options RandomOptions(Random& random) {
  const auto pick = [&](std::initializer_list<std::uint64_t> choices) {
    return *(choices.begin() + random.Below(choices.size()));
  };
  Options o;
  o.create_if_missing = true;
  o.durability = random.Below(3) == 0 ? Durability::kInterval : Durability::kSync;
  o.sync_interval_ms = 20;
  o.seal_bytes = pick({20'000, 300'000, 64u << 20});
  o.hot_bytes_max = std::max<std::uint64_t>(pick({100'000, 64u << 20}), 50'000);
  o.background_upkeep = random.Below(2) == 0;
  if (!o.background_upkeep) o.hot_bytes_max = 64u << 20;  // nobody would make room
  o.merge_fan_in = static_cast<std::uint32_t>(pick({2, 8}));
  o.merged_rows_max = pick({3000, 16u << 20});
  o.cache_bytes = pick({0, 10'000, 64u << 20});
  o.query_threads = static_cast<std::uint32_t>(pick({1, 4}));
  o.compact_threads = static_cast<std::uint32_t>(pick({1, 3}));
  o.commit_bytes_max = static_cast<std::uint32_t>(pick({1, 1u << 20}));
  o.future_bound_us = -1;
  o.month_close_after_us = static_cast<std::int64_t>(pick({1, 35, 300})) * kDayUs;
  o.month_quiet_us = static_cast<std::int64_t>(pick({0, 3600})) * kSecondUs;
  o.segment_bytes_target = pick({30'000, 160u << 20});
  o.own_file_bytes_min = pick({20'000, 32u << 20});
  o.retention_check_ms = 0;  // the oracle has to know when
  o.identity_window_us = static_cast<std::int64_t>(pick({20, 100, 250})) * kDayUs;
  return o;
}

std::string Describe(const Options& o) {
  return "durability=" + std::to_string(static_cast<int>(o.durability)) +
         " seal_bytes=" + std::to_string(o.seal_bytes) +
         " hot_bytes_max=" + std::to_string(o.hot_bytes_max) +
         " background=" + std::to_string(o.background_upkeep) +
         " fan_in=" + std::to_string(o.merge_fan_in) +
         " merged_rows_max=" + std::to_string(o.merged_rows_max) +
         " close_days=" + std::to_string(o.month_close_after_us / kDayUs) +
         " segment_target=" + std::to_string(o.segment_bytes_target) +
         " own_file=" + std::to_string(o.own_file_bytes_min) +
         " window_days=" + std::to_string(o.identity_window_us / kDayUs) +
         " cache=" + std::to_string(o.cache_bytes) +
         " query_threads=" + std::to_string(o.query_threads) +
         " compact_threads=" + std::to_string(o.compact_threads);
}

std::string Describe(const QuerySpec& q) {
  std::string text = "select";
  for (const Aggregate& a : q.select) text += " " + a.name;
  for (const auto& c : q.customers) text += " customer " + c;
  for (const auto& s : q.services) text += " service " + s;
  if (q.from) text += " from " + FormatTime(*q.from);
  if (q.to) text += " to " + FormatTime(*q.to);
  text += " unit " + std::to_string(static_cast<int>(q.window.unit)) + " " + q.window.zone;
  for (const auto& g : q.group_by) text += " by " + g;
  for (const Filter& f : q.filters) {
    text += " where " + f.column + " op" + std::to_string(static_cast<int>(f.op));
    for (const auto& v : f.values) text += " " + v;
  }
  for (const OrderBy& o : q.order_by)
    text += std::string(" order ") + (o.descending ? "-" : "") + o.column;
  return text + " limit " + std::to_string(q.limit) + (q.fill ? " fill" : "") +
         (q.exact ? " exact" : "");
}

}  // namespace quipu
