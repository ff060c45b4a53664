#include "store/catalogue.h"

#include <algorithm>
#include <mutex>

#include "base/check.h"
#include "store/manifest.h"

namespace quipu {
namespace {

constexpr std::array<std::string_view, kNameKinds> kKindNames = {"customer", "service", "dimension",
                                                                 "measure"};
constexpr std::string_view KindName(NameKind kind) {
  return kKindNames[static_cast<std::size_t>(kind)];
}
/// Names that every store has and none stores.
constexpr std::uint32_t BuiltIn(NameKind kind) {
  return kind == NameKind::kMeasure ? kFirstUserMeasure : 0;
}

}  // namespace

Catalogue::Catalogue() { Reset(); }

void Catalogue::Reset() {
  for (Kind& kind : kinds_) {
    kind.ordinals.clear();
    kind.names.clear();
  }
  Kind& measures = kinds_[static_cast<std::size_t>(NameKind::kMeasure)];
  static_assert(kQuantityColumn == 0 && kCostColumn == 1 && kFirstUserMeasure == 2);
  Append(&measures, "quantity");
  Append(&measures, "cost");
}

void Catalogue::Append(Kind* kind, std::string_view name) {
  const std::string& stored = kind->names.emplace_back(name);
  kind->ordinals.emplace(stored, static_cast<std::uint32_t>(kind->names.size() - 1));
}

Status Catalogue::Load(const KvStore& kv, std::span<const std::uint32_t> erased) {
  const std::unique_lock lock(mutex_);
  Reset();
  return kv.Scan(KvSpace::kMeta, kNameKeyPrefix,
                 [&](std::string_view key, std::string_view name, bool* stop) -> Status {
                   if (!key.starts_with(kNameKeyPrefix)) {
                     *stop = true;
                     return {};
                   }
                   return LoadRow(key, name, erased);
                 });
}

Status Catalogue::LoadRow(std::string_view key, std::string_view name,
                          std::span<const std::uint32_t> erased) {
  const std::optional<NameKey> parsed = ParseNameKey(key);
  if (!parsed || parsed->kind >= kNameKinds) {
    return Status::Corruption("catalogue: a key is malformed: 0x" + HexText(key));
  }
  const auto which = static_cast<NameKind>(parsed->kind);
  Kind& kind = kinds_[parsed->kind];
  const std::string row =
      std::string(KindName(which)) + " " + std::to_string(parsed->ordinal) + ": ";
  if (parsed->ordinal != kind.names.size() || parsed->ordinal >= NamesMax(which)) {
    return Status::Corruption("catalogue: " + row + "expected ordinal " +
                              std::to_string(kind.names.size()) + ", names are missing");
  }
  if (which == NameKind::kCustomer &&
      (name.empty() || std::binary_search(erased.begin(), erased.end(), parsed->ordinal))) {
    kind.names.emplace_back(name);  // erased: keeps its place, is found under no name
    return {};
  }
  if (name.empty()) return Status::Corruption("catalogue: " + row + "the name is empty");
  if (kind.ordinals.contains(name)) {
    return Status::Corruption("catalogue: " + row + "repeats the name of ordinal " +
                              std::to_string(kind.ordinals.find(name)->second));
  }
  Append(&kind, name);
  return {};
}

std::optional<std::uint32_t> Catalogue::Find(NameKind kind, std::string_view name) const {
  const std::shared_lock lock(mutex_);
  const Kind& k = kinds_[static_cast<std::size_t>(kind)];
  const auto it = k.ordinals.find(name);
  if (it == k.ordinals.end()) return std::nullopt;
  return it->second;
}

Result<std::uint32_t> Catalogue::Intern(NameKind kind, std::string_view name, KvBatch* batch) {
  if (const std::optional<std::uint32_t> found = Find(kind, name)) return *found;
  if (name.empty()) {
    return Status::InvalidArgument("catalogue: a " + std::string(KindName(kind)) +
                                   " name is empty");
  }
  const std::unique_lock lock(mutex_);
  Kind& k = kinds_[static_cast<std::size_t>(kind)];
  const auto ordinal = static_cast<std::uint32_t>(k.names.size());
  if (ordinal >= NamesMax(kind)) {
    return Status::Exhausted("catalogue: no room for another " + std::string(KindName(kind)) +
                             " name, a store holds at most " + std::to_string(NamesMax(kind)));
  }
  QUIPU_DCHECK(ordinal >= BuiltIn(kind));
  Append(&k, name);
  batch->Put(KvSpace::kMeta, MakeNameKey({static_cast<std::uint8_t>(kind), ordinal}),
             std::string(name));
  return ordinal;
}

void Catalogue::Forget(std::uint32_t customer) {
  const std::unique_lock lock(mutex_);
  Kind& customers = kinds_[static_cast<std::size_t>(NameKind::kCustomer)];
  const auto it = customers.ordinals.find(customers.names[customer]);
  QUIPU_CHECK(it != customers.ordinals.end() && it->second == customer);
  customers.ordinals.erase(it);
}

std::string_view Catalogue::NameOf(NameKind kind, std::uint32_t ordinal) const {
  const std::shared_lock lock(mutex_);
  const Kind& k = kinds_[static_cast<std::size_t>(kind)];
  return ordinal < k.names.size() ? std::string_view(k.names[ordinal]) : std::string_view();
}

std::uint32_t Catalogue::size(NameKind kind) const {
  const std::shared_lock lock(mutex_);
  return static_cast<std::uint32_t>(kinds_[static_cast<std::size_t>(kind)].names.size());
}

std::uint32_t Catalogue::live(NameKind kind) const {
  const std::shared_lock lock(mutex_);
  return static_cast<std::uint32_t>(kinds_[static_cast<std::size_t>(kind)].ordinals.size());
}

}  // namespace quipu
