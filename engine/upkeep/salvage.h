// Salvage: the rows of one segment that is damaged, or that may be taken in part only, on their way into new segments.
//
//     row group, every page sound    -> its rows, whole
//     ids page or index page damaged -> those rows in a segment of their own, without ids (their month and service is "forgotten" then)
//     any other page damaged         -> the row group is lost: a row in parts would be a wrong row
//     directory damaged              -> nobody knows whose the rows are: all lost
//     summaries, names damaged       -> nothing is lost: summaries are made anew, names are in the catalogue
//
// A key that is damaged is made anew where the id is a text, which stands beside the row.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "upkeep/loss_list.h"
#include "upkeep/survey.h"

namespace quipu {

/// The segments of the new store.
class RepairedSegments {
 public:
  /// All of it must outlive this. New ids start at `next_id`.
  RepairedSegments(Vfs* vfs, std::string folder, const Hash128& store_id, const FoundNames* names,
                   std::uint64_t next_id);
  /// The file as it is.
  Status Copy(const FoundSegment& segment);
  /// A writer with the next id, for rows of the month and commits of `like`.
  Result<std::unique_ptr<SegmentWriter>> Start(const SegmentMeta& like);
  /// What the writer's Finish gave: the segment is one by itself, to be merged again.
  void Take(SegmentMeta meta, const SegmentMeta& like);

  [[nodiscard]] const std::vector<SegmentMeta>& metas() const { return metas_; }
  [[nodiscard]] const FoundNames& names() const { return *names_; }
  [[nodiscard]] const std::string& folder() const { return folder_; }
  [[nodiscard]] std::uint64_t next_id() const { return next_id_; }
  [[nodiscard]] Vfs* vfs() const { return vfs_; }

 private:
  Vfs* vfs_;
  std::string folder_;
  Hash128 store_id_;
  const FoundNames* names_;
  std::uint64_t next_id_;
  std::vector<SegmentMeta> metas_;
};

/// Takes rows out of a batch (with keys, or without any id) that are not to be saved. An error ends the repair.
using DropRows = std::function<Status(RowBatch*)>;

struct Salvaged {
  std::uint64_t rows = 0;              ///< Saved.
  std::uint64_t rows_without_ids = 0;  ///< Of them, those that had ids before.
};

/// `segment` has a reader. Losses go into `losses`; an error is one of writing (or of `drop`, which may be null).
Result<Salvaged> SalvageSegment(const FoundSegment& segment, const DropRows& drop,
                                RepairedSegments* out, LossList* losses);

}  // namespace quipu
