#include "query/series.h"

#include <algorithm>
#include <bit>
#include <numeric>

#include "base/check.h"

namespace quipu {
namespace {

std::string_view TextOf(const BoundQuery& query, const Catalogue& catalogue, const Groups& groups,
                        std::size_t field, std::uint32_t value) {
  switch (query.group_by[field].kind) {
    case FieldKind::kCustomer:
      return catalogue.Customer(value);
    case FieldKind::kService:
      return catalogue.Service(value);
    default:
      return groups.strings()[value];
  }
}

// A value to be ranked; `head` holds the 8 bytes behind what all texts have in common, so that most comparisons are of integers.
struct Ranked {
  std::uint64_t head = 0;
  std::string_view text;
  std::uint32_t value = 0;
};

std::uint64_t HeadOf(std::string_view text, std::size_t from) {
  std::uint64_t head = 0;
  for (std::size_t i = 0; i < 8; ++i) {
    const std::size_t at = from + i;
    head = head << 8 | (at < text.size() ? static_cast<std::uint8_t>(text[at]) : 0u);
  }
  return head;
}

void SortByText(std::vector<Ranked>* values) {
  if (values->empty()) return;
  const std::string_view first = values->front().text;
  std::size_t shared = first.size();
  for (const Ranked& v : *values) {
    const std::size_t n = std::min(shared, v.text.size());
    shared = static_cast<std::size_t>(
        std::mismatch(first.begin(), first.begin() + static_cast<std::ptrdiff_t>(n), v.text.begin())
            .first -
        first.begin());
  }
  for (Ranked& v : *values) v.head = HeadOf(v.text, shared);
  std::sort(values->begin(), values->end(), [](const Ranked& a, const Ranked& b) {
    return a.head != b.head ? a.head < b.head : a.text < b.text;
  });
}

// Ranks of one field's values: `rank_of[value]` for those that occur. An absent value (0 of a dimension) has rank 0.
struct FieldRanks {
  std::vector<std::uint32_t> rank_of;
  std::uint64_t count = 0;  // ranks are below it
};

FieldRanks RankField(const BoundQuery& query, const Catalogue& catalogue, const Groups& groups,
                     std::size_t field) {
  constexpr std::uint32_t kNone = 0xFFFFFFFF;
  const bool may_be_absent = query.group_by[field].kind == FieldKind::kDimension;
  FieldRanks ranks;
  std::vector<Ranked> values;
  std::uint32_t last = kNone;
  for (std::uint32_t g = 0; g < groups.size(); ++g) {
    const std::uint32_t value = groups.key(g)[field + 1];
    if (value == last) continue;  // neighbours mostly have one customer
    last = value;
    if (value >= ranks.rank_of.size()) ranks.rank_of.resize(value + 1u, kNone);
    if (ranks.rank_of[value] != kNone) continue;
    ranks.rank_of[value] = 0;
    if (may_be_absent && value == 0) continue;
    values.push_back({0, TextOf(query, catalogue, groups, field, value), value});
  }
  SortByText(&values);
  std::uint32_t next = may_be_absent ? 1 : 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    // Two ordinals may bear one name: that of an erased customer and its successor are never in one answer, so texts differ.
    ranks.rank_of[values[i].value] = next++;
  }
  ranks.count = std::max<std::uint64_t>(next, 1);
  return ranks;
}

// Numbers the groups by their ranks; false if the numbers do not fit 64 bits.
bool Combine(const std::vector<FieldRanks>& ranks, const Groups& groups,
             std::vector<std::uint64_t>* numbers, std::uint64_t* end) {
  *end = 1;
  for (const FieldRanks& field : ranks) {
    if (__builtin_mul_overflow(*end, field.count, end)) return false;
  }
  numbers->resize(groups.size());
  for (std::uint32_t g = 0; g < groups.size(); ++g) {
    const auto key = groups.key(g);
    std::uint64_t number = 0;
    for (std::size_t f = 0; f < ranks.size(); ++f)
      number = number * ranks[f].count + ranks[f].rank_of[key[f + 1]];
    (*numbers)[g] = number;
  }
  return true;
}

// Series by counting: one place per possible number.
SeriesOrder ByCounting(const std::vector<std::uint64_t>& numbers, std::uint64_t end) {
  SeriesOrder order;
  std::vector<std::uint32_t> at(static_cast<std::size_t>(end), 0);  // 1 + a group
  for (std::uint32_t g = 0; g < numbers.size(); ++g) at[numbers[g]] = g + 1;
  for (std::uint32_t& entry : at) {
    if (entry == 0) continue;
    order.group_of.push_back(entry - 1);
    entry = static_cast<std::uint32_t>(order.group_of.size()) - 1;
  }
  order.series_of.resize(numbers.size());
  for (std::uint32_t g = 0; g < numbers.size(); ++g) order.series_of[g] = at[numbers[g]];
  return order;
}

// `less` and `same` compare groups.
template <class Less, class Same>
SeriesOrder BySorting(std::size_t groups, Less less, Same same) {
  std::vector<std::uint32_t> sorted(groups);
  std::iota(sorted.begin(), sorted.end(), 0);
  std::sort(sorted.begin(), sorted.end(), less);
  SeriesOrder order;
  order.series_of.resize(groups);
  for (std::size_t i = 0; i < groups; ++i) {
    if (i == 0 || !same(sorted[i - 1], sorted[i])) order.group_of.push_back(sorted[i]);
    order.series_of[sorted[i]] = static_cast<std::uint32_t>(order.group_of.size()) - 1;
  }
  return order;
}

}  // namespace

