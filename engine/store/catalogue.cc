#include "store/catalogue.h"

#include <algorithm>
#include <mutex>
#include <utility>

#include "base/check.h"
#include "base/text_hash.h"
#include "store/manifest.h"

namespace quipu {
namespace {

constexpr std::array<std::string_view, kNameKinds> kKindNames = {"customer", "service", "dimension",
                                                                 "measure"};
constexpr std::string_view KindName(NameKind kind) {
  return kKindNames[static_cast<std::size_t>(kind)];
}
std::string RowText(const NameKey& key) {
  return std::string(kKindNames[key.kind]) + " " + std::to_string(key.ordinal) + ": ";
}

Result<NameKey> CheckKey(std::string_view key) {
  const std::optional<NameKey> parsed = ParseNameKey(key);
  if (parsed && parsed->kind < kNameKinds) return *parsed;
  return Status::Corruption("catalogue: a key is malformed: 0x" + HexText(key));
}

constexpr std::size_t kSlotsFirst = 64;
/// Names that every store has and none stores.
constexpr std::uint32_t BuiltIn(NameKind kind) {
  return kind == NameKind::kMeasure ? kFirstUserMeasure : 0;
}

}  // namespace

Catalogue::Catalogue() : seed_(TextHashSeed()) { Reset(); }

void Catalogue::Reset() {
  for (Kind& kind : kinds_) {
    kind.names.Clear();
    kind.slots.assign(kSlotsFirst, Slot{});
    kind.live = 0;
  }
  Kind& measures = kinds_[static_cast<std::size_t>(NameKind::kMeasure)];
  static_assert(kQuantityColumn == 0 && kCostColumn == 1 && kFirstUserMeasure == 2);
  for (const std::string_view name : {"quantity", "cost"})
    Append(&measures, name, TextHash(name, seed_));
}

void Catalogue::Append(Kind* kind, std::string_view name, std::uint32_t hash) {
  if ((std::size_t{kind->live} + 1) * 2 > kind->slots.size()) Grow(kind);
  const std::size_t mask = kind->slots.size() - 1;
  std::size_t i = hash & mask;
  while (kind->slots[i].ordinal_plus_1 != 0) i = (i + 1) & mask;
  kind->names.Append(name);
  kind->slots[i] = {hash, kind->names.size()};
  ++kind->live;
}

void Catalogue::Grow(Kind* kind) {
  const std::vector<Slot> old = std::exchange(kind->slots, {});
  kind->slots.resize(old.size() * 2);
  const std::size_t mask = kind->slots.size() - 1;
  for (const Slot& slot : old) {
    if (slot.ordinal_plus_1 == 0) continue;
    std::size_t i = slot.hash & mask;
    while (kind->slots[i].ordinal_plus_1 != 0) i = (i + 1) & mask;
    kind->slots[i] = slot;
  }
}

std::optional<std::uint32_t> Catalogue::Lookup(const Kind& kind, std::string_view name,
                                               std::uint32_t hash) const {
  const std::size_t mask = kind.slots.size() - 1;
  for (std::size_t i = hash & mask; kind.slots[i].ordinal_plus_1 != 0; i = (i + 1) & mask) {
    const Slot& slot = kind.slots[i];
    if (slot.hash == hash && kind.names[slot.ordinal_plus_1 - 1] == name)
      return slot.ordinal_plus_1 - 1;
  }
  return std::nullopt;
}

Status Catalogue::Load(const KvReader& kv, std::span<const std::uint32_t> erased) {
  const std::unique_lock lock(mutex_);
  Reset();
  return kv.Scan(KvSpace::kMeta, kNameKeyPrefix,
                 [&](std::string_view key, std::string_view name, bool* stop) -> Status {
                   if (!key.starts_with(kNameKeyPrefix)) {
                     *stop = true;
                     return {};
                   }
                   QUIPU_TRY_ASSIGN(const NameKey parsed, CheckKey(key));
                   return LoadRow(parsed, name,
                                  std::binary_search(erased.begin(), erased.end(), parsed.ordinal));
                 });
}

Status Catalogue::Follow(std::string_view key, std::string_view name, bool is_erased) {
  QUIPU_TRY_ASSIGN(const NameKey parsed, CheckKey(key));
  const auto which = static_cast<NameKind>(parsed.kind);
  if (parsed.ordinal >= size(which)) {
    const std::unique_lock lock(mutex_);
    return LoadRow(parsed, name, is_erased);
  }
  const bool may_go = which == NameKind::kCustomer && (name.empty() || is_erased);
  if (may_go) ForgetIfFound(parsed.ordinal);
  const std::string_view known = NameOf(which, parsed.ordinal);
  if (name == known || (may_go && name.empty())) return {};
  return Status::Corruption("catalogue: " + RowText(parsed) + "the name is another than it was");
}

Status Catalogue::LoadRow(const NameKey& key, std::string_view name, bool is_erased) {
  const auto which = static_cast<NameKind>(key.kind);
  Kind& kind = kinds_[key.kind];
  const std::string row = RowText(key);
  if (key.ordinal != kind.names.size() || key.ordinal >= NamesMax(which)) {
    return Status::Corruption("catalogue: " + row + "expected ordinal " +
                              std::to_string(kind.names.size()) + ", names are missing");
  }
  if (name.empty() || (which == NameKind::kCustomer && is_erased)) {
    kind.names.Append(name);  // erased, or lost with all its rows: keeps its place, is not found
    return {};
  }
  const std::uint32_t hash = TextHash(name, seed_);
  if (const auto earlier = Lookup(kind, name, hash)) {
    return Status::Corruption("catalogue: " + row + "repeats the name of ordinal " +
                              std::to_string(*earlier));
  }
  Append(&kind, name, hash);
  return {};
}

std::optional<std::uint32_t> Catalogue::Find(NameKind kind, std::string_view name) const {
  const std::shared_lock lock(mutex_);
  return Lookup(kinds_[static_cast<std::size_t>(kind)], name, TextHash(name, seed_));
}

Result<std::uint32_t> Catalogue::Intern(NameKind kind, std::string_view name, KvBatch* batch) {
  return Intern(kind, name, TextHash(name, seed_), batch);
}

Result<std::uint32_t> Catalogue::Intern(NameKind kind, std::string_view name, std::uint32_t hash,
                                        KvBatch* batch) {
  Kind& k = kinds_[static_cast<std::size_t>(kind)];
  if (const std::optional<std::uint32_t> found = Lookup(k, name, hash)) return *found;
  if (name.empty()) {
    return Status::InvalidArgument("catalogue: a " + std::string(KindName(kind)) +
                                   " name is empty");
  }
  const std::uint32_t ordinal = k.names.size();
  if (ordinal >= NamesMax(kind)) {
    return Status::Exhausted("catalogue: no room for another " + std::string(KindName(kind)) +
                             " name, a store holds at most " + std::to_string(NamesMax(kind)));
  }
  QUIPU_DCHECK(ordinal >= BuiltIn(kind));
  {
    const std::unique_lock lock(mutex_);
    Append(&k, name, hash);
  }
  batch->Put(KvSpace::kMeta, MakeNameKey({static_cast<std::uint8_t>(kind), ordinal}),
             std::string(name));
  return ordinal;
}

void Catalogue::ForgetIfFound(std::uint32_t customer) {
  const std::string_view name = NameOf(NameKind::kCustomer, customer);
  if (!name.empty() && Find(NameKind::kCustomer, name) == customer) Forget(customer);
}

void Catalogue::Forget(std::uint32_t customer) {
  const std::unique_lock lock(mutex_);
  Kind& customers = kinds_[static_cast<std::size_t>(NameKind::kCustomer)];
  std::vector<Slot>& slots = customers.slots;
  const std::size_t mask = slots.size() - 1;
  std::size_t gap = TextHash(customers.names[customer], seed_) & mask;
  for (; slots[gap].ordinal_plus_1 != customer + 1; gap = (gap + 1) & mask)
    QUIPU_CHECK(slots[gap].ordinal_plus_1 != 0);
  // What stands behind it moves up unless that would put it before the place where its search begins (Knuth, 6.4, algorithm R).
  for (std::size_t i = (gap + 1) & mask; slots[i].ordinal_plus_1 != 0; i = (i + 1) & mask) {
    if (((i - slots[i].hash) & mask) < ((i - gap) & mask)) continue;
    slots[gap] = slots[i];
    gap = i;
  }
  slots[gap] = Slot{};
  --customers.live;
}

std::string_view Catalogue::NameOf(NameKind kind, std::uint32_t ordinal) const {
  return kinds_[static_cast<std::size_t>(kind)].names[ordinal];
}

std::uint32_t Catalogue::size(NameKind kind) const {
  return kinds_[static_cast<std::size_t>(kind)].names.size();
}

std::uint32_t Catalogue::live(NameKind kind) const {
  const std::shared_lock lock(mutex_);
  return kinds_[static_cast<std::size_t>(kind)].live;
}

}  // namespace quipu
