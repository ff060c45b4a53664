#include "import/block.h"

#include <utility>

namespace quipu::import {

void Block::Clear() {
  text.clear();
  lines.clear();
  first_line = 0;
  file_bytes = 0;
  last = false;
  status = {};
}

void Block::Append(const Line& line, const RunningId::Value& running) {
  if (lines.empty()) first_line = line.number;
  lines.push_back({text.size(), line.text.size(), line.length, running});
  text += line.text;
}

BlockReader::BlockReader(LineReader* lines, const FileInput* file,
                         std::unique_ptr<RecordParser> ends, std::size_t records_max,
                         const RunningId& running_id)
    : lines_(lines),
      file_(file),
      ends_(std::move(ends)),
      records_max_(records_max),
      running_id_(running_id) {}

void BlockReader::Next(Block* block) {
  block->Clear();
  std::size_t records = 0, bytes = 0;
  Line line;
  while (open_ || (records < records_max_ && bytes < kBlockBytes)) {
    const Result<bool> more = lines_->Next(&line);
    if (!more) block->status = more.error();
    block->last = more && !*more;
    if (!more || !*more) break;
    running_id_.Add(line.text, line.length);
    block->Append(line, running_id_.value());
    // A line that is too long is refused by itself and is part of no record.
    if (!line.too_long()) open_ = !ends_->EndsRecord(line.text);
    if (!open_) ++records;
    bytes += line.text.size();
  }
  block->file_bytes = file_->bytes_read();
}

}  // namespace quipu::import
