#include "progress/progress.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <utility>

#include "output/plain_text.h"

namespace quipu::progress {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kRedraw{100};
constexpr milliseconds kLineEvery{5000};
constexpr std::size_t kBarMin = 10;
constexpr std::size_t kBarMax = 40;

std::string Duration(double seconds) {
  const auto s = static_cast<std::uint64_t>(std::clamp(seconds, 0.0, 1e9) + 0.5);
  if (s < 60) return fmt::format("{} s", s);
  if (s < 3600) return fmt::format("{}:{:02} min", s / 60, s % 60);
  return fmt::format("{}:{:02} h", s / 3600, s / 60 % 60);
}

double Fraction(const State& state) {
  if (!state.total || *state.total == 0) return 0;
  return std::min(1.0, static_cast<double>(state.done) / static_cast<double>(*state.total));
}

std::string Percent(const State& state) {
  return state.total ? fmt::format("{:.0f} %", Fraction(state) * 100) : std::string();
}

/// Events, rate and time left, with `between` in between.
std::string Facts(const State& state, std::string_view between) {
  std::string text = fmt::format("{} {}", state.items, state.unit);
  if (state.seconds > 0) {
    text += fmt::format("{}{:.0f}/s", between, static_cast<double>(state.items) / state.seconds);
  }
  const double fraction = Fraction(state);
  if (fraction > 0 && fraction < 1 && state.seconds > 0.5) {
    text += fmt::format("{}{} left", between, Duration(state.seconds * (1 - fraction) / fraction));
  }
  return text;
}

std::size_t TerminalWidth() {
  winsize size{};
  if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  return 80;
}

}  // namespace

std::string RenderBar(const State& state, std::size_t width) {
  const std::string facts = Facts(state, "  ");
  if (!state.total) return fmt::format("{}  {}", state.label, facts).substr(0, width);
  const std::string percent = fmt::format("{:>5}", Percent(state));
  const std::size_t fixed = output::Width(state.label) + percent.size() + facts.size() + 6;
  if (fixed + kBarMin > width) return fmt::format("{}  {}", percent, facts).substr(0, width);
  const std::size_t bar = std::min(kBarMax, width - fixed);
  const auto full = static_cast<std::size_t>(Fraction(state) * static_cast<double>(bar));
  std::string drawing(full, '=');
  if (full < bar) drawing += '>';
  drawing.resize(bar, ' ');
  return fmt::format("{} [{}] {}  {}", state.label, drawing, percent, facts);
}

std::string RenderLine(const State& state) {
  const std::string percent = state.total ? Percent(state) + ", " : std::string();
  return fmt::format("{}: {}{}", state.label, percent, Facts(state, ", "));
}

Meter::Meter(std::string unit, bool terminal) : terminal_(terminal) {
  state_.unit = std::move(unit);
  start_ = last_shown_ = Clock::now();
}

Meter::Meter(std::string unit) : Meter(std::move(unit), ::isatty(STDERR_FILENO) == 1) {}

Meter::~Meter() { Clear(); }

void Meter::Start(std::string label, std::optional<std::uint64_t> total) {
  state_.label = std::move(label);
  state_.total = total;
  state_.done = 0;
}

void Meter::Update(std::uint64_t done, std::uint64_t items) {
  state_.done = done;
  state_.items = items;
  const auto now = Clock::now();
  if (now - last_shown_ < (terminal_ ? kRedraw : kLineEvery)) return;
  last_shown_ = now;
  state_.seconds = std::chrono::duration<double>(now - start_).count();
  if (terminal_) {
    std::fputs(("\r\x1b[K" + RenderBar(state_, TerminalWidth() - 1)).c_str(), stderr);
    drawn_ = true;
  } else {
    std::fputs((RenderLine(state_) + "\n").c_str(), stderr);
  }
  std::fflush(stderr);
}

void Meter::Update(std::uint64_t done, std::uint64_t total, std::uint64_t items) {
  state_.total = total;
  Update(done, items);
}

void Meter::Say(const std::string& line) {
  Clear();
  std::fputs((line + "\n").c_str(), stderr);
}

void Meter::Clear() {
  if (std::exchange(drawn_, false)) std::fputs("\r\x1b[K", stderr);
}

}  // namespace quipu::progress
