#include "segment/dimension_cells.h"

#include <algorithm>

#include "codec/int_codec.h"
#include "quipu/event.h"
#include "segment/string_page.h"

namespace quipu {
namespace {

constexpr StringLimits kValueLimits{
    .count_max = kSetValuesMax, .string_bytes_max = kDimensionBytesMax, .sorted = true};

Status Damaged(const std::string& what) { return Status::Corruption("dimension cells: " + what); }

/// Codes of one dimension over all combinations.
Result<std::vector<std::uint32_t>> DecodeCodes(Bytes* in, std::size_t combinations,
                                               std::size_t values) {
  // A block of 1,024 codes takes at least two bytes.
  if ((combinations + kVectorValuesMax - 1) / kVectorValuesMax > in->size() / 2)
    return Damaged("more combinations than bytes");
  std::vector<std::int64_t> codes(combinations);
  QUIPU_TRY(DecodeIntList(in, codes));
  std::vector<std::uint32_t> out;
  out.reserve(combinations);
  for (const std::int64_t code : codes) {
    if (code < 0 || code > static_cast<std::int64_t>(values))
      return Damaged("code " + std::to_string(code) + " is out of range");
    out.push_back(static_cast<std::uint32_t>(code));
  }
  return out;
}

bool Ascend(const std::vector<std::vector<std::uint32_t>>& codes, std::size_t combinations) {
  for (std::size_t c = 1; c < combinations; ++c) {
    std::size_t d = 0;
    while (d < codes.size() && codes[d][c] == codes[d][c - 1]) ++d;
    if (d == codes.size() || codes[d][c] < codes[d][c - 1]) return false;
  }
  return true;
}

}  // namespace

Status EncodeCombinations(const std::vector<StringList>& values,
                          const std::vector<std::vector<std::uint32_t>>& codes,
                          std::size_t combinations, std::string* out) {
  for (const StringList& list : values) {
    std::vector<std::string_view> strings;
    strings.reserve(list.size());
    for (std::size_t i = 0; i < list.size(); ++i) strings.push_back(list[i]);
    QUIPU_TRY(EncodeStringPage(strings, kValueLimits, out));
  }
  ByteWriter(out).Varint(combinations);
  for (const std::vector<std::uint32_t>& column : codes) {
    const std::vector<std::int64_t> wide(column.begin(), column.end());
    EncodeIntList(wide, out);
  }
  return {};
}

Result<std::shared_ptr<const DimensionCells>> DimensionCells::Decode(
    Bytes payload, const DimensionSet& set, std::span<const ServiceOrdinal> covered,
    MonthIndex month) {
  auto cells = std::make_shared<DimensionCells>();
  for (std::size_t d = 0; d < set.dimensions.size(); ++d) {
    QUIPU_TRY_ASSIGN(StringList list, DecodeStringList(&payload, kValueLimits));
    cells->values_.push_back(std::move(list));
  }
  ByteReader reader(payload);
  const std::uint64_t combinations = reader.Varint();
  QUIPU_TRY(reader.status("dimension cells"));
  payload = payload.last(reader.remaining());
  if (combinations == 0 || combinations > kSetNumbersMax)
    return Damaged("impossible number of combinations: " + std::to_string(combinations));
  cells->combinations_ = combinations;
  for (std::size_t d = 0; d < set.dimensions.size(); ++d) {
    QUIPU_TRY_ASSIGN(auto codes, DecodeCodes(&payload, combinations, cells->values_[d].size()));
    cells->codes_.push_back(std::move(codes));
  }
  if (!Ascend(cells->codes_, combinations)) return Damaged("combinations out of order");
  QUIPU_TRY_ASSIGN(cells->table_, SummaryTable::Decode(payload, month));
  for (const ColumnId id : cells->table_->measures()) {
    if (!std::binary_search(set.measures.begin(), set.measures.end(), id))
      return Damaged("measure " + std::to_string(id) + " is not of the set");
  }
  QUIPU_TRY(cells->CheckGroups(covered));
  return std::shared_ptr<const DimensionCells>(std::move(cells));
}

/// Invariants (1) to (3), as far as the cells alone show them.
Status DimensionCells::CheckGroups(std::span<const ServiceOrdinal> covered) {
  for (const ServiceOrdinal service : covered) levels_[service] = {false, true, true};
  const auto& groups = table_->groups();
  for (const auto& [key, range] : groups) {
    const auto levels = levels_.find(key.service);
    if (key.customer >= combinations_ || levels == levels_.end())
      return Damaged("cells of a combination or service that is not there");
    if (key.level == CellLevel::kHour) levels->second.hours = true;
    for (std::uint32_t cell = range.first; cell < range.last; ++cell) {
      const bool has = table_->HasQuantiles(cell, 0);
      if (key.level == CellLevel::kDay && !has) levels->second.day_quantiles = false;
      if (key.level == CellLevel::kMonth && !has) levels->second.month_quantiles = false;
    }
  }
  for (std::size_t g = 0; g < groups.size(); ++g) {
    const SummaryTable::GroupKey& key = groups[g].first;
    const bool is_first = g == 0 || groups[g - 1].first.customer != key.customer ||
                          groups[g - 1].first.service != key.service;
    if (is_first) QUIPU_TRY(CheckCombination(key.customer, key.service));
  }
  return {};
}

Status DimensionCells::CheckCombination(std::uint32_t combination, ServiceOrdinal service) {
  const auto hours = table_->Find(combination, service, CellLevel::kHour);
  const auto days = table_->Find(combination, service, CellLevel::kDay);
  const auto month = table_->Find(combination, service, CellLevel::kMonth);
  const auto wrong = [&](const char* what) {
    return Damaged(std::string(what) + ", combination " + std::to_string(combination) +
                   ", service " + std::to_string(service));
  };
  if (days.first == days.last || month.last != month.first + 1)
    return wrong("a combination without days or month");
  std::uint64_t sum = 0;
  std::uint32_t hour = hours.first;
  for (std::uint32_t day = days.first; day < days.last; ++day) {
    sum += table_->rows(day);
    if (!LevelsOf(service)->hours) continue;
    std::uint64_t of_hours = 0;
    for (; hour < hours.last && table_->start(hour) < table_->end(day); ++hour) {
      if (table_->start(hour) < table_->start(day)) return wrong("an hour of a day without rows");
      of_hours += table_->rows(hour);
    }
    if (of_hours != table_->rows(day)) return wrong("the hours do not add up to their day");
  }
  if (hour != hours.last && LevelsOf(service)->hours) return wrong("an hour of a day without rows");
  return sum == table_->rows(month.first) ? Status()
                                          : wrong("the days do not add up to their month");
}

std::size_t DimensionCells::bytes() const {
  std::size_t n = sizeof *this + table_->bytes();
  for (const StringList& list : values_) n += list.bytes();
  for (const auto& codes : codes_) n += codes.size() * sizeof(std::uint32_t);
  return n;
}

}  // namespace quipu
