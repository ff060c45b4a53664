// Reading and parsing side by side: one thread cuts the file into blocks, several parse them, the caller takes the events in file order.
//
//     reader --blocks--> parser 1..n --parsed blocks, in order--> caller (who hands them to the store)
//
// The blocks go round in a ring of slots: free -> read -> parsed -> free. A stage that is faster than the next one finds no slot and
// waits, so memory is bounded by slots x block (8 MiB and a line each), and the time a stage waits says which one holds the others up.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "import/block.h"
#include "import/parse_block.h"

namespace quipu::import {

/// Seconds that the stages worked, over all their threads; the rest of the time they waited for one another.
struct StageTimes {
  double read_s = 0, parse_s = 0;
  StageTimes& operator+=(const StageTimes& more);
};

class ParallelParse {
 public:
  /// Starts the threads. `reader` and `rules` must outlive this object; each parsing thread works with a clone of `parser`.
  ParallelParse(BlockReader* reader, const ParseRules* rules, const RecordParser& parser,
                std::size_t parsers);
  ~ParallelParse();  ///< Stops and joins the threads; what was not taken is dropped.
  ParallelParse(const ParallelParse&) = delete;
  ParallelParse& operator=(const ParallelParse&) = delete;

  enum class Turn : std::uint8_t { kTaken, kNotYet, kEnd };
  /// The next block in file order; kNotYet after 100 ms without one.
  Turn Take(ParsedBlock* out);
  /// Asks the threads to stop; a reader that waits in its source is stopped by that source (FileInput::Open).
  void Stop();
  /// After the last block or Stop.
  StageTimes Join();

 private:
  enum class State : std::uint8_t { kFree, kRead, kParsed };
  struct Slot {
    State state = State::kFree;
    Block block;
    ParsedBlock parsed;
  };

  void Read();
  void Parse(std::unique_ptr<RecordParser> parser);
  [[nodiscard]] Slot& SlotOf(std::uint64_t block) { return slots_[block % slots_.size()]; }

  BlockReader* reader_;
  const ParseRules* rules_;

  std::mutex
      mutex_;  // guards everything below; a slot's contents belong to the stage that its state names
  std::condition_variable changed_;
  std::vector<Slot> slots_;
  std::uint64_t read_ = 0, next_to_parse_ = 0, taken_ = 0;  // in blocks
  bool reading_ended_ = false, stopped_ = false;
  StageTimes times_;
  std::vector<std::thread> threads_;
};

}  // namespace quipu::import
