// Catalogue: names to ordinals and back, durable in KvSpace::kMeta. Ordinals are dense, given at first sight and never reused; a
// new name travels in the same KvBatch as the commit that uses it first. An Intern cannot be taken back: its row must go into the next
// Commit even if the batch that wanted it is dropped (else the next new name would leave a gap, which Load refuses).
//
// An erased customer keeps its ordinal and loses its name: Forget takes the way from the name to the ordinal, so that the name is as
// good as new; once nothing is stored of it the name's row becomes empty (erasure.h).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <shared_mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "segment/names.h"
#include "store/kv.h"
#include "store/name_list.h"

namespace quipu {

/// Stored in keys: never renumber.
enum class NameKind : std::uint8_t { kCustomer = 0, kService = 1, kDimension = 2, kMeasure = 3 };
inline constexpr int kNameKinds = 4;
inline constexpr std::uint32_t kServicesMax = 65'536;
/// Dimension names of a store, and measure names. In memory a batch has a place for each row in each column that one of its rows uses.
inline constexpr std::uint32_t kColumnNamesMax = 1'024;
inline constexpr std::uint32_t kCustomersMax = 0xFFFFFF00;
constexpr std::uint32_t NamesMax(NameKind kind) {
  return kind == NameKind::kCustomer  ? kCustomersMax
         : kind == NameKind::kService ? kServicesMax
                                      : kColumnNamesMax;
}

struct NameKey;

/// Lookups are safe from several threads beside one writer (the committer); names by ordinal take no lock. `quantity` and `cost` are measures 0 and 1 from the start.
class Catalogue final : public Names {
 public:
  Catalogue();
  /// Reads every name. kCorruption on gaps or repeats.
  /// `erased` (ascending) are customers whose erasure is under way: their names lead nowhere.
  Status Load(const KvReader& kv, std::span<const std::uint32_t> erased = {});
  /// Takes over one row of names that another process wrote (a follower): a new name, which must be the next of its kind, or one that is known
  /// already. `is_erased`: the name leads nowhere (any more). The one writer only. kCorruption as in Load, and if a name became another.
  Status Follow(std::string_view key, std::string_view name, bool is_erased);

  [[nodiscard]] std::optional<std::uint32_t> Find(NameKind kind, std::string_view name) const;
  /// The ordinal of `name`, a new one if need be (then its row is put into `batch`). kExhausted at the bounds. Committer only: it is the one
  /// writer, so it looks up without a lock.
  Result<std::uint32_t> Intern(NameKind kind, std::string_view name, KvBatch* batch);
  /// With the TextHash of the name known.
  Result<std::uint32_t> Intern(NameKind kind, std::string_view name, std::uint32_t hash,
                               KvBatch* batch);
  /// The name of this customer no longer leads to it. Views of the name stay valid: it is gone from memory when the store is closed.
  /// Committer only, once, after the erasure is durable.
  void Forget(std::uint32_t customer);
  /// Forget, if the name leads to it.
  void ForgetIfFound(std::uint32_t customer);
  /// "" for an unknown ordinal (no name is empty), for a customer that was erased before the store was opened, and for what a repair has
  /// lost; no row has these.
  [[nodiscard]] std::string_view NameOf(NameKind kind, std::uint32_t ordinal) const;
  /// Ordinals that were ever given.
  [[nodiscard]] std::uint32_t size(NameKind kind) const;
  /// Names that can be found: those of erased customers are not among them.
  [[nodiscard]] std::uint32_t live(NameKind kind) const;

  [[nodiscard]] std::string_view Customer(CustomerOrdinal o) const override {
    return NameOf(NameKind::kCustomer, o);
  }
  [[nodiscard]] std::string_view Service(ServiceOrdinal o) const override {
    return NameOf(NameKind::kService, o);
  }
  [[nodiscard]] std::string_view Dimension(ColumnId c) const override {
    return NameOf(NameKind::kDimension, c);
  }
  [[nodiscard]] std::string_view Measure(ColumnId c) const override {
    return NameOf(NameKind::kMeasure, c);
  }

 private:
  /// An open-addressing table of (hash, 1 + ordinal) beside the list of names, at most half full.
  struct Slot {
    std::uint32_t hash = 0;
    std::uint32_t ordinal_plus_1 = 0;
  };
  struct Kind {
    NameList names;
    std::vector<Slot> slots;
    std::uint32_t live = 0;  // slots in use: names that can be found
  };
  void Reset();  // to the built-in names
  [[nodiscard]] std::optional<std::uint32_t> Lookup(const Kind& kind, std::string_view name,
                                                    std::uint32_t hash) const;
  void Append(Kind* kind, std::string_view name, std::uint32_t hash);
  void Grow(Kind* kind);
  Status LoadRow(const NameKey& key, std::string_view name, bool is_erased);

  const std::uint64_t seed_;
  mutable std::shared_mutex mutex_;  // guards the slots against the writer; names need none
  std::array<Kind, kNameKinds> kinds_;
};

}  // namespace quipu
