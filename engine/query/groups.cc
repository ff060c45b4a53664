#include "query/groups.h"

#include <algorithm>
#include <map>

#include "base/check.h"
#include "base/hash.h"

namespace quipu {

std::uint32_t Interner::Intern(std::string_view s) {
  if (const auto it = ids_.find(s); it != ids_.end()) return it->second;
  strings_.emplace_back(s);
  const auto id = static_cast<std::uint32_t>(strings_.size());
  ids_.emplace(strings_.back(), id);
  bytes_ += s.size() + 96;  // string, deque slot, hash node
  return id;
}

namespace {

/// Identities of the places that are asked for, read in one go a segment.
class IdentityReader {
 public:
  void Ask(Ends::End* end) {
    if (end->identity) return;
    const RowPlace& place = end->place;
    if (place.hot != nullptr) {
      end->identity = place.hot->identities[place.row];
    } else {
      asked_[place.segment].push_back(end);
    }
  }
  Status Read() {
    std::vector<std::uint32_t> rows;
    std::vector<Hash128> keys;
    std::vector<IdForm> forms;
    for (auto& [segment, ends] : asked_) {
      rows.clear();
      for (const Ends::End* end : ends) rows.push_back(end->place.row);
      std::sort(rows.begin(), rows.end());
      rows.erase(std::unique(rows.begin(), rows.end()), rows.end());  // first and latest may be one
      QUIPU_TRY(segment->ReadIdentities(rows, &keys, &forms));
      for (Ends::End* end : ends) {
        const auto at = std::lower_bound(rows.begin(), rows.end(), end->place.row) - rows.begin();
        end->identity = segment->has_ids()
                            ? keys[static_cast<std::size_t>(at)]
                            : Hash128{segment->meta().spec.segment_id, end->place.row};
      }
    }
    return {};
  }

