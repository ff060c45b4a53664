#include "upkeep/compaction.h"

#include <algorithm>
#include <map>

#include "base/calendar.h"

namespace quipu {
namespace {

// Smaller files count as this large: rewriting them costs next to nothing, having many of them does not.
constexpr std::uint64_t kFloorBytes = 64u << 10;
// A merge in tiers makes at least this many tenths of its largest input.
constexpr std::uint64_t kGainTenthsMin = 17;
// Late files of a closed month: merged among themselves in smaller numbers, since questions about old months should stay cheap ...
constexpr std::size_t kLateFanIn = 4;
// ... and with closed files that are at most this many times their size.
constexpr std::uint64_t kLateTouchedMax = 8;
// On request: rewritten files may be this many times what is merged into them; up to the target size that does not matter.
constexpr std::uint64_t kRequestTouchedMax = 50;
// A month is busy if more than a 50th of it is new.
constexpr std::uint64_t kBusyShare = 50;

using Facts = const SegmentFacts*;

std::uint64_t WeightOf(Facts f) { return std::max(f->bytes, kFloorBytes); }

std::uint64_t BytesOf(std::span<const Facts> files) {
  std::uint64_t sum = 0;
  for (const Facts f : files) sum += f->bytes;
  return sum;
}

bool IsFull(Facts f, const Options& options) {
  return f->bytes >= options.segment_bytes_target / 4 * 3 ||
         f->rows >= options.merged_rows_max / 4 * 3;
}

struct Tier {
  std::vector<Facts> files;
  std::uint64_t gain_tenths = 0;
};

/// The neighbours by size, between `fewest` and twice as many, whose merge gains most.
Tier BestTier(std::vector<Facts> files, std::size_t fewest) {
  Tier best;
  if (files.size() < fewest) return best;
  std::sort(files.begin(), files.end(), [](Facts a, Facts b) {
    return std::pair(WeightOf(a), a->id) < std::pair(WeightOf(b), b->id);
  });
  const std::size_t most = std::min({files.size(), 2 * fewest, kMergeDepthMax});
  const bool piled_up = files.size() >= 2 * fewest;
  for (std::size_t first = 0; first + fewest <= files.size(); ++first) {
    std::uint64_t total = 0;
    for (std::size_t n = 1; n <= most && first + n <= files.size(); ++n) {
      const std::uint64_t largest = WeightOf(files[first + n - 1]);
      total += largest;
      if (n < fewest) continue;
      const std::uint64_t gain = total * 10 / largest;
      const std::uint64_t wanted = piled_up ? kGainTenthsMin : std::max(kGainTenthsMin, n * 5);
      if (gain < wanted || gain <= best.gain_tenths) continue;
      best.gain_tenths = gain;
      best.files.assign(files.begin() + static_cast<std::ptrdiff_t>(first),
                        files.begin() + static_cast<std::ptrdiff_t>(first + n));
    }
  }
  return best;
}

/// One month's part of the decision.
class Month {
 public:
  Month(MonthIndex month, std::vector<Facts> files, const Options& options,
        const CompactionOrder& order)
      : month_(month), files_(std::move(files)), options_(options), order_(order) {
    is_closed_ = order.now_us - MonthStart(month + 1) >= options.month_close_after_us;
    fan_in_ = std::clamp<std::size_t>(options.merge_fan_in, 2, kMergeDepthMax);
    FindBase();
  }

  /// A merge of a tier, and what it gains.
  [[nodiscard]] std::optional<CompactionJob> PickTier(std::uint64_t* gain_tenths) const {
    Tier best;
    for (const auto& [key, files] : TierGroups()) {
      Tier tier = BestTier(files, key.fewest);
      if (tier.gain_tenths > best.gain_tenths) best = std::move(tier);
    }
    *gain_tenths = best.gain_tenths;
    if (best.files.empty()) return std::nullopt;
    return Job(best.files, SegmentLevel::kMerged, 0);
  }

