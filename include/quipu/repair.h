// quipu/repair.h
//
// What can be done with a store that is damaged.
//
//   auto found = quipu::Examine("usage.quipu");                     // what is wrong, and where; also if it does not open
//   auto report = quipu::Repair("usage.quipu", "repaired.quipu");   // a new, sound store with everything that can be trusted
//
// Neither changes anything in the damaged store. Repair saves a row if all of it can be read under its checksums, and never one in parts: an
// event is stored as it was or is reported as lost. Saved events keep their identity, so sending everything again counts the lost ones and nothing
// twice. The exception are events whose ids are damaged and nothing else: they are kept without ids, and unstamped new events of their month and service
// are `too_late` from then on (as after retention).
//
// When the key-value store kv/ is gone too, segments are taken on their own word: rows that several files hold are taken once.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "quipu/database.h"

namespace quipu {

/// Something that is in the damaged store no more, or not in a form that can be trusted.
struct RepairLoss {
  std::string place;                  ///< File, "commits 4 to 6", or "kv".
  std::string month;                  ///< "2026-03"; "" = not known, or of no month.
  std::string customer;               ///< "" = not known, or of no customer.
  std::optional<std::uint64_t> rows;  ///< Nothing = not known.
  std::string why;
};

struct RepairReport {
  static constexpr std::size_t kLossesMax = 100'000;
  std::vector<VerifyProblem> problems;  ///< What is damaged. At most 1,000.
  /// By (place, month, customer). Lines above kLossesMax are added up in the last one. If some of what a line says was found in a file that the manifest
  /// did not list, the lines add up to more than events_lost.
  std::vector<RepairLoss> losses;
  std::uint64_t events_saved = 0;
  std::uint64_t events_lost = 0;
  /// events_lost is exact: what the last commit recorded, less what was saved. Else more may be lost, of which nothing is known.
  bool is_exact = false;
  std::uint64_t events_without_ids = 0;  ///< Of the saved ones, those that lost their ids.
  std::uint64_t segments_copied = 0, segments_rewritten = 0, segments_lost = 0;
  std::uint64_t commits_saved = 0;  ///< Of those that were not sealed yet.
};

/// Verifies the store in folder `path` without opening it; for one that Database::Open refuses. kNotFound: there is none. kAlreadyExists: it is in use. kUnsupported: a
/// newer format.
Result<VerifyReport> Examine(const std::string& path, const Progress& progress = {});

/// Writes what can be saved of the store in `path` as a new store into folder `out`, which must not exist or be empty, and verifies it. Errors as those of Examine;
/// kCorruption: nothing can be saved; kIoError, kExhausted: `out` could not be written, remove it. Takes as much room as the store, and the time
/// of reading it three times. Attached archive folders are copied into the new store; detached ones stay detached.
Result<RepairReport> Repair(const std::string& path, const std::string& out,
                            const Progress& progress = {});

}  // namespace quipu