 private:
  std::map<const SegmentReader*, std::vector<Ends::End*>> asked_;
};

/// Adds the other sketch, which may be used up.
template <class Sketch>
void MergeSketch(std::unique_ptr<Sketch>* sketch, std::unique_ptr<Sketch>* other) {
  if (*other == nullptr) return;
  if (*sketch == nullptr) {
    *sketch = std::move(*other);
  } else {
    (*sketch)->Merge(**other);
  }
}

bool HaveOneValue(const std::vector<Ends::End>& ends) {
  return std::all_of(ends.begin(), ends.end(),
                     [&](const Ends::End& e) { return e.value == ends.front().value; });
}

}  // namespace

std::size_t Ends::Add(const End& e) {
  const auto add = [&e](std::vector<End>* ends, bool is_better) -> std::size_t {
    if (ends->empty() || is_better) {
      ends->assign(1, e);
      return 0;
    }
    if (e.time != ends->front().time) return 0;
    ends->push_back(e);
    return 1;
  };
  return add(&first, !first.empty() && e.time < first.front().time) +
         add(&latest, !latest.empty() && e.time > latest.front().time);
}

std::size_t Ends::Merge(const Ends& o) {
  const auto merge = [](std::vector<End>* ends, const std::vector<End>& more,
                        bool is_better) -> std::size_t {
    if (more.empty()) return 0;
    if (ends->empty() || is_better) {
      *ends = more;
      return more.size() - 1;
    }
    if (more.front().time != ends->front().time) return 0;
    ends->insert(ends->end(), more.begin(), more.end());
    return more.size();
  };
  return merge(&first, o.first,
               !first.empty() && !o.first.empty() && o.first.front().time < first.front().time) +
         merge(&latest, o.latest,
               !latest.empty() && !o.latest.empty() && o.latest.front().time > latest.front().time);
}

Status Groups::SettleTies() {
  if (ties_ == 0) return {};
  IdentityReader reader;
  const auto for_each = [this](auto body) {
    for (Ends& ends : ends_) {
      if (ends.first.size() > 1) body(&ends.first, true);
      if (ends.latest.size() > 1) body(&ends.latest, false);
    }
  };
  // The last time, equal values need no telling apart; before, a later one might differ.
  const bool is_last = ties_ <= kTiesMax;
  for_each([&](std::vector<Ends::End>* list, bool) {
    if (is_last && HaveOneValue(*list)) return;
    for (Ends::End& e : *list) reader.Ask(&e);
  });
  QUIPU_TRY(reader.Read());
  for_each([&](std::vector<Ends::End>* list, bool is_first) {
    const auto less = [](const Ends::End& a, const Ends::End& b) {
      return a.identity < b.identity;
    };
    const auto kept = is_first ? std::min_element(list->begin(), list->end(), less)
                               : std::max_element(list->begin(), list->end(), less);
    list->assign(1, Ends::End(*kept));
  });
  ties_ = 0;
  return {};
}

Groups::Groups(const BoundQuery& query, QueryControl* control)
    : query_(&query),
      control_(control),
      width_(1 + query.group_by.size()),
      measures_(query.measures.size()),
      distincts_(query.distincts.size()),
      has_stats_(std::any_of(query.measures.begin(), query.measures.end(),
                             [](const auto& m) { return m.stats; })),
      has_extremes_(std::any_of(query.measures.begin(), query.measures.end(),
                                [](const auto& m) { return m.extremes; })),
      has_quantiles_(std::any_of(query.measures.begin(), query.measures.end(),
                                 [](const auto& m) { return m.quantiles; })),
      has_ends_(std::any_of(query.measures.begin(), query.measures.end(),
                            [](const auto& m) { return m.ends; })) {
  Rehash(64);
  plain_key_.resize(width_);
  for (const Field& f : query.group_by) {
    if (f.kind == FieldKind::kDimension) return;
  }
  const std::uint64_t customers = query.groups_by_customer ? query.customers_end() : 1;
  const std::uint64_t services = query.groups_by_service ? query.services_end : 1;
  const std::uint64_t windows = query.windows.size();
  if (customers <= kPlainMax && services <= kPlainMax && windows <= kPlainMax &&
      windows * services <= kPlainMax && windows * services * customers <= kPlainMax)
    plain_size_ = windows * services * customers;
}

Groups::~Groups() {
  // Less never fails.
  if (control_ != nullptr) (void)control_->Charge(-static_cast<std::int64_t>(charged_));
}

std::size_t Groups::HashOf(std::span<const std::uint32_t> key) const {
  std::uint64_t h = 0x9E3779B97F4A7C15ull;
  for (const std::uint32_t v : key) {
    h = (h ^ v) * 0xD6E8FEB86659FD93ull;
    h ^= h >> 32;
  }
  return static_cast<std::size_t>(h);
}

void Groups::Rehash(std::size_t slots) {
  slots_.assign(slots, 0);
  for (std::uint32_t g = 0; g < size(); ++g) {
    std::size_t i = HashOf(key(g)) & (slots - 1);
    while (slots_[i] != 0) i = (i + 1) & (slots - 1);
    slots_[i] = g + 1;
  }
}

Result<std::uint32_t> Groups::Find(std::span<const std::uint32_t> wanted) {
  QUIPU_DCHECK(wanted.size() == width_);
  if (plain_size_ == 0) return FindHashed(wanted);
  CustomerOrdinal customer = 0;
  ServiceOrdinal service = 0;
  for (std::size_t f = 0; f < query_->group_by.size(); ++f) {
    (query_->group_by[f].kind == FieldKind::kCustomer ? customer : service) = wanted[f + 1];
  }
  return Find(wanted[0], customer, service);
}

Result<std::uint32_t> Groups::FindHashed(std::span<const std::uint32_t> wanted) {
  std::size_t i = HashOf(wanted) & (slots_.size() - 1);
  for (; slots_[i] != 0; i = (i + 1) & (slots_.size() - 1)) {
    const std::uint32_t g = slots_[i] - 1;
    if (std::equal(wanted.begin(), wanted.end(),
                   keys_.begin() + static_cast<std::ptrdiff_t>(g * width_)))
      return g;
  }
  QUIPU_TRY_ASSIGN(const std::uint32_t g, Append(wanted));
  slots_[i] = g + 1;
  if (size() * 2 > slots_.size()) Rehash(slots_.size() * 2);
  return g;
}

// A new group; whoever finds it by its key must remember it.
Result<std::uint32_t> Groups::Append(std::span<const std::uint32_t> key) {
  if (size() >= query_->spec->groups_max) {
    return Status::Exhausted(
        "more than " + std::to_string(query_->spec->groups_max) +
        " groups; narrow the question (customers, time, filters) or raise groups_max");
  }
  if (size() == rows_.capacity()) QUIPU_TRY(Grow(std::max<std::size_t>(64, 2 * size())));
  const auto g = static_cast<std::uint32_t>(size());
  keys_.insert(keys_.end(), key.begin(), key.end());
  rows_.push_back(0);
  if (has_stats_) sums_.resize(sums_.size() + measures_);
  if (has_extremes_) extremes_.resize(extremes_.size() + measures_);
  if (has_quantiles_) quantiles_.resize(quantiles_.size() + measures_);
  if (has_ends_) ends_.resize(ends_.size() + measures_);
  distinct_.resize(distinct_.size() + distincts_);
  return g;
}

Status Groups::Reserve(std::size_t groups) {
  groups = static_cast<std::size_t>(
      std::min<std::uint64_t>(groups, std::min(query_->spec->groups_max, kPlainMax)));
  return groups > rows_.capacity() ? Grow(groups) : Status();
}

std::uint64_t Groups::BytesPerGroup() const {
  return width_ * 4 + 8 + (has_stats_ ? measures_ * sizeof(CountedSum) : 0) +
         (has_extremes_ ? measures_ * sizeof(Extremes) : 0) +
         (has_quantiles_ ? measures_ * sizeof(void*) : 0) +
         (has_ends_ ? measures_ * sizeof(Ends) : 0) + distincts_ * sizeof(void*);
}

// The new arrays are charged before they are there, beside the old ones: many queries may grow at once.
Status Groups::Grow(std::size_t groups) {
  const std::uint64_t more = groups * BytesPerGroup(), less = rows_.capacity() * BytesPerGroup();
  if (control_ != nullptr) {
    QUIPU_TRY(control_->Charge(static_cast<std::int64_t>(more)));
    charged_ += more;
  }
  keys_.reserve(groups * width_);
  if (has_stats_) sums_.reserve(groups * measures_);
  if (has_extremes_) extremes_.reserve(groups * measures_);
  if (has_quantiles_) quantiles_.reserve(groups * measures_);
  if (has_ends_) ends_.reserve(groups * measures_);
  distinct_.reserve(groups * distincts_);
  rows_.reserve(groups);
  if (control_ == nullptr) return {};
  charged_ -= less;
  return control_->Charge(-static_cast<std::int64_t>(less));
}

// Consecutive customers and services lie side by side, as they come.
std::uint64_t Groups::PlainIndex(std::uint32_t window, CustomerOrdinal customer,
                                 ServiceOrdinal service) const {
  std::uint64_t index = window;
  if (query_->groups_by_customer)
    index = index * query_->customers_end() + query_->CustomerPlace(customer);
  if (query_->groups_by_service) index = index * query_->services_end + service;
  return index;
}

Result<std::uint32_t> Groups::Find(std::uint32_t window, CustomerOrdinal customer,
                                   ServiceOrdinal service) {
  const auto fill_key = [&] {
    plain_key_[0] = window;
    for (std::size_t f = 0; f < query_->group_by.size(); ++f) {
      plain_key_[f + 1] = query_->group_by[f].kind == FieldKind::kCustomer ? customer : service;
    }
  };
  if (plain_size_ == 0) {
    fill_key();
    return FindHashed(plain_key_);
  }
  if (plain_ == nullptr) {
    plain_.reset(static_cast<std::uint32_t*>(
        std::calloc(static_cast<std::size_t>(plain_size_), sizeof(std::uint32_t))));
    QUIPU_CHECK(plain_ != nullptr);
  }
  const std::uint64_t index = PlainIndex(window, customer, service);
  // What a file says; the catalogue has neither.
  if (index >= plain_size_)
    return Status::Corruption("a segment has customer " + std::to_string(customer) + ", service " +
                              std::to_string(service) +
                              ", of which the catalogue knows nothing; run `quipu verify`");
  std::uint32_t& group = plain_[index];
  if (group == 0) {
    fill_key();
    QUIPU_TRY_ASSIGN(const std::uint32_t found, Append(plain_key_));
    group = found + 1;
  }
  return group - 1;
}

Status Groups::Absorb(Groups* other) {
  std::vector<std::uint32_t> strings;  // by the other's number
  std::vector<std::uint32_t> key(width_);
  for (std::uint32_t g = 0; g < other->size(); ++g) {
    const auto theirs = other->key(g);
    std::copy(theirs.begin(), theirs.end(), key.begin());
    for (std::size_t f = 0; f < query_->group_by.size(); ++f) {
      if (query_->group_by[f].kind != FieldKind::kDimension || key[f + 1] == 0) continue;
      if (key[f + 1] >= strings.size()) strings.resize(key[f + 1] + 1, 0);
      std::uint32_t& mine = strings[key[f + 1]];
      if (mine == 0) mine = strings_.Intern(other->strings_[key[f + 1]]);
      key[f + 1] = mine;
    }
    QUIPU_TRY_ASSIGN(const std::uint32_t to, Find(key));
    rows_[to] += other->rows_[g];
    for (std::size_t m = 0; m < measures_; ++m) {
      const std::size_t a = to * measures_ + m, b = g * measures_ + m;
      if (has_stats_) MergeStats(to, m, *other, g);
      if (has_ends_) ties_ += ends_[a].Merge(other->ends_[b]);
      if (has_quantiles_) MergeSketch(&quantiles_[a], &other->quantiles_[b]);
    }
    for (std::size_t d = 0; d < distincts_; ++d)
      MergeSketch(&distinct_[to * distincts_ + d], &other->distinct_[g * distincts_ + d]);
    if ((g & 1023) == 0) QUIPU_TRY(CheckMemory(kCellWeight));
  }
  return CheckMemory(kCellWeight);
}

void Groups::AddStats(std::uint32_t g, std::size_t measure, const MeasureStats& more) {
  if (more.count == 0) return;
  sum(g, measure).Merge({more.count, more.sum});
  if (has_extremes_) extremes(g, measure).Widen(more.min, more.max);
}

void Groups::MergeStats(std::uint32_t g, std::size_t measure, const Groups& other,
                        std::uint32_t theirs) {
  const std::size_t from = theirs * measures_ + measure;
  sum(g, measure).Merge(other.sums_[from]);
  if (has_extremes_) extremes(g, measure).Merge(other.extremes_[from]);
}

QuantileSketch& Groups::quantiles(std::uint32_t g, std::size_t measure) {
  auto& sketch = quantiles_[g * measures_ + measure];
  if (!sketch) sketch = std::make_unique<QuantileSketch>(query_->spec->exact);
  return *sketch;
}

DistinctSketch& Groups::distinct(std::uint32_t g, std::size_t slot) {
  auto& sketch = distinct_[g * distincts_ + slot];
  if (!sketch) sketch = std::make_unique<DistinctSketch>(query_->spec->exact);
  return *sketch;
}

Status Groups::CheckMemory(std::size_t added) {
  constexpr std::size_t kAddedMax = 65'536;
  constexpr std::size_t kAddedPerSketch = 16;
  constexpr std::size_t kGroupsAddedMax = 4096;
  const bool has_sketches = !quantiles_.empty() || !distinct_.empty();
  added_since_check_ += added;
  const std::size_t added_max =
      std::max(kAddedMax, (quantiles_.size() + distinct_.size()) * kAddedPerSketch);
  if (added_since_check_ < added_max &&
      size() < size_at_check_ + std::max(kGroupsAddedMax, size_at_check_ / 8))
    return {};
  added_since_check_ = 0;
  size_at_check_ = size();
  std::uint64_t bytes = strings_.bytes() + slots_.capacity() * 4 + keys_.capacity() * 4 +
                        (plain_ == nullptr ? 0 : plain_size_ * 4) + rows_.capacity() * 8 +
                        sums_.capacity() * sizeof(CountedSum) +
                        extremes_.capacity() * sizeof(Extremes) + ends_.capacity() * sizeof(Ends) +
                        ties_ * sizeof(Ends::End) +
                        (quantiles_.capacity() + distinct_.capacity()) * sizeof(void*);
  if (has_sketches) {
    for (const auto& sketch : quantiles_)
      bytes += sketch ? sketch->bytes() + sizeof(QuantileSketch) : 0;
    for (const auto& sketch : distinct_)
      bytes += sketch ? sketch->bytes() + sizeof(DistinctSketch) : 0;
  }
  if (control_ == nullptr) return {};
  const auto more = static_cast<std::int64_t>(bytes) - static_cast<std::int64_t>(charged_);
  QUIPU_TRY(control_->Charge(more));
  charged_ = bytes;
  return {};
}

}  // namespace quipu
