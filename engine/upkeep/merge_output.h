// MergeOutput: the rows of a merge on their way into files: gathered into row groups, split into files by customer, paid for at the
// rate limit.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "store/store.h"
#include "upkeep/merge.h"
#include "upkeep/merge_input.h"

namespace quipu {

class MergeOutput {
 public:
  struct Plan {
    SegmentSpec spec;          ///< Of every file, but for the id.
    double bytes = 0;          ///< Of the inputs.
    std::size_t depth = 1;     ///< Inputs that are open at once.
    std::uint64_t budget = 0;  ///< Bytes of rows in hand.
  };
  MergeOutput(Store* store, const Plan& plan, const MergeProgress& progress, RateLimiter* limiter,
              MergeReport* report);

  /// The rows from here on are this customer's; about so much of it will come.
  Status BeginCustomer(std::uint64_t rows, double bytes);
  /// Takes the input's next `rows` rows, which are in its block, and moves it on.
  Status Take(MergeInput* input, std::uint32_t rows);
  Status Finish();
  /// The files that are complete; after a failure too.
  std::vector<SegmentMeta> TakeFinished() { return std::move(finished_); }

  /// How many rows an input should read at once.
  [[nodiscard]] std::uint32_t block_rows() const { return block_rows_; }
  [[nodiscard]] BytesInHand* in_hand() { return &in_hand_; }

 private:
  /// Where the rows of one input went: the keys of its index go there too.
  struct Moves {
    SegmentPtr segment;
    std::vector<std::uint32_t> new_rows;  // in their file
    struct Stretch {
      std::uint32_t first_row = 0, rows = 0;
      std::uint64_t file = 0;
    };
    std::vector<Stretch> stretches;  // ascending
  };
  /// A file being written.
  struct File {
    std::uint64_t number = 0;  // of this merge, from 1; 0 = not begun
    std::unique_ptr<SegmentWriter> writer;
    std::uint64_t rows = 0;
    double bytes = 0;  // as the inputs' sizes suggest
    std::uint64_t bytes_paid = 0;
  };
  void NoteMoves(MergeInput* input, std::uint32_t rows);
  Status WriteIdentities(std::uint64_t file, IdentityIndexWriter* index) const;
  Status Begin(File* file);
  Status Flush();
  Status Close(File* file);
  Status Pay(std::uint64_t bytes);
  void NoteBlock(const RowBatch& rows);

  Store* store_;
  const Plan plan_;
  const MergeProgress& progress_;
  RateLimiter* limiter_;
  MergeReport* report_;
  const std::uint64_t rows_max_;  // of a file
  const double target_bytes_;     // of a file
  std::uint32_t block_rows_ = kVectorRows;
  double row_bytes_ = 1;  // in memory, the largest mean of a block so far

  BytesInHand in_hand_;  // before what it counts
  File shared_, own_;
  File* current_ = &shared_;
  double customer_bytes_left_ = 0, bytes_left_ = 0;
  std::vector<std::shared_ptr<const RowBatch>> blocks_;  // that pending rows are in
  std::vector<RowRef> pending_;
  double pending_bytes_ = 0;
  std::uint64_t flushes_ = 0;
  std::map<const SegmentReader*, Moves> moves_;  // a map: its elements stay where they are
  std::uint64_t files_ = 0;
  std::vector<SegmentMeta> finished_;
};

}  // namespace quipu
