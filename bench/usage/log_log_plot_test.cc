#include "usage/log_log_plot.h"

#include <gtest/gtest.h>

namespace quipu::usage {
namespace {

TEST(LogLogPlot, ADecadeIsALength) {
  const LogLogPlot plot = {.title = "a < b & c",
                           .subtitle = "",
                           .x_label = "events",
                           .y_label = "ms",
                           .series = {{"line", {{1e6, 1}, {1e7, 10}, {1e8, 100}}}}};
  const std::string svg = SvgOf(plot);
  // From (100, 540) to (680, 70), the middle in the middle.
  EXPECT_NE(svg.find("points=\"100.0,540.0 390.0,305.0 680.0,70.0\""), std::string::npos) << svg;
  EXPECT_NE(svg.find("a &lt; b &amp; c"), std::string::npos);
  EXPECT_NE(svg.find(">100 M<"), std::string::npos);
}

TEST(LogLogPlot, OnePointHasADecadeOfItsOwn) {
  const std::string svg = SvgOf({"", "", "", "", {{"one", {{1000, 1000}}}}});
  EXPECT_NE(svg.find("points=\"100.0,540.0\""), std::string::npos) << svg;
}

TEST(SpreadLabels, ApartInOrderAndInside) {
  using Places = std::vector<double>;
  EXPECT_EQ(SpreadLabels({10, 50, 90}, 10, 0, 100), (Places{10, 50, 90}));
  EXPECT_EQ(SpreadLabels({50, 50, 51}, 10, 0, 100), (Places{50, 60, 70}));
  EXPECT_EQ(SpreadLabels({95, 99, 100}, 10, 0, 100), (Places{80, 90, 100}));
  EXPECT_EQ(SpreadLabels({-5, 3}, 10, 0, 100), (Places{0, 10}));
}

TEST(TickLabel, ReadsWell) {
  EXPECT_EQ(TickLabel(0.001), "0.001");
  EXPECT_EQ(TickLabel(10), "10");
  EXPECT_EQ(TickLabel(10'000), "10,000");
  EXPECT_EQ(TickLabel(1e8), "100 M");
}

}  // namespace
}  // namespace quipu::usage
