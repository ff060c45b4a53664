#include "usage/log_log_plot.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <numeric>

namespace quipu::usage {
namespace {

constexpr double kWidth = 960, kHeight = 600;
constexpr double kLeft = 80, kRight = 700, kTop = 70, kBottom = 540;  // the frame of the lines
constexpr double kLabelGap = 17, kLabelX = 725;
constexpr const char* kColours[] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7",
                                    "#56b4e9", "#e69f00", "#666666", "#8c564b"};

std::string Escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '&') {
      out += "&amp;";
    } else if (c == '<') {
      out += "&lt;";
    } else {
      out += c;
    }
  }
  return out;
}

std::string Text(double x, double y, const std::string& anchor, const std::string& text,
                 const std::string& more = "") {
  return fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\"{}>{}</text>\n", x, y,
                     anchor, more, Escaped(text));
}

std::string Line(double x1, double y1, double x2, double y2, const char* colour) {
  return fmt::format(
      "<line x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\" stroke=\"{}\"/>\n", x1, y1, x2,
      y2, colour);
}

/// Whole decades around all values, and where a value lies on the paper.
struct Axis {
  int low = 0, high = 1;
  double start = 0, end = 0;
  [[nodiscard]] double At(double value) const {
    return start + (std::log10(value) - low) / (high - low) * (end - start);
  }
};

Axis AxisOver(const LogLogPlot& plot, bool x, double start, double end) {
  double min = INFINITY, max = 0;
  for (const auto& series : plot.series) {
    for (const auto& point : series.points) {
      min = std::min(min, x ? point.first : point.second);
      max = std::max(max, x ? point.first : point.second);
    }
  }
  const int low = static_cast<int>(std::floor(std::log10(min)));
  return {low, std::max(low + 1, static_cast<int>(std::ceil(std::log10(max)))), start, end};
}

std::string Frame(const LogLogPlot& plot, const Axis& x, const Axis& y) {
  std::string svg = Text(kLeft, 30, "start", plot.title, " font-size=\"17\" font-weight=\"bold\"") +
                    Text(kLeft, 50, "start", plot.subtitle, " fill=\"#555\"");
  for (int decade = y.low; decade <= y.high; ++decade) {
    const double at = y.At(std::pow(10, decade));
    svg += Line(kLeft, at, kRight, at, "#ddd");
    svg += Text(kLeft - 8, at + 4, "end", TickLabel(std::pow(10, decade)));
  }
  for (int decade = x.low; decade <= x.high; ++decade) {
    const double at = x.At(std::pow(10, decade));
    svg += Line(at, kTop, at, kBottom, "#ddd");
    svg += Text(at, kBottom + 20, "middle", TickLabel(std::pow(10, decade)));
  }
  svg += Text((kLeft + kRight) / 2, kBottom + 42, "middle", plot.x_label);
  svg += Text(22, (kTop + kBottom) / 2, "middle", plot.y_label,
              fmt::format(" transform=\"rotate(-90 22 {:.1f})\"", (kTop + kBottom) / 2));
  return svg;
}

std::string Curve(const LogLogPlot::Series& series, const Axis& x, const Axis& y,
                  const char* colour, double label_y) {
  std::string points, dots;
  for (const auto& [px, py] : series.points) {
    points += fmt::format("{:.1f},{:.1f} ", x.At(px), y.At(py));
    dots += fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"3.5\" fill=\"{}\"/>\n", x.At(px),
                        y.At(py), colour);
  }
  points.pop_back();
  const auto& [last_x, last_y] = series.points.back();
  return fmt::format("<polyline points=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"2\"/>\n{}",
                     points, colour, dots) +
         Line(x.At(last_x) + 5, y.At(last_y), kLabelX - 4, label_y, "#bbb") +
         Text(kLabelX, label_y + 4, "start", series.label, fmt::format(" fill=\"{}\"", colour));
}

}  // namespace

std::string TickLabel(double value) {
  if (value >= 1e6) return fmt::format("{:g} M", value / 1e6);
  if (value >= 1e3) return fmt::format("{:g},000", value / 1e3);
  return fmt::format("{:g}", value);
}

std::vector<double> SpreadLabels(std::vector<double> wanted, double gap, double low, double high) {
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    wanted[i] = std::max(wanted[i], i == 0 ? low : wanted[i - 1] + gap);
  }
  double below = high;
  for (std::size_t i = wanted.size(); i-- > 0; below = wanted[i] - gap) {
    wanted[i] = std::min(wanted[i], below);
  }
  return wanted;
}

std::string SvgOf(const LogLogPlot& plot) {
  const Axis x = AxisOver(plot, true, kLeft + 20, kRight - 20);
  const Axis y = AxisOver(plot, false, kBottom, kTop);
  std::string svg = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {1}\" width=\"{0}\" "
      "height=\"{1}\" font-family=\"sans-serif\" font-size=\"13\">\n"
      "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n",
      kWidth, kHeight);
  svg += Frame(plot, x, y);
  std::vector<std::size_t> from_top(plot.series.size());
  std::iota(from_top.begin(), from_top.end(), 0);
  const auto end_of = [&](std::size_t s) { return y.At(plot.series[s].points.back().second); };
  std::stable_sort(from_top.begin(), from_top.end(),
                   [&](std::size_t a, std::size_t b) { return end_of(a) < end_of(b); });
  std::vector<double> wanted;
  for (const std::size_t s : from_top) wanted.push_back(end_of(s));
  const std::vector<double> labels = SpreadLabels(wanted, kLabelGap, kTop, kBottom);
  for (std::size_t i = 0; i < from_top.size(); ++i) {
    const std::size_t s = from_top[i];
    svg += Curve(plot.series[s], x, y, kColours[s % std::size(kColours)], labels[i]);
  }
  return svg + "</svg>\n";
}

}  // namespace quipu::usage
