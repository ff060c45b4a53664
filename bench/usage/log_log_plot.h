// A line chart with two logarithmic axes, as SVG. Small on purpose: whole decades as ticks, a line a series, each labelled at its end.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace quipu::usage {

struct LogLogPlot {
  struct Series {
    std::string label;
    std::vector<std::pair<double, double>> points;  ///< x and y above 0, x ascending.
  };
  std::string title, subtitle, x_label, y_label;
  std::vector<Series> series;  ///< At least one, each with at least one point.
};

std::string SvgOf(const LogLogPlot& plot);

/// Where labels go that want to be at `wanted` (ascending): in the same order, at least `gap` apart, inside [low, high] if they fit at all,
/// and moved no further than that needs.
std::vector<double> SpreadLabels(std::vector<double> wanted, double gap, double low, double high);

/// 1000 -> "1,000", 0.01 -> "0.01", 1e7 -> "10 M".
std::string TickLabel(double value);

}  // namespace quipu::usage