std::optional<std::string_view> GroupText(const BoundQuery& query, const Catalogue& catalogue,
                                          const Groups& groups, std::uint32_t group,
                                          std::size_t field) {
  const std::uint32_t value = groups.key(group)[field + 1];
  if (value == 0 && query.group_by[field].kind == FieldKind::kDimension) return std::nullopt;
  return TextOf(query, catalogue, groups, field, value);
}

int CompareGroupTexts(const BoundQuery& query, const Catalogue& catalogue, const Groups& groups,
                      std::size_t field, std::uint32_t a, std::uint32_t b) {
  if (groups.key(a)[field + 1] == groups.key(b)[field + 1]) return 0;
  const auto x = GroupText(query, catalogue, groups, a, field);
  const auto y = GroupText(query, catalogue, groups, b, field);
  return x == y ? 0 : x < y ? -1 : 1;
}

SeriesOrder OrderSeries(const BoundQuery& query, const Catalogue& catalogue, const Groups& groups) {
  constexpr std::uint64_t kPlacesPerGroup = 8;
  std::vector<FieldRanks> ranks;
  for (std::size_t f = 0; f < query.group_by.size(); ++f)
    ranks.push_back(RankField(query, catalogue, groups, f));
  std::vector<std::uint64_t> numbers;
  std::uint64_t end = 0;
  if (Combine(ranks, groups, &numbers, &end)) {
    if (end <= groups.size() * kPlacesPerGroup + 1024) return ByCounting(numbers, end);
    return BySorting(
        groups.size(), [&](std::uint32_t a, std::uint32_t b) { return numbers[a] < numbers[b]; },
        [&](std::uint32_t a, std::uint32_t b) { return numbers[a] == numbers[b]; });
  }
  const auto compare = [&](std::uint32_t a, std::uint32_t b) {
    for (std::size_t f = 0; f < ranks.size(); ++f) {
      const std::uint32_t x = ranks[f].rank_of[groups.key(a)[f + 1]];
      const std::uint32_t y = ranks[f].rank_of[groups.key(b)[f + 1]];
      if (x != y) return x < y ? -1 : 1;
    }
    return 0;
  };
  return BySorting(
      groups.size(), [&](std::uint32_t a, std::uint32_t b) { return compare(a, b) < 0; },
      [&](std::uint32_t a, std::uint32_t b) { return compare(a, b) == 0; });
}

}  // namespace quipu
