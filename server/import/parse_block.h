// One block of lines to events: what a parsing thread does. It depends on the block alone, so blocks can be parsed in any order.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "import/block.h"
#include "import/record.h"
#include "quipu/event.h"

namespace quipu::import {

/// What is the same for every block of a file.
struct ParseRules {
  Constants constants;
  std::optional<TimeUs> latest;  ///< Later times are bad.
  bool keep_going = false;       ///< False: a block ends before its first bad record.
};

struct LineProblem {
  std::uint64_t line = 0;  ///< Where the record began.
  std::string message;
};

struct ParsedBlock {
  EventBatch batch;
  std::vector<std::uint64_t> event_lines;  ///< Of each event.
  std::vector<LineProblem> problems;       ///< In line order; at most one unless keep_going.
  std::uint64_t lines = 0;                 ///< Looked at.
  std::uint64_t running_ids = 0;           ///< Events identified by the file up to their line.
  std::uint64_t truncated_line = 0;        ///< First with a time of more than 6 decimals; 0 = none.
  std::uint64_t file_bytes = 0;
  bool last = false;
  Status status;  ///< Reading failed behind these events.
};

/// `parser` is at the start of a record and is again afterwards, unless the block is the last or ended early.
ParsedBlock ParseBlock(const Block& block, const ParseRules& rules, RecordParser* parser);

}  // namespace quipu::import
