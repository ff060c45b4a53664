#include "base/named_thread.h"

#include <gtest/gtest.h>

#include <algorithm>

#ifdef __linux__
#include <sys/resource.h>
#include <unistd.h>

namespace quipu {
namespace {

int NiceOfThisThread() { return getpriority(PRIO_PROCESS, static_cast<id_t>(gettid())); }

TEST(NamedThread, GivingWayConcernsTheThreadAlone) {
  const int before = NiceOfThisThread();
  int untouched = 0, within = 0, later = 0;
  StartThread("quipu-test", [&] {
    GiveWayInThisThread(0);
    untouched = NiceOfThisThread();
    GiveWayInThisThread(10);
    within = NiceOfThisThread();
    GiveWayInThisThread(5);
    later = NiceOfThisThread();
  }).join();
  EXPECT_EQ(untouched, before);
  EXPECT_EQ(within, std::max(before, 10));
  EXPECT_EQ(later, within) << "never back";
  EXPECT_EQ(NiceOfThisThread(), before);
}

}  // namespace
}  // namespace quipu
#endif
