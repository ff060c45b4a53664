#include "import/parse_block.h"

#include <string_view>
#include <utility>

namespace quipu::import {
namespace {

class BlockParse {
 public:
  BlockParse(const Block& block, const ParseRules& rules, RecordParser* parser)
      : block_(block), rules_(rules), parser_(parser) {}

  ParsedBlock Run() {
    out_.file_bytes = block_.file_bytes;
    out_.last = block_.last;
    out_.status = block_.status;
    for (std::size_t i = 0; i < block_.lines.size(); ++i) {
      ++out_.lines;
      if (!TakeLine(block_.lines[i], block_.first_line + i)) return std::move(out_);
    }
    if (block_.last) {
      if (Status s = parser_->Finish(); !s.ok()) Problem(record_line_, s.message());
    }
    return std::move(out_);
  }

 private:
  /// False = stop here.
  bool TakeLine(const Block::Entry& line, std::uint64_t number) {
    if (record_line_ == 0) record_line_ = number;
    if (line.length != line.kept) {
      record_line_ = 0;
      return Problem(number, TooLong(line.length));
    }
    parsed_.Clear();
    const Result<Taken> taken = parser_->Take(block_.Text(line), &parsed_);
    if (taken && *taken == Taken::kMore) return true;
    const std::uint64_t first = std::exchange(record_line_, 0);
    if (!taken) return Problem(first, taken.error().message());
    return *taken == Taken::kNothing || TakeEvent(first, line.running);
  }

  bool TakeEvent(std::uint64_t number, const RunningId::Value& running) {
    rules_.constants.Apply(&parsed_);
    RunningId::Text hex;
    const bool anonymous = parsed_.event.id.empty();
    if (anonymous) {
      hex = RunningId::Hex(running);
      parsed_.event.id = {hex.data(), hex.size()};
    }
    if (Status s = CheckEvent(parsed_, rules_.latest); !s.ok()) return Problem(number, s.message());
    if (anonymous) ++out_.running_ids;
    if (parsed_.time_truncated && out_.truncated_line == 0) out_.truncated_line = number;
    out_.batch.Add(parsed_.event);
    out_.event_lines.push_back(number);
    return true;
  }

  bool Problem(std::uint64_t number, std::string_view message) {
    out_.problems.push_back({number, std::string(message)});
    return rules_.keep_going;
  }

  const Block& block_;
  const ParseRules& rules_;
  RecordParser* parser_;
  ParsedBlock out_;
  ParsedEvent parsed_;
  std::uint64_t record_line_ = 0;  // where the record being read began; 0 = between records
};

}  // namespace

ParsedBlock ParseBlock(const Block& block, const ParseRules& rules, RecordParser* parser) {
  return BlockParse(block, rules, parser).Run();
}

}  // namespace quipu::import
