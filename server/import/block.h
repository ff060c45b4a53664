// A file in blocks: the lines that become one batch, cut out by one thread so that several can parse.
//
// A block ends after a given number of records or of bytes, and always at the end of a record. Where it is cut depends on the lines
// alone, never on how the bytes arrive: the batches of a producer are the same each time the file is imported.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "import/line_reader.h"
#include "import/record.h"
#include "import/running_id.h"

namespace quipu::import {

/// Bytes after which a block is closed at the next end of a record.
inline constexpr std::size_t kBlockBytes = std::size_t{8} << 20;

struct Block {
  struct Entry {
    std::size_t offset = 0, kept = 0;  ///< Where it stands in `text`.
    std::uint64_t length = 0;          ///< Of the whole line; more than `kept` if it was cut.
    RunningId::Value running{};        ///< Identity of the line, should it bring none.
  };
  std::uint64_t first_line = 0;  ///< Number of the first line, from 1.
  std::vector<Entry> lines;
  std::uint64_t file_bytes = 0;  ///< Of the (compressed) file, read so far.
  bool last = false;             ///< The file ends here; may have no lines.
  Status status;                 ///< Reading failed after these lines.

  [[nodiscard]] std::string_view Text(const Entry& line) const {
    return {text.data() + line.offset, line.kept};
  }
  void Clear();
  void Append(const Line& line, const RunningId::Value& running);

  std::string text;  ///< Of all lines, one after another.
};

class BlockReader {
 public:
  /// `ends` is asked where records end and for nothing else (RecordParser::EndsRecord). `running_id` has taken the lines before.
  BlockReader(LineReader* lines, const FileInput* file, std::unique_ptr<RecordParser> ends,
              std::size_t records_max, const RunningId& running_id = {});
  /// The next block, up to `records_max` records. After one that is `last` or has an error there is none.
  void Next(Block* block);

 private:
  LineReader* lines_;
  const FileInput* file_;
  std::unique_ptr<RecordParser> ends_;
  std::size_t records_max_;
  RunningId running_id_;
  bool open_ = false;  // the record goes on in the next line
};

}  // namespace quipu::import
