// How an answer came about, as lines for people and as JSON.
#include <fmt/format.h>

#include "output/plain_text.h"
#include "output/printer.h"

namespace quipu::output {
namespace {

std::string CellsText(const ExplainedSource& s) {
  std::string text;
  const auto add = [&text](std::uint64_t n, const char* unit) {
    if (n > 0) text += fmt::format("{}{} {}", text.empty() ? "" : ", ", n, unit);
  };
  add(s.month_cells, "month");
  add(s.day_cells, "day");
  add(s.hour_cells, "hour");
  if (s.run_sums > 0)
    return fmt::format("{} sums by customer or by customer and service", s.run_sums);
  if (text.empty()) return "no cells";
  return s.cells_by.empty() ? "cells: " + text
                            : fmt::format("cells by {}: {}", Visible(s.cells_by), text);
}

}  // namespace

std::string ToText(const Explanation& e) {
  std::string out = "Explanation\n";
  if (!e.left_out.empty()) out += fmt::format("  {}\n", e.left_out);
  out += e.why_no_cells.empty() ? "  summaries may serve\n"
                                : fmt::format("  summaries cannot serve: {}\n", e.why_no_cells);
  std::int64_t all_us = 0;
  out += "  time:";
  for (const ExplainedStep& step : e.steps) {
    out += fmt::format(" {} {} us,", step.name, step.us);
    all_us += step.us;
  }
  out += fmt::format(" together {} us; {} thread{}, {} group{}, {} bytes of working memory\n",
                     all_us, e.threads, e.threads == 1 ? "" : "s", e.groups,
                     e.groups == 1 ? "" : "s", e.memory_bytes);
  for (const ExplainedSource& s : e.sources) {
    out += fmt::format("  {}: {}", s.file, CellsText(s));
    if (s.run_sketches > 0) out += fmt::format("; percentiles of {} runs", s.run_sketches);
    if (s.rows > 0 || s.vectors > 0) {
      out += fmt::format("; {} rows", s.rows);
      if (s.vectors > 0) {
        out += fmt::format(
            " of {} runs in {} vectors, {} columns of vectors decoded, {} bytes of pages", s.runs,
            s.vectors, s.vectors_decoded, s.bytes);
      }
    }
    out += s.why_rows.empty() ? "\n" : fmt::format(" ({})\n", s.why_rows);
  }
  if (e.segments_skipped > 0)
    out += fmt::format("  {} segments without such events\n", e.segments_skipped);
  return out;
}

std::string ToJson(const Explanation& e) {
  std::string out = fmt::format("{{\"left_out\":{},\"why_no_cells\":{},\"steps\":[",
                                JsonString(e.left_out), JsonString(e.why_no_cells));
  for (std::size_t i = 0; i < e.steps.size(); ++i) {
    out += fmt::format("{}{{\"name\":{},\"us\":{}}}", i > 0 ? "," : "", JsonString(e.steps[i].name),
                       e.steps[i].us);
  }
  out += "],\"sources\":[";
  for (std::size_t i = 0; i < e.sources.size(); ++i) {
    const ExplainedSource& s = e.sources[i];
    out += fmt::format(
        "{}{{\"file\":{},\"month\":{},\"cells_by\":{},\"month_cells\":{},\"day_cells\":{},"
        "\"hour_cells\":{},"
        "\"run_sums\":{},\"run_sketches\":{},\"runs\":{},\"vectors\":{},\"vectors_decoded\":{},"
        "\"rows\":{},\"bytes\":{}"
        ","
        "\"why_rows\":{}}}",
        i > 0 ? "," : "", JsonString(s.file), JsonString(s.month), JsonString(s.cells_by),
        s.month_cells, s.day_cells, s.hour_cells, s.run_sums, s.run_sketches, s.runs, s.vectors,
        s.vectors_decoded, s.rows, s.bytes, JsonString(s.why_rows));
  }
  out += fmt::format("],\"segments_skipped\":{},\"threads\":{},\"groups\":{},\"memory_bytes\":{}}}",
                     e.segments_skipped, e.threads, e.groups, e.memory_bytes);
  return out;
}

}  // namespace quipu::output