  /// The merge that closes the month, or takes late files into a closed one.
  [[nodiscard]] std::optional<CompactionJob> PickRun() const {
    if (files_.size() < 2 || (!order_.on_request && IsOpen())) return std::nullopt;
    const SegmentLevel level = is_closed_ ? SegmentLevel::kClosed : SegmentLevel::kMerged;
    if (base_.empty()) return Bounded(Job(files_, level, 0));
    if (late_.empty()) return std::nullopt;
    if (auto job = JoinBase(late_, level)) return job;
    // Not all of them together; but one of them may lie where the run has little or nothing.
    for (const Facts late : late_) {
      if (late->bytes < options_.segment_bytes_target / 8) continue;
      if (auto job = JoinBase({&late, 1}, level)) return job;
    }
    if (!order_.on_request || RunsOf(late_) < 2) return std::nullopt;
    return Bounded(Job(late_, SegmentLevel::kMerged, 0));
  }

 private:
  struct GroupKey {
    std::size_t fewest;
    bool is_own;  // files of one large customer: merging them with others gains nothing
    CustomerOrdinal customer;
    friend auto operator<=>(const GroupKey&, const GroupKey&) = default;
  };

  static std::size_t RunsOf(std::span<const Facts> files) {
    std::set<std::uint64_t> runs;
    for (const Facts f : files) runs.insert(f->run);
    return runs.size();
  }

  /// The run that the rest of the month is late to: the closed one, or one that holds 8/9 of the month.
  void FindBase() {
    std::map<std::uint64_t, std::uint64_t> bytes;
    std::set<std::uint64_t> closed;
    std::uint64_t total = 0;
    for (const Facts f : files_) {
      bytes[f->run] += f->bytes;
      total += f->bytes;
      if (f->level == SegmentLevel::kClosed) closed.insert(f->run);
    }
    std::uint64_t base = 0;
    for (const auto& [run, sum] : bytes) {
      const bool may =
          closed.contains(run) || order_.on_request || (total - sum) * kLateTouchedMax <= sum;
      if (may && (base == 0 || std::pair(closed.contains(run), sum) >
                                   std::pair(closed.contains(base), bytes[base]))) {
        base = run;
      }
    }
    for (const Facts f : files_) (base != 0 && f->run == base ? base_ : late_).push_back(f);
  }

  [[nodiscard]] bool IsOpen() const {
    if (!is_closed_) return true;
    std::vector<Facts> fresh;
    for (const Facts f : files_) {
      if (f->level != SegmentLevel::kClosed &&
          f->sealed_us > order_.now_us - options_.month_quiet_us)
        fresh.push_back(f);
    }
    return BytesOf(fresh) > BytesOf(files_) / kBusyShare;
  }

  [[nodiscard]] std::map<GroupKey, std::vector<Facts>> TierGroups() const {
    std::map<GroupKey, std::vector<Facts>> groups;
    const bool is_open = IsOpen();
    if (!is_open && base_.empty()) return groups;  // its close takes everything at once
    for (const Facts f : is_open ? files_ : late_) {
      if (order_.except.contains(f->id) || IsFull(f, options_)) continue;
      // A closed file that is late: the freeze between it and the closed run was dropped.
      if (f->level == SegmentLevel::kClosed && is_open) continue;
      // Far below what gave it its own file: that was an estimate.
      const bool is_own = f->customers == 1 && f->bytes >= options_.own_file_bytes_min / 4;
      // The last merge of an open month is its close, so the one before may wait for more.
      const std::size_t fewest = !is_open ? std::min(fan_in_, kLateFanIn)
                                 : f->level == SegmentLevel::kSealed
                                     ? fan_in_
                                     : std::min(2 * fan_in_, kMergeDepthMax);
      groups[{fewest, is_own, is_own ? f->customer_first : 0}].push_back(f);
    }
    return groups;
  }

  [[nodiscard]] bool Touches(Facts late, Facts base) const {
    if (late->customer_last < base->customer_first || base->customer_last < late->customer_first)
      return false;
    if (!order_.holds_customer) return true;
    if (base->customers == 1) return order_.holds_customer(late->id, base->customer_first);
    if (late->customers == 1) return order_.holds_customer(base->id, late->customer_first);
    return true;
  }

  /// These late files and the files of the base run that they touch, if that pays.
  [[nodiscard]] std::optional<CompactionJob> JoinBase(std::span<const Facts> late,
                                                      SegmentLevel level) const {
    std::vector<Facts> touched;
    for (const Facts base : base_) {
      if (std::any_of(late.begin(), late.end(), [&](Facts f) { return Touches(f, base); }))
        touched.push_back(base);
    }
    const std::uint64_t most = order_.on_request ? kRequestTouchedMax : kLateTouchedMax;
    const std::uint64_t rewritten = BytesOf(touched);
    if (touched.empty() && BytesOf(late) < options_.segment_bytes_target / 8) return std::nullopt;
    const bool is_small = order_.on_request && rewritten <= options_.segment_bytes_target;
    if (!is_small && rewritten / most > BytesOf(late)) return std::nullopt;
    touched.insert(touched.end(), late.begin(), late.end());
    return Bounded(Job(touched, level, base_.front()->run));
  }

