#include "cli/interrupt.h"

namespace quipu::cli {
namespace {

volatile std::sig_atomic_t g_signal = 0;

extern "C" void OnSignal(int signal_number) { g_signal = signal_number; }

}  // namespace

InterruptGuard::InterruptGuard() {
  struct sigaction action {};
  action.sa_handler = OnSignal;
  sigemptyset(&action.sa_mask);
  // No SA_RESTART: a read that waits for a pipe must wake up. SA_RESETHAND: the second signal is not ours to keep.
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  sigaction(SIGINT, &action, &old_int_);
  sigaction(SIGTERM, &action, &old_term_);
}

InterruptGuard::~InterruptGuard() {
  sigaction(SIGINT, &old_int_, nullptr);
  sigaction(SIGTERM, &old_term_, nullptr);
}

bool Interrupted() { return g_signal != 0; }

int InterruptExit() { return 128 + (g_signal == 0 ? SIGINT : static_cast<int>(g_signal)); }

}  // namespace quipu::cli
