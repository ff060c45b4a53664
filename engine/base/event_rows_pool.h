// EventRowsPool: packed rows of small batches, used again.
//
// A caller that ingests events one by one makes a batch for each; its dozen small blocks of memory would be allocated by the caller's thread and
// freed by another one, which costs both more than the event itself. So the rows of a small batch go back to a pool with their memory, in
// bundles: a thread keeps some and trades them with the others when it has too many or none.
//
// Invariants: at most kPooledMax rows lie in the common pool and two bundles in each thread, none with more than kPooledBytesMax of memory.
#pragma once

#include <cstddef>
#include <memory>

#include "base/event_rows.h"

namespace quipu {

class EventRowsPool {
 public:
  static constexpr std::size_t kPooledBytesMax = 4096;
  static constexpr std::size_t kPooledMax = 4096;
  static constexpr std::size_t kBundle = 32;

  /// Empty rows.
  static std::unique_ptr<EventRows> Take();
  /// Takes back rows of any size; frees them if they are not worth keeping.
  static void GiveBack(std::unique_ptr<EventRows> rows) noexcept;
};

}  // namespace quipu
