#include "base/event_rows.h"

#include <algorithm>
#include <cstring>

#include "base/bytes.h"
#include "base/text_hash.h"

namespace quipu {
namespace {

constexpr std::size_t kRefsPerEventMax = 65'535;
/// Clear keeps no more memory than this for the next events.
constexpr std::size_t kBytesReusable = 8u << 20;
constexpr std::size_t kSlotsFirst = 64;
constexpr std::size_t kEntriesSearched = 16;
/// A shape that is none of the last few is taken for a new one: the same shape twice costs little, a search of all would not.
constexpr std::size_t kShapesSearched = 8;

/// Strings here are mostly shorter than 16 bytes; two overlapping loads beat a call.
[[gnu::always_inline]] inline bool SameBytes(const char* a, const char* b, std::size_t n) {
  if (n > 16) return std::memcmp(a, b, n) == 0;
  if (n >= 8) {
    return ((LoadLe<std::uint64_t>(a) ^ LoadLe<std::uint64_t>(b)) |
            (LoadLe<std::uint64_t>(a + n - 8) ^ LoadLe<std::uint64_t>(b + n - 8))) == 0;
  }
  if (n >= 4) {
    return ((LoadLe<std::uint32_t>(a) ^ LoadLe<std::uint32_t>(b)) |
            (LoadLe<std::uint32_t>(a + n - 4) ^ LoadLe<std::uint32_t>(b + n - 4))) == 0;
  }
  return n == 0 || (a[0] == b[0] && a[n / 2] == b[n / 2] && a[n - 1] == b[n - 1]);
}

inline bool Same(std::string_view a, std::string_view b) {
  return a.size() == b.size() && SameBytes(a.data(), b.data(), a.size());
}

/// Equal texts of different roles start in different places.
std::size_t FirstSlot(std::uint32_t hash, EventRows::Role role) {
  return hash + role * 0x9E3779B1u;
}

}  // namespace

EventRows::EventRows() : seed_(TextHashSeed()) {}

std::size_t EventRows::bytes() const {
  return text_.size() + rows_.size() * sizeof(Row) + codes_.size() * sizeof(std::uint32_t) +
         numbers_.size() * (sizeof(std::int64_t) + 1) + wide_.size() * sizeof(Decimal) +
         entries_.size() * (sizeof(Entry) + 2 * sizeof(Slot)) + shapes_.size() * sizeof(Shape) +
         names_.size() * sizeof(std::uint32_t);
}

std::size_t EventRows::held_bytes() const {
  return text_.capacity() + rows_.capacity() * sizeof(Row) +
         codes_.capacity() * sizeof(std::uint32_t) + numbers_.capacity() * sizeof(std::int64_t) +
         scales_.capacity() + wide_.capacity() * sizeof(Decimal) +
         entries_.capacity() * sizeof(Entry) + slots_.capacity() * sizeof(Slot) +
         shapes_.capacity() * sizeof(Shape) + names_.capacity() * sizeof(std::uint32_t);
}

void EventRows::Clear() {
  if (bytes() > kBytesReusable) {
    *this = EventRows();
    return;
  }
  text_.clear();
  rows_.clear();
  codes_.clear();
  numbers_.clear();
  scales_.clear();
  wide_.clear();
  entries_.clear();
  std::fill(slots_.begin(), slots_.end(), Slot{});
  shapes_.clear();
  names_.clear();
}

std::string_view EventRows::Fit(std::string_view text) const {
  return text.substr(0, kBytesKept - std::min(text_.size(), kBytesKept));
}

/// Where in text_ the string now stands.
std::uint32_t EventRows::Append(std::string_view text) {
  const auto offset = static_cast<std::uint32_t>(text_.size());
  text_.append(text);
  return offset;
}

std::uint32_t EventRows::Find(std::string_view text, Role role) {
  const std::uint32_t hash = TextHash(text, seed_);
  const auto is_it = [&](const Entry& entry) {
    return entry.role == role && entry.length == text.size() &&
           SameBytes(text_.data() + entry.offset, text.data(), text.size());
  };
  if (slots_.empty()) {  // the few strings of a single event need no table
    for (std::uint32_t e = 0; e < entries_.size(); ++e) {
      if (entries_[e].hash == hash && is_it(entries_[e])) return e;
    }
    const std::string_view kept = Fit(text);
    if (kept.size() != text.size()) return Find(kept, role);
    if (entries_.size() < kEntriesSearched) return AddEntry(text, role, hash);
  }
  if ((entries_.size() + 1) * 2 > slots_.size()) GrowSlots();
  const std::size_t mask = slots_.size() - 1;
  std::size_t i = FirstSlot(hash, role) & mask;
  for (; slots_[i].entry_plus_1 != 0; i = (i + 1) & mask) {
    const std::uint32_t entry = slots_[i].entry_plus_1 - 1;
    if (slots_[i].hash == hash && is_it(entries_[entry])) return entry;
  }
  const std::string_view kept = Fit(text);
  if (kept.size() != text.size()) return Find(kept, role);
  const std::uint32_t entry = AddEntry(text, role, hash);
  slots_[i] = {hash, entry + 1};
  return entry;
}

std::uint32_t EventRows::AddEntry(std::string_view text, Role role, std::uint32_t hash) {
  entries_.push_back({Append(text), static_cast<std::uint32_t>(text.size()), role, hash, 0});
  return static_cast<std::uint32_t>(entries_.size() - 1);
}

void EventRows::GrowSlots() {
  slots_.assign(std::max(kSlotsFirst, slots_.size() * 2), Slot{});
  const std::size_t mask = slots_.size() - 1;
  for (std::uint32_t e = 0; e < entries_.size(); ++e) {
    std::size_t i = FirstSlot(entries_[e].hash, entries_[e].role) & mask;
    while (slots_[i].entry_plus_1 != 0) i = (i + 1) & mask;
    slots_[i] = {entries_[e].hash, e + 1};
  }
}

bool EventRows::Matches(const Shape& shape, std::span<const Dimension> dimensions,
                        std::span<const Measure> measures, bool has_cost) const {
  if (shape.dimensions != dimensions.size() || shape.measures != measures.size() ||
      shape.has_cost != has_cost) {
    return false;
  }
  const std::uint32_t* name = names_.data() + shape.first_name;
  for (const Dimension& d : dimensions) {
    if (!Same(EntryText(*name++), d.name)) return false;
  }
  for (const Measure& m : measures) {
    if (!Same(EntryText(*name++), m.name)) return false;
  }
  return true;
}

std::uint32_t EventRows::FindShape(std::uint32_t service, std::span<const Dimension> dimensions,
                                   std::span<const Measure> measures, bool has_cost) {
  std::uint32_t& last = entries_[service].last_shape;
  if (!shapes_.empty() && Matches(shapes_[last], dimensions, measures, has_cost)) return last;
  const std::size_t end = shapes_.size();
  for (std::size_t s = end; s > 0 && end - s < kShapesSearched; --s) {
    if (!Matches(shapes_[s - 1], dimensions, measures, has_cost)) continue;
    return last = static_cast<std::uint32_t>(s - 1);
  }
  shapes_.push_back({static_cast<std::uint32_t>(names_.size()),
                     static_cast<std::uint16_t>(dimensions.size()),
                     static_cast<std::uint16_t>(measures.size()), has_cost});
  last = static_cast<std::uint32_t>(end);  // before Find, which may move the entries
  for (const Dimension& d : dimensions) names_.push_back(Find(d.name, kDimensionName));
  for (const Measure& m : measures) names_.push_back(Find(m.name, kMeasureName));
  return static_cast<std::uint32_t>(end);
}

void EventRows::AddNumber(const Decimal& value) {
  const auto narrow = static_cast<std::int64_t>(value.mantissa());
  if (value.mantissa() == narrow) {
    numbers_.push_back(narrow);
    scales_.push_back(static_cast<std::uint8_t>(value.scale()));
    return;
  }
  numbers_.push_back(static_cast<std::int64_t>(wide_.size()));
  scales_.push_back(kWide);
  wide_.push_back(value);
}

/// A batch is often one event: its few strings and numbers in one allocation each.
void EventRows::ReserveFor(const Event& event) {
  constexpr std::size_t kTextBytesUsual = 256, kRefsUsualMax = 64;
  const std::size_t dimensions = std::min(event.dimensions.size(), kRefsUsualMax);
  const std::size_t measures = std::min(event.measures.size(), kRefsUsualMax);
  text_.reserve(kTextBytesUsual);
  entries_.reserve(kFirstValueCode + 2 * dimensions + measures);
  names_.reserve(dimensions + measures);
  numbers_.reserve(2 + measures);
  scales_.reserve(2 + measures);
}

void EventRows::Add(const Event& event) {
  if (rows_.capacity() == 0) ReserveFor(event);
  const std::size_t refs_max = bytes() < kBytesKept ? kRefsPerEventMax : 0;
  const std::span<const Dimension> dimensions(event.dimensions.data(),
                                              std::min(event.dimensions.size(), refs_max));
  const std::span<const Measure> measures(event.measures.data(),
                                          std::min(event.measures.size(), refs_max));
  Row row;
  row.has_time = event.time.has_value();
  row.time = event.time.value_or(0);
  const std::string_view id = Fit(event.id);
  row.id_offset = Append(id);
  row.id_length = static_cast<std::uint32_t>(id.size());
  const std::uint32_t customer = Find(event.customer, kCustomer);
  const std::uint32_t service = Find(event.service, kService);
  row.shape = FindShape(service, dimensions, measures, event.cost.has_value());
  row.first_code = static_cast<std::uint32_t>(codes_.size());
  codes_.resize(codes_.size() + kFirstValueCode + dimensions.size());
  std::uint32_t* const codes = codes_.data() + row.first_code;
  codes[kCustomerCode] = customer;
  codes[kServiceCode] = service;
  codes[kSourceCode] = Find(event.source, kSource);
  const std::uint32_t first_name = shapes_[row.shape].first_name;
  for (std::size_t d = 0; d < dimensions.size(); ++d) {
    codes[kFirstValueCode + d] = Find(dimensions[d].value, kFirstValue + names_[first_name + d]);
  }
  row.first_number = static_cast<std::uint32_t>(numbers_.size());
  AddNumber(event.quantity);
  if (event.cost) AddNumber(*event.cost);
  for (const Measure& m : measures) AddNumber(m.value);
  rows_.push_back(row);
}

Event EventRows::At(std::size_t i) const {
  const Row& row = rows_[i];
  const Shape& shape = shapes_[row.shape];
  const std::uint32_t* const codes = codes_.data() + row.first_code;
  const std::uint32_t* name = names_.data() + shape.first_name;
  std::size_t number = row.first_number;
  Event event;
  event.id = Id(i);
  event.customer = EntryText(codes[kCustomerCode]);
  event.service = EntryText(codes[kServiceCode]);
  event.source = EntryText(codes[kSourceCode]);
  if (row.has_time) event.time = row.time;
  event.quantity = Number(number++);
  if (shape.has_cost) event.cost = Number(number++);
  event.dimensions.reserve(shape.dimensions);
  for (std::size_t d = 0; d < shape.dimensions; ++d) {
    event.dimensions.push_back({EntryText(*name++), EntryText(codes[kFirstValueCode + d])});
  }
  event.measures.reserve(shape.measures);
  for (std::size_t m = 0; m < shape.measures; ++m) {
    event.measures.push_back({EntryText(*name++), Number(number++)});
  }
  return event;
}

}  // namespace quipu
