#include "query/time_weighted.h"

#include <algorithm>
#include <unordered_map>

#include "base/check.h"
#include "query/row_stream.h"
#include "query/source.h"
#include "query/wide_int.h"
#include "query/window_spans.h"
#include "sketch/exact_sum.h"

namespace quipu {
namespace {

constexpr std::uint32_t kNoLevel = 0xFFFFFFFF;

/// One event of a level.
struct Change {
  std::uint32_t level = 0;
  TimeUs time = 0;
  Int128 value = 0;  // at scale 18
  RowPlace place;
};

struct Level {
  std::uint32_t series = 0;
  Int128 value = 0;  // at scale 18
  TimeUs since = 0;  // counted up to here
};

class LevelReplay {
 public:
  LevelReplay(const View& view, const Catalogue& catalogue, const QuerySpec& spec,
              const Aggregate& aggregate, const SeriesOf& series_of, QueryRun* run)
      : view_(view),
        catalogue_(catalogue),
        spec_(spec),
        aggregate_(aggregate),
        series_of_(series_of),
        run_(run),
        levels_spec_(LevelsSpec()),
        stream_(view, catalogue, levels_spec_) {}

  Status Run() {
    // What may be asked for at all, and where the events begin and end.
    QuerySpec all = levels_spec_;
    all.from.reset();
    Source extent(view_, catalogue_, all);
    QUIPU_TRY(extent.Bind());
    const TimeUs from = spec_.from.value_or(extent.bound().from);
    const TimeUs to = *spec_.to;
    QUIPU_TRY_ASSIGN(spans_, SpansOf(spec_, from, to));
    if (spans_.empty()) return {};
    if (spec_.from) QUIPU_TRY(ReadLevelsAtStart());
    QUIPU_TRY(InSlices(std::max(from, extent.bound().from), std::min(to, extent.bound().to),
                       kTimeMax, [&](TimeUs a, TimeUs b) { return Replay(a, b); }));
    for (Level& level : levels_) QUIPU_TRY(CountUpTo(to, &level));
    return {};
  }

  Status Fill(std::size_t column, Sheet* sheet) const {
    QUIPU_TRY_ASSIGN(const Windower windower, Windower::Make(spec_.window));
    for (const auto& [key, amount] : amounts_) {
      const TimeUs window = spans_[key & 0xFFFFFFFF].window;
      const std::int64_t divisor = aggregate_.function == Function::kTimeWeightedSum
                                       ? kHourUs
                                       : LengthUs(spec_, windower, window);
      QUIPU_TRY_ASSIGN(const Decimal d, RoundedQuotient(amount, WideInt(divisor), kQuotientScale));
      const std::size_t row = sheet->Add(static_cast<std::uint32_t>(key >> 32), window);
      sheet->Set(row, column, OfDecimal(d));
    }
    return {};
  }

 private:
  /// Groups of what is asked first, then whatever tells levels apart.
  QuerySpec LevelsSpec() const {
    QuerySpec spec = spec_;
    spec.select = {Aggregate{Function::kLatest, aggregate_.column}};
    spec.window = {};
    std::vector<std::string> apart = {"customer", "service"};
    apart.insert(apart.end(), aggregate_.level_by.begin(), aggregate_.level_by.end());
    for (const std::string& name : apart) {
      if (std::find(spec.group_by.begin(), spec.group_by.end(), name) == spec.group_by.end())
        spec.group_by.push_back(name);
    }
    return spec;
  }

  std::uint32_t LevelOf(const SeriesTexts& texts, TimeUs since) {
    const auto [it, is_new] = ids_.try_emplace(texts, static_cast<std::uint32_t>(levels_.size()));
    if (is_new) {
      const auto fields = static_cast<std::ptrdiff_t>(spec_.group_by.size());
      levels_.push_back({series_of_({texts.begin(), texts.begin() + fields}), 0, since});
    }
    return it->second;
  }

  Status ReadLevelsAtStart() {
    QuerySpec before = levels_spec_;
    before.from.reset();
    before.to = spec_.from;
    Source source(view_, catalogue_, before);
    QUIPU_TRY(source.Bind());
    QUIPU_TRY(source.Run(run_));
    QUIPU_TRY_ASSIGN(const ResultSet latest, source.All());
    const std::size_t fields = before.group_by.size();
    SeriesTexts texts(fields);
    for (std::size_t r = 0; r < latest.rows(); ++r) {
      if (!latest.columns[fields].IsPresent(r)) continue;
      for (std::size_t f = 0; f < fields; ++f)
        texts[f] = latest.columns[f].IsPresent(r) ? "+" + latest.columns[f].strings[r] : "";
      levels_[LevelOf(texts, *spec_.from)].value = AtSumScale(latest.columns[fields].decimals[r]);
    }
    return {};
  }

