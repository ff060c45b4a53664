#include "base/named_thread.h"

#include <pthread.h>

namespace quipu {

void NameThisThread(const char* name) {
#ifdef __linux__
  (void)pthread_setname_np(pthread_self(),
                           name);  // refused if it is too long; a name is not worth an error
#else
  (void)name;
#endif
}

}  // namespace quipu
