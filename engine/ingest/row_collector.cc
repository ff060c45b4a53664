#include "ingest/row_collector.h"

#include <algorithm>

#include "base/check.h"
#include "batch/decimal_align.h"

namespace quipu {
namespace {

using Row = EventRows::Row;
using Shape = EventRows::Shape;

/// The element for `id` in a table that grows with the ids.
std::uint32_t& PlaceOf(ColumnId id, std::vector<std::uint32_t>* table) {
  if (id >= table->size()) table->resize(std::size_t{id} + 1, 0);
  return (*table)[id];
}

}  // namespace

std::uint32_t RowCollector::ValuesOf(ColumnId id) {
  std::uint32_t& place = PlaceOf(id, &values_of_);
  if (place == 0) {
    values_.emplace_back().column.id = id;
    place = static_cast<std::uint32_t>(values_.size());
  }
  return place - 1;
}

std::uint32_t RowCollector::NumbersOf(ColumnId id) {
  std::uint32_t& place = PlaceOf(id, &numbers_of_);
  if (place == 0) {
    numbers_.emplace_back().id = id;
    place = static_cast<std::uint32_t>(numbers_.size());
  }
  return place - 1;
}

/// Which entries the rows taken use; needed only if some rows are left out.
void RowCollector::MarkUsed(const EventRows& rows, const Taken& taken) {
  used_.clear();
  if (taken.positions.size() == rows.rows().size()) return;
  used_.assign(rows.entries().size(), 0);
  for (const std::uint32_t position : taken.positions) {
    const Row& row = rows.rows()[position];
    const Shape& shape = rows.shapes()[row.shape];
    const auto names = rows.names().subspan(
        shape.first_name, std::size_t{shape.dimensions} + std::size_t{shape.measures});
    for (const std::uint32_t name : names) used_[name] = 1;
    const auto codes =
        rows.codes().subspan(row.first_code, EventRows::kFirstValueCode + shape.dimensions);
    for (const std::uint32_t code : codes) used_[code] = 1;
  }
}

Result<std::uint32_t> RowCollector::TranslateEntry(const EventRows& rows, std::size_t e) {
  const EventRows::Entry& entry = rows.entries()[e];
  const std::string_view text = rows.EntryText(e);
  switch (entry.role) {
    case EventRows::kCustomer:
      return catalogue_->Intern(NameKind::kCustomer, text, entry.hash, new_names_);
    case EventRows::kService:
      return catalogue_->Intern(NameKind::kService, text, entry.hash, new_names_);
    case EventRows::kSource:
      return sources_.index.FindOrAdd(text, entry.hash, &sources_.column.dictionary);
    case EventRows::kDimensionName: {
      QUIPU_TRY_ASSIGN(const ColumnId id,
                       catalogue_->Intern(NameKind::kDimension, text, entry.hash, new_names_));
      return ValuesOf(id);
    }
    case EventRows::kMeasureName: {
      QUIPU_TRY_ASSIGN(const ColumnId id,
                       catalogue_->Intern(NameKind::kMeasure, text, entry.hash, new_names_));
      return NumbersOf(id);
    }
    default: {
      // The name was met first, so its column is known.
      Values& values = values_[translated_[entry.role - EventRows::kFirstValue]];
      return values.index.FindOrAdd(text, entry.hash, &values.column.dictionary);
    }
  }
}

Status RowCollector::Translate(const EventRows& rows) {
  translated_.assign(rows.entries().size(), kUnused);
  for (std::size_t e = 0; e < translated_.size(); ++e) {
    if (!used_.empty() && used_[e] == 0) continue;
    QUIPU_TRY_ASSIGN(translated_[e], TranslateEntry(rows, e));
  }
  return {};
}

Status RowCollector::Add(const EventRows& rows, const Taken& taken) {
  const std::size_t first_row = size();
  QUIPU_CHECK(first_row + taken.positions.size() < kUnused);
  MarkUsed(rows, taken);
  QUIPU_TRY(Translate(rows));
  AddFixedColumns(rows, taken);
  AddIds(rows, taken);
  AddValues(rows, taken, first_row);
  AddNumbers(rows, taken, first_row);
  return {};
}

void RowCollector::AddFixedColumns(const EventRows& rows, const Taken& taken) {
  const std::size_t first = size();
  const std::size_t n = taken.positions.size();
  batch_.customers.resize(first + n);
  batch_.services.resize(first + n);
  batch_.times.resize(first + n);
  sources_.column.codes.resize(first + n);
  for (std::size_t k = 0; k < n; ++k) {
    const Row& row = rows.rows()[taken.positions[k]];
    const std::uint32_t* const codes = rows.codes().data() + row.first_code;
    batch_.customers[first + k] = translated_[codes[EventRows::kCustomerCode]];
    batch_.services[first + k] = translated_[codes[EventRows::kServiceCode]];
    sources_.column.codes[first + k] = translated_[codes[EventRows::kSourceCode]];
    batch_.times[first + k] = row.has_time ? row.time : taken.now;
  }
}

void RowCollector::AddIds(const EventRows& rows, const Taken& taken) {
  name_hashes_.resize(rows.entries().size());
  for (std::size_t e = 0; e < name_hashes_.size(); ++e) {
    const EventRows::Role role = rows.entries()[e].role;
    if (role == EventRows::kCustomer || role == EventRows::kSource)
      name_hashes_[e] = Hash64(rows.EntryText(e));
  }
  const std::size_t first = batch_.identities.size();
  const std::size_t n = taken.positions.size();
  batch_.identities.resize(first + n);
  batch_.id_forms.resize(first + n);
  millis_.resize(n);
  std::int64_t any_millis = 0;
  bool any_text = false;
  std::size_t generated = 0;
  for (std::size_t k = 0; k < n; ++k) {
    const std::uint32_t position = taken.positions[k];
    const Row& row = rows.rows()[position];
    const std::uint32_t* const codes = rows.codes().data() + row.first_code;
    const std::uint32_t customer = codes[EventRows::kCustomerCode];
    const std::uint32_t source = codes[EventRows::kSourceCode];
    const std::string_view id =
        row.id_length != 0 ? rows.Id(position) : taken.generated_ids[generated++];
    const IdentityScope scope(name_hashes_[customer], name_hashes_[source]);
    const Identity identity =
        MakeIdentity(scope, rows.EntryText(customer), rows.EntryText(source), id);
    batch_.identities[first + k] = identity.key;
    batch_.id_forms[first + k] = identity.form;
    millis_[k] = identity.millis;
    any_millis |= identity.millis;
    any_text |= identity.form == IdForm::kText;
  }
  if (any_millis != 0 || !batch_.id_millis.empty()) {
    batch_.id_millis.resize(first, 0);
    batch_.id_millis.insert(batch_.id_millis.end(), millis_.begin(), millis_.end());
  }
  if (any_text || batch_.id_texts.size() != 0) AddIdTexts(rows, taken, first);
}

/// Of the rows from `first` on, whose forms are known.
void RowCollector::AddIdTexts(const EventRows& rows, const Taken& taken, std::size_t first) {
  while (batch_.id_texts.size() < first) batch_.id_texts.Add({});
  std::size_t generated = 0;
  for (std::size_t k = 0; k < taken.positions.size(); ++k) {
    const std::uint32_t position = taken.positions[k];
    const std::string_view id =
        rows.rows()[position].id_length != 0 ? rows.Id(position) : taken.generated_ids[generated++];
    const bool is_text = batch_.id_forms[first + k] == IdForm::kText;
    batch_.id_texts.Add(is_text ? id : std::string_view());
  }
}

void RowCollector::AddValues(const EventRows& rows, const Taken& taken, std::size_t first_row) {
  // Where each name's codes go; rows of other batches that had none are absent there.
  targets_.assign(rows.entries().size(), nullptr);
  for (std::size_t e = 0; e < targets_.size(); ++e) {
    if (rows.entries()[e].role != EventRows::kDimensionName || translated_[e] == kUnused) continue;
    std::vector<std::uint32_t>& codes = values_[translated_[e]].column.codes;
    codes.resize(first_row + taken.positions.size(), 0);
    targets_[e] = codes.data() + first_row;
  }
  for (std::size_t k = 0; k < taken.positions.size(); ++k) {
    const Row& row = rows.rows()[taken.positions[k]];
    const Shape& shape = rows.shapes()[row.shape];
    const std::uint32_t* const codes =
        rows.codes().data() + row.first_code + EventRows::kFirstValueCode;
    const std::uint32_t* const names = rows.names().data() + shape.first_name;
    for (std::size_t d = 0; d < shape.dimensions; ++d) {
      targets_[names[d]][k] = translated_[codes[d]];
    }
  }
}

void RowCollector::AddNumbers(const EventRows& rows, const Taken& taken, std::size_t first_row) {
  const std::size_t end = first_row + taken.positions.size();
  const auto grow = [&](std::uint32_t which) {
    numbers_[which].mantissas.resize(end, 0);
    numbers_[which].scales.resize(end, kAbsent);
  };
  const std::uint32_t quantity = NumbersOf(kQuantityColumn);
  const std::uint32_t cost = NumbersOf(kCostColumn);
  grow(quantity);
  grow(cost);
  for (std::size_t e = 0; e < translated_.size(); ++e) {
    if (rows.entries()[e].role == EventRows::kMeasureName && translated_[e] != kUnused)
      grow(translated_[e]);
  }
  for (std::size_t k = 0; k < taken.positions.size(); ++k) {
    const Row& row = rows.rows()[taken.positions[k]];
    const Shape& shape = rows.shapes()[row.shape];
    std::size_t from = row.first_number;
    const auto put = [&](std::uint32_t which) {
      Numbers& to = numbers_[which];
      const std::uint8_t scale = rows.scales()[from];
      to.scales[first_row + k] = scale;
      if (scale == EventRows::kWide) {
        to.wide.emplace_back(static_cast<std::uint32_t>(first_row + k), rows.Number(from));
      } else {
        to.mantissas[first_row + k] = rows.numbers()[from];
      }
      ++from;
    };
    put(quantity);
    if (shape.has_cost) put(cost);
    const std::uint32_t* const names = rows.names().data() + shape.first_name + shape.dimensions;
    for (std::size_t m = 0; m < shape.measures; ++m) put(translated_[names[m]]);
  }
}

/// For a column of which a value needs more than 64 bits, before or after it is brought to the column's scale.
void RowCollector::FinishWide(const Numbers& numbers, DecimalColumn* column) {
  const std::size_t rows = numbers.scales.size();
  column->narrow = {};
  column->wide.assign(rows, 0);
  for (std::size_t i = 0; i < rows; ++i) {
    if (numbers.scales[i] > Decimal::kScaleMax) continue;
    column->wide[i] = AlignMantissa(numbers.mantissas[i], column->scale - numbers.scales[i]);
  }
  for (const auto& [row, value] : numbers.wide)
    column->wide[row] = AlignMantissa(value.mantissa(), column->scale - value.scale());
}

DecimalColumn RowCollector::FinishNumbers(Numbers* numbers, std::size_t rows) {
  DecimalColumn column;
  column.id = numbers->id;
  numbers->mantissas.resize(rows, 0);
  numbers->scales.resize(rows, kAbsent);
  std::size_t present = 0;
  std::uint8_t scale_max = 0;
  std::uint8_t scale_min = Decimal::kScaleMax;
  for (const std::uint8_t scale : numbers->scales) {
    present += scale != kAbsent ? 1 : 0;
    if (scale > Decimal::kScaleMax) continue;
    scale_max = std::max(scale_max, scale);
    scale_min = std::min(scale_min, scale);
  }
  for (const auto& [row, value] : numbers->wide)
    scale_max = std::max(scale_max, static_cast<std::uint8_t>(value.scale()));
  column.scale = scale_max;
  if (present != rows) {
    column.present.resize(rows);
    for (std::size_t i = 0; i < rows; ++i) column.present[i] = numbers->scales[i] != kAbsent;
  }
  if (!numbers->wide.empty()) {
    FinishWide(*numbers, &column);
    return column;
  }
  if (scale_min < scale_max) {
    bool overflow = false;
    column.narrow.resize(rows);
    for (std::size_t i = 0; i < rows; ++i) {
      const std::uint8_t scale = numbers->scales[i];
      const int more = scale <= Decimal::kScaleMax ? scale_max - scale : 0;
      overflow |=
          __builtin_mul_overflow(numbers->mantissas[i], ScaleFactor(more), &column.narrow[i]);
    }
    if (overflow) FinishWide(*numbers, &column);
  } else {
    column.narrow = std::move(numbers->mantissas);
  }
  return column;
}

RowBatch RowCollector::Finish() {
  const std::size_t rows = size();
  NumbersOf(kQuantityColumn);  // always there
  RowBatch batch = std::move(batch_);
  batch.sources = std::move(sources_.column);
  const auto by_id = [](const auto& a, const auto& b) { return a.id < b.id; };
  for (Numbers& numbers : numbers_) {
    const bool used = std::any_of(numbers.scales.begin(), numbers.scales.end(),
                                  [](std::uint8_t scale) { return scale != kAbsent; });
    if (used || numbers.id == kQuantityColumn)
      batch.measures.push_back(FinishNumbers(&numbers, rows));
  }
  std::sort(batch.measures.begin(), batch.measures.end(), by_id);
  for (Values& values : values_) {
    values.column.codes.resize(rows, 0);
    batch.dimensions.push_back(std::move(values.column));
  }
  std::sort(batch.dimensions.begin(), batch.dimensions.end(), by_id);
  *this = RowCollector(catalogue_, new_names_);
  return batch;
}

}  // namespace quipu
