// quipu/as_of.h
//
// Earlier states of a store, and freezes: states that were given a name and are kept.
//
//   auto frozen = db->Freeze("2026-03");               // the month is billed
//   ...                                                // late events, merges, archives, restarts
//   quipu::QuerySpec bill = ...;
//   bill.as_of.freeze = "2026-03";                     // the same bytes as on the day of the freeze
//   bill.since.freeze = "2026-03"; bill.as_of = {};    // only what has come since: the next bill has a line for it
//
// Every answer says as of which commit it is (ResultSet::as_of), and a question may name a commit. It can be asked for until a merge has put events from before and
// after it into one file; then kOutOfRange names the nearest commits that can. A freeze is never merged across, so it can always be asked for.
//
// Erasing a customer changes the past: as of any commit the customer is not there any more. So does a retention policy where it deletes events; where it
// leaves summaries, these answer what summaries can. FreezeInfo and ResultSet::altered say so.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "quipu/status.h"
#include "quipu/time.h"

namespace quipu {

/// More end in kExhausted.
inline constexpr std::size_t kFreezesMax = 1'024;
inline constexpr std::size_t kFreezeNameBytesMax = 64;

/// A state of the store: as it was after a commit, which a number or a freeze names (not both). Empty: now.
struct AsOf {
  std::optional<std::uint64_t> commit{};  ///< 0 = before the first one.
  std::string freeze{};
  [[nodiscard]] bool IsNow() const { return !commit && freeze.empty(); }
  /// Digits are a commit, anything else is the name of a freeze.
  static Result<AsOf> Parse(std::string_view text);
  /// "commit 17" or "freeze '2026-03'"; "now".
  [[nodiscard]] std::string ToString() const;
};

/// OK for letters, digits and - _ . : / in 1 to 64 bytes that are not all digits, else kInvalidArgument.
Status CheckFreezeName(std::string_view name);

/// A named state that is kept: durable, never moved, never merged across.
struct FreezeInfo {
  std::string name;
  std::uint64_t commit = 0;            ///< The last one that is in it.
  TimeUs created = 0;                  ///< When it was made.
  std::uint64_t events = 0;            ///< That questions as of it see today, ...
  std::uint64_t events_at_freeze = 0;  ///< ... and that there were.
  // Why these may differ; set from the first event on that left.
  bool altered_by_erasure = false;
  bool altered_by_retention = false;
  bool altered_by_repair = false;  ///< Events were lost before `quipu repair`.
};

}  // namespace quipu
