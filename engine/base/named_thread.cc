#include "base/named_thread.h"

#include <pthread.h>
#ifdef __linux__
#include <sys/resource.h>
#include <unistd.h>
#endif

namespace quipu {

void NameThisThread(const char* name) {
#ifdef __linux__
  (void)pthread_setname_np(pthread_self(),
                           name);  // refused if it is too long; a name is not worth an error
#else
  (void)name;
#endif
}

void GiveWayInThisThread() {
#ifdef __linux__
  constexpr int kNice = 10;
  // Of the thread alone, whatever POSIX says of processes. Refused or not: it is a courtesy.
  const auto self = static_cast<id_t>(gettid());
  if (getpriority(PRIO_PROCESS, self) < kNice) (void)setpriority(PRIO_PROCESS, self, kNice);
#endif
}

}  // namespace quipu
