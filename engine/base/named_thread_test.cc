#include "base/named_thread.h"

#include <gtest/gtest.h>

#ifdef __linux__
#include <sys/resource.h>
#include <unistd.h>

namespace quipu {
namespace {

int NiceOfThisThread() { return getpriority(PRIO_PROCESS, static_cast<id_t>(gettid())); }

TEST(NamedThread, GivingWayConcernsTheThreadAlone) {
  const int before = NiceOfThisThread();
  int within = 0;
  StartThread("quipu-test", [&] {
    GiveWayInThisThread();
    within = NiceOfThisThread();
  }).join();
  EXPECT_EQ(within, before < 10 ? 10 : before);
  EXPECT_EQ(NiceOfThisThread(), before);
}

}  // namespace
}  // namespace quipu
#endif
