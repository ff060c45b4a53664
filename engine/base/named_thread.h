// A thread with a name: what top, gdb and perf show of it in a host process, where the engine's threads are among many.
#pragma once

#include <thread>
#include <utility>

namespace quipu {

/// Gives the calling thread its name, of which the system keeps 15 characters.
void NameThisThread(const char* name);

/// From now on the calling thread gives way to others of the process and of the machine where processors are short (Linux: at least so nice, 0 to 19; 10 is a tenth
/// of their share). It must hold locks that others want for moments only.
void GiveWayInThisThread(int nice);

template <class Body>
std::thread StartThread(const char* name, Body body) {
  return std::thread([name, body = std::move(body)]() mutable {
    NameThisThread(name);
    body();
  });
}

}  // namespace quipu
