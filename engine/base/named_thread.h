// A thread with a name: what top, gdb and perf show of it in a host process, where the engine's threads are among many.
#pragma once

#include <thread>
#include <utility>

namespace quipu {

/// Gives the calling thread its name, of which the system keeps 15 characters.
void NameThisThread(const char* name);

/// From now on the calling thread gives way to others of the process and of the machine where processors are short (Linux: nice 10, a tenth of their share). For work
/// that nobody waits for; it must hold locks that others want for moments only.
void GiveWayInThisThread();

template <class Body>
std::thread StartThread(const char* name, Body body) {
  return std::thread([name, body = std::move(body)]() mutable {
    NameThisThread(name);
    body();
  });
}

}  // namespace quipu
