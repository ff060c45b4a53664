// Ctrl-C as a request: while an InterruptGuard lives, the first SIGINT or SIGTERM only sets a flag, so that long work can
// stop between two batches and close the store. The second one ends the process at once, which is safe too: the
// store survives a kill at any moment.
#pragma once

#include <csignal>

namespace quipu::cli {

class InterruptGuard {
 public:
  InterruptGuard();
  ~InterruptGuard();
  InterruptGuard(const InterruptGuard&) = delete;
  InterruptGuard& operator=(const InterruptGuard&) = delete;

 private:
  struct sigaction old_int_ {};
  struct sigaction old_term_ {};
};

/// True after a signal.
bool Interrupted();
/// 130 for SIGINT, 143 for SIGTERM.
int InterruptExit();

}  // namespace quipu::cli
