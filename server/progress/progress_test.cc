#include "progress/progress.h"

#include <gtest/gtest.h>

namespace quipu::progress {
namespace {

TEST(Progress, BarShowsRateAndTimeLeft) {
  State state{
      .label = "import", .unit = "events", .done = 25, .total = 100, .items = 5000, .seconds = 10};
  EXPECT_EQ(RenderBar(state, 70),
            "import [======>                 ]  25 %  5000 events  500/s  30 s left");
  EXPECT_EQ(RenderLine(state), "import: 25 %, 5000 events, 500/s, 30 s left");
  EXPECT_LE(RenderBar(state, 20).size(), 20u);
  state.seconds = 1000;
  EXPECT_NE(RenderLine(state).find("50:00 min left"), std::string::npos);
}

TEST(Progress, UnknownTotalAndTheEnds) {
  State state{
      .label = "import", .unit = "events", .done = 25, .total = {}, .items = 5000, .seconds = 10};
  EXPECT_EQ(RenderLine(state), "import: 5000 events, 500/s");
  state.total = 25;
  EXPECT_EQ(RenderLine(state), "import: 100 %, 5000 events, 500/s");
  state.total = 0;
  EXPECT_EQ(RenderLine(state), "import: 0 %, 5000 events, 500/s");
}

}  // namespace
}  // namespace quipu::progress
