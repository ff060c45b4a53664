// How far long work has come, on standard error: a bar that redraws itself on a terminal, a plain line every few seconds
// elsewhere (a log, a pipe).
//
//   access.log [=========>          ] 45 %  1234567 events  310000/s  12 s left
//   access.log: 45 %, 1234567 events, 310000/s, 12 s left
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

namespace quipu::progress {

struct State {
  std::string label;
  std::string unit = "rows";
  std::uint64_t done = 0;  ///< Of `total`: bytes or rows.
  std::optional<std::uint64_t> total;
  std::uint64_t items = 0;  ///< In `unit`.
  double seconds = 0;       ///< Since the start.
};

/// The bar, at most `width` columns wide.
std::string RenderBar(const State& state, std::size_t width);
/// The plain line.
std::string RenderLine(const State& state);

class Meter {
 public:
  using Clock = std::chrono::steady_clock;
  /// Shows progress on standard error; `terminal` chooses the manner.
  Meter(std::string unit, bool terminal);
  explicit Meter(std::string unit);  ///< Asks whether standard error is a terminal.
  ~Meter();
  Meter(const Meter&) = delete;
  Meter& operator=(const Meter&) = delete;

  void Start(std::string label, std::optional<std::uint64_t> total);
  void Update(std::uint64_t done, std::uint64_t items);
  void Update(std::uint64_t done, std::uint64_t total, std::uint64_t items);
  /// Prints a line above the bar.
  void Say(const std::string& line);
  /// Removes the bar.
  void Clear();

 private:
  State state_;
  bool terminal_;
  bool drawn_ = false;
  Clock::time_point start_, last_shown_;
};

}  // namespace quipu::progress
