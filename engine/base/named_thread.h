// A thread with a name: what top, gdb and perf show of it in a host process, where the engine's threads are among many.
#pragma once

#include <cstdint>
#include <thread>
#include <utility>

namespace quipu {

/// Gives the calling thread its name, of which the system keeps 15 characters.
void NameThisThread(const char* name);

/// From now on the calling thread gives way to others of the process and of the machine where processors are short (Linux: at least so nice, at most 19; 10 is a tenth
/// of their share; and in slices of 10 ms, which those with shorter ones need not wait for). 0 = it does not. It must hold locks that others want for moments only.
void GiveWayInThisThread(std::uint32_t nice);

template <class Body>
std::thread StartThread(const char* name, Body body) {
  return std::thread([name, body = std::move(body)]() mutable {
    NameThisThread(name);
    body();
  });
}

}  // namespace quipu
