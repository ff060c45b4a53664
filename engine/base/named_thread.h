// A thread with a name: what top, gdb and perf show of it in a host process, where the engine's threads are among many.
#pragma once

#include <thread>
#include <utility>

namespace quipu {

/// Gives the calling thread its name, of which the system keeps 15 characters.
void NameThisThread(const char* name);

template <class Body>
std::thread StartThread(const char* name, Body body) {
  return std::thread([name, body = std::move(body)]() mutable {
    NameThisThread(name);
    body();
  });
}

}  // namespace quipu