  /// The events of [a, b).
  Result<Taken> Replay(TimeUs a, TimeUs b) {
    const std::size_t room =
        std::max<std::size_t>(1, spec_.memory_bytes_max / (2 * sizeof(Change)));
    std::vector<Change> changes;
    bool full = false;
    const Status read = stream_.Read(
        a, b,
        [&](const StreamRow& row) -> Status {
          if (row.present[0] == 0) return {};
          full = changes.size() >= room;
          if (full) return Status::Exhausted("");
          if (row.group >= level_of_group_.size()) level_of_group_.resize(row.group + 1, kNoLevel);
          std::uint32_t& level = level_of_group_[row.group];
          if (level == kNoLevel) level = LevelOf(stream_.texts(row.group), row.time);
          changes.push_back({level, row.time, row.values[0], row.place});
          return {};
        },
        run_);
    if (full) return Taken::kTooMuch;
    QUIPU_TRY(read);
    std::sort(changes.begin(), changes.end(), [](const Change& x, const Change& y) {
      return std::pair(x.level, x.time) < std::pair(y.level, y.time);
    });
    QUIPU_TRY(SettleTies(&changes));
    for (const Change& change : changes) {
      Level& level = levels_[change.level];
      QUIPU_TRY(CountUpTo(change.time, &level));
      level.value = change.value;
      level.since = change.time;
      ForEachSpan(spans_, change.time, change.time + 1,
                  [&](std::size_t span, TimeUs, TimeUs) { AmountOf(level.series, span) += 0; });
    }
    return Taken::kGoOn;
  }

  /// Of several events of a level at one instant the last one, by identity, stays.
  static Status SettleTies(std::vector<Change>* changes) {
    const auto same = [](const Change& x, const Change& y) {
      return x.level == y.level && x.time == y.time;
    };
    std::vector<std::size_t> tied;
    std::vector<RowPlace> places;
    for (std::size_t i = 0; i < changes->size(); ++i) {
      if ((i > 0 && same((*changes)[i - 1], (*changes)[i])) ||
          (i + 1 < changes->size() && same((*changes)[i], (*changes)[i + 1]))) {
        tied.push_back(i);
        places.push_back((*changes)[i].place);
      }
    }
    if (tied.empty()) return {};
    QUIPU_TRY_ASSIGN(const std::vector<Hash128> identities, IdentitiesOf(places));
    std::vector<bool> dropped(changes->size());
    for (std::size_t k = 1, best = 0; k < tied.size(); ++k) {
      if (!same((*changes)[tied[k]], (*changes)[tied[best]])) {
        best = k;
        continue;
      }
      const bool is_later = identities[best] < identities[k];
      dropped[tied[is_later ? best : k]] = true;
      if (is_later) best = k;
    }
    std::size_t kept = 0;
    for (std::size_t i = 0; i < changes->size(); ++i) {
      if (!dropped[i]) (*changes)[kept++] = (*changes)[i];
    }
    changes->resize(kept);
    return {};
  }

  WideInt& AmountOf(std::uint32_t series, std::size_t span) {
    return amounts_[(std::uint64_t{series} << 32) | span];
  }

  Status CountUpTo(TimeUs to, Level* level) {
    if (level->value != 0 && level->since < to) {
      ForEachSpan(spans_, level->since, to, [&](std::size_t span, TimeUs a, TimeUs b) {
        AmountOf(level->series, span) += WideInt(level->value) * (b - a);
      });
    }
    level->since = to;
    if (amounts_.size() <= spec_.groups_max) return {};
    return Status::Exhausted("more than " + std::to_string(spec_.groups_max) +
                             " groups; narrow the question (customers, time, filters) or raise "
                             "groups_max");
  }

  const View& view_;
  const Catalogue& catalogue_;
  const QuerySpec& spec_;
  const Aggregate& aggregate_;
  const SeriesOf& series_of_;
  QueryRun* run_;
  const QuerySpec levels_spec_;
  RowStream stream_;
  std::vector<WindowSpan> spans_;
  std::map<SeriesTexts, std::uint32_t> ids_;
  std::vector<Level> levels_;
  std::vector<std::uint32_t> level_of_group_;  // by the stream's group
  std::unordered_map<std::uint64_t, WideInt>
      amounts_;  // by series, then span: level x microseconds
};

}  // namespace

Status AddTimeWeighted(const View& view, const Catalogue& catalogue, const QuerySpec& spec,
                       const Aggregate& aggregate, const SeriesOf& series_of, std::size_t column,
                       Sheet* sheet, QueryRun* run) {
  LevelReplay replay(view, catalogue, spec, aggregate, series_of, run);
  QUIPU_TRY(replay.Run());
  return replay.Fill(column, sheet);
}

}  // namespace quipu