  /// Too many at once: first the smallest runs among themselves.
  [[nodiscard]] std::optional<CompactionJob> Bounded(CompactionJob job) const {
    std::map<std::uint64_t, std::vector<Facts>> runs;
    std::vector<SegmentFacts> inputs;
    for (const Facts f : files_) {
      if (!std::binary_search(job.inputs.begin(), job.inputs.end(), f->id)) continue;
      if (order_.except.contains(f->id)) return std::nullopt;
      runs[f->run].push_back(f);
      inputs.push_back(*f);
    }
    if (OverlapDepth(inputs) <= kMergeDepthMax) return job;
    std::vector<std::pair<std::uint64_t, const std::vector<Facts>*>> by_size;
    for (const auto& [run, files] : runs) by_size.emplace_back(BytesOf(files), &files);
    std::stable_sort(by_size.begin(), by_size.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    std::vector<Facts> taken;
    std::size_t taken_runs = 0;
    inputs.clear();
    for (const auto& [bytes, files] : by_size) {
      for (const Facts f : *files) inputs.push_back(*f);
      if (OverlapDepth(inputs) > kMergeDepthMax) break;
      taken.insert(taken.end(), files->begin(), files->end());
      ++taken_runs;
    }
    if (taken_runs < 2) return std::nullopt;
    return Job(taken, SegmentLevel::kMerged, 0);
  }

  [[nodiscard]] CompactionJob Job(std::span<const Facts> files, SegmentLevel level,
                                  std::uint64_t run) const {
    CompactionJob job;
    job.month = month_;
    job.level = level;
    job.run = run;
    job.bytes = BytesOf(files);
    for (const Facts f : files) job.inputs.push_back(f->id);
    std::sort(job.inputs.begin(), job.inputs.end());
    return job;
  }

  MonthIndex month_;
  std::vector<Facts> files_;
  const Options& options_;
  const CompactionOrder& order_;
  bool is_closed_ = false;
  std::size_t fan_in_ = 2;
  std::vector<Facts> base_, late_;
};

}  // namespace

SegmentFacts FactsOf(const SegmentMeta& meta) {
  return {meta.spec.segment_id,
          meta.run,
          meta.spec.month,
          meta.level,
          meta.totals.rows,
          meta.file_bytes,
          meta.customers,
          meta.customer_first,
          meta.customer_last,
          meta.sealed_us,
          0};
}

std::size_t OverlapDepth(std::span<const SegmentFacts> segments) {
  std::vector<std::pair<std::uint64_t, int>> edges;  // at equal places ends come first
  for (const SegmentFacts& s : segments) {
    edges.emplace_back(s.customer_first, +1);
    edges.emplace_back(std::uint64_t{s.customer_last} + 1, -1);
  }
  std::sort(edges.begin(), edges.end());
  int depth = 0, deepest = 0;
  for (const auto& [place, step] : edges) deepest = std::max(deepest, depth += step);
  return static_cast<std::size_t>(deepest);
}

std::optional<CompactionJob> PickCompaction(std::span<const SegmentFacts> segments,
                                            const Options& options, const CompactionOrder& order) {
  std::map<std::pair<MonthIndex, std::uint64_t>, std::vector<Facts>> by_month;
  for (const SegmentFacts& s : segments) by_month[{s.month, s.epoch}].push_back(&s);
  std::optional<CompactionJob> best, run;
  std::uint64_t best_gain = 0;
  for (auto& [key, files] : by_month) {
    const Month picker(key.first, std::move(files), options, order);
    std::uint64_t gain = 0;
    // On request the run takes in what a tier would have to, at once.
    if (auto job = order.on_request ? std::nullopt : picker.PickTier(&gain);
        job && gain > best_gain) {
      best_gain = gain;
      best = std::move(job);
    }
    if (!run) run = picker.PickRun();
  }
  // Short merges first: they keep the number of files small while a long one would run.
  return best ? best : run;
}

}  // namespace quipu
