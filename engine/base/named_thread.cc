#include "base/named_thread.h"

#include <pthread.h>
#ifdef __linux__
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include <algorithm>
#include <cstdint>

namespace quipu {

void NameThisThread(const char* name) {
#ifdef __linux__
  (void)pthread_setname_np(pthread_self(),
                           name);  // refused if it is too long; a name is not worth an error
#else
  (void)name;
#endif
}

#ifdef __linux__
namespace {

/// A thread that wakes up and whose slice is shorter (by default 1 to 3 ms) gets the processor at once, not when this one's is over (Linux 6.12; before, it has
/// no effect).
constexpr std::uint64_t kSliceNs = 10'000'000;

/// The kernel's struct sched_attr, first version (sched_setattr(2)); its header does not go together with the C library's.
struct SchedulingAttributes {
  std::uint32_t size = sizeof(SchedulingAttributes);
  std::uint32_t policy = SCHED_OTHER;
  std::uint64_t flags = 0;
  std::int32_t nice = 0;
  std::uint32_t priority = 0;
  std::uint64_t runtime_ns = 0;
  std::uint64_t deadline_ns = 0, period_ns = 0;
};
static_assert(sizeof(SchedulingAttributes) == 48);

bool SetNiceAndSlice(int nice) {
  SchedulingAttributes attributes;
  attributes.nice = nice;
  attributes.runtime_ns = kSliceNs;
  return syscall(SYS_sched_setattr, 0, &attributes, 0) == 0;
}

}  // namespace
#endif

void GiveWayInThisThread(std::uint32_t nice) {
#ifdef __linux__
  constexpr std::uint32_t kNiceMax = 19;
  if (nice == 0) return;
  const int wanted = static_cast<int>(std::min(nice, kNiceMax));
  // Of the thread alone, whatever POSIX says of processes. Refused or not: it is a courtesy.
  const auto self = static_cast<id_t>(gettid());
  const int now = getpriority(PRIO_PROCESS, self);
  if (sched_getscheduler(0) == SCHED_OTHER && SetNiceAndSlice(std::max(now, wanted))) return;
  if (now < wanted) (void)setpriority(PRIO_PROCESS, self, wanted);
#else
  (void)nice;
#endif
}

}  // namespace quipu
