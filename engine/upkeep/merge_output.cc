#include "upkeep/merge_output.h"

#include <algorithm>

#include "base/canary.h"
#include "base/check.h"
#include "segment/identity_cursor.h"

namespace quipu {
namespace {}  // namespace

MergeOutput::MergeOutput(Store* store, const Plan& plan, const MergeProgress& progress,
                         RateLimiter* limiter, MergeReport* report)
    : store_(store),
      plan_(plan),
      progress_(progress),
      limiter_(limiter),
      report_(report),
      rows_max_(std::clamp<std::uint64_t>(store->options().merged_rows_max, 1, kSegmentRowsMax)),
      target_bytes_(static_cast<double>(store->options().segment_bytes_target)),
      bytes_left_(plan.bytes) {}

Status MergeOutput::BeginCustomer(std::uint64_t rows, double bytes) {
  if (current_ == &own_) {
    QUIPU_TRY(Flush());
    QUIPU_TRY(Close(&own_));
  }
  const bool is_own =
      bytes >= static_cast<double>(store_->options().own_file_bytes_min) || rows > rows_max_ / 2;
  if (is_own) {
    QUIPU_TRY(Flush());
    current_ = &own_;
  } else {
    current_ = &shared_;
    // A last file that would be small is joined to the one before.
    const std::uint64_t shared_rows = shared_.rows + pending_.size();
    const double shared_bytes = shared_.bytes + pending_bytes_;
    if (shared_rows + rows > rows_max_ ||
        (shared_bytes >= target_bytes_ && bytes_left_ >= target_bytes_ / 2)) {
      QUIPU_TRY(Flush());
      QUIPU_TRY(Close(&shared_));
    }
  }
  customer_bytes_left_ = bytes;
  bytes_left_ -= bytes;
  return {};
}

/// A block that pending rows are in. What its rows weigh decides how many are read at once from now on.
void MergeOutput::NoteBlock(const RowBatch& rows) {
  row_bytes_ =
      std::max(row_bytes_, static_cast<double>(rows.bytes()) / static_cast<double>(rows.size()));
  // At the worst moment: a block of each input, the block before it, a full row group gathered and the rows it was gathered from.
  const double room = static_cast<double>(plan_.budget) / row_bytes_ - 2.0 * kRowGroupRows;
  const double block = room / (2.0 * static_cast<double>(plan_.depth));
  block_rows_ = static_cast<std::uint32_t>(std::clamp<double>(block, kVectorRows, kRowGroupRows)) /
                kVectorRows * kVectorRows;
}

Status MergeOutput::Take(MergeInput* input, std::uint32_t rows) {
  if (IsCanary(Canary::kRowsDropped) && rows > 1) {
    NoteMoves(input, 1);
    moves_[input->segment().get()].new_rows[input->row()] = kRowDropped;
    input->Skip(1);
    --rows;
  }
  while (rows > 0) {
    MergeInput::Mark& mark = input->mark();
    if (mark.flush != flushes_ || mark.block != input->block().get()) {
      mark = {flushes_, static_cast<std::uint32_t>(blocks_.size()), input->block().get()};
      NoteBlock(*input->block());
      blocks_.push_back(input->block());
    }
    std::uint64_t room = kRowGroupRows - pending_.size();
    if (current_ == &own_) room = std::min(room, rows_max_ - own_.rows - pending_.size());
    const auto n = static_cast<std::uint32_t>(std::min<std::uint64_t>(rows, room));
    NoteMoves(input, n);
    for (std::uint32_t i = 0; i < n; ++i) pending_.push_back({mark.slot, input->at() + i});
    const double bytes = n * input->bytes_per_row();
    pending_bytes_ += bytes;
    customer_bytes_left_ -= bytes;
    input->Skip(n);
    rows -= n;
    if (n == room) QUIPU_TRY(Flush());
  }
  return {};
}

/// The next `rows` rows of the input will follow the pending ones.
void MergeOutput::NoteMoves(MergeInput* input, std::uint32_t rows) {
  Moves& moves = moves_[input->segment().get()];
  if (!moves.segment) {
    moves.segment = input->segment();
    moves.new_rows.resize(moves.segment->rows());
  }
  if (current_->number == 0) current_->number = ++files_;
  const auto first = static_cast<std::uint32_t>(current_->rows + pending_.size());
  for (std::uint32_t i = 0; i < rows; ++i) moves.new_rows[input->row() + i] = first + i;
  std::vector<Moves::Stretch>& stretches = moves.stretches;
  if (stretches.empty() || stretches.back().file != current_->number)
    stretches.push_back({input->row(), 0, current_->number});
  stretches.back().rows += rows;
}

Status MergeOutput::Begin(File* file) {
  SegmentSpec spec = plan_.spec;
  QUIPU_TRY_ASSIGN(spec.segment_id, store_->ReserveMergedId());
  QUIPU_TRY_ASSIGN(file->writer, store_->NewSegment(store_->segments_folder(), spec));
  file->writer->SetIdentities([this, number = file->number](IdentityIndexWriter* index) {
    return WriteIdentities(number, index);
  });
  return {};
}

/// Merges the indexes of all inputs, as far as their rows went into this file.
Status MergeOutput::WriteIdentities(std::uint64_t file, IdentityIndexWriter* index) const {
  std::vector<std::vector<std::uint32_t>> new_rows;  // from the first row in the file on
  std::vector<IdentityInput> inputs;
  for (const auto& [reader, moves] : moves_) {
    std::vector<std::uint32_t> kept;
    std::uint32_t first_row = 0;
    for (const Moves::Stretch& stretch : moves.stretches) {
      if (stretch.file != file) continue;
      if (kept.empty()) first_row = stretch.first_row;
      kept.resize(stretch.first_row - first_row, kRowDropped);  // what went elsewhere meanwhile
      const auto from = moves.new_rows.begin() + stretch.first_row;
      kept.insert(kept.end(), from, from + stretch.rows);
    }
    if (kept.empty()) continue;
    if (!moves.segment->has_ids())
      return Status::Unsupported(moves.segment->path() + ": has no ids any more; it is not merged");
    inputs.push_back({moves.segment, first_row, {}});
    new_rows.push_back(std::move(kept));
  }
  for (std::size_t i = 0; i < inputs.size(); ++i) inputs[i].new_rows = new_rows[i];
  return MergeIdentities(inputs, index);
}

Status MergeOutput::Flush() {
  if (pending_.empty()) return {};
  File* const file = current_;
  if (!file->writer) QUIPU_TRY(Begin(file));
  std::vector<const RowBatch*> batches;
  for (const auto& block : blocks_) batches.push_back(block.get());
  {
    const RowBatch rows = Gather(batches, pending_);
    in_hand_.Add(rows.bytes());
    const Status appended = file->writer->Append(rows);
    in_hand_.now -= rows.bytes();
    QUIPU_TRY(appended);
  }
  report_->bytes_in_hand_max = in_hand_.most;
  report_->rows += pending_.size();
  file->rows += pending_.size();
  file->bytes += pending_bytes_;
  pending_.clear();
  pending_bytes_ = 0;
  blocks_.clear();
  ++flushes_;
  const std::uint64_t written = file->writer->bytes();
  QUIPU_TRY(Pay(written - std::exchange(file->bytes_paid, written)));
  if (file != &own_) return {};
  const bool is_enough = file->bytes >= target_bytes_ && customer_bytes_left_ >= target_bytes_ / 2;
  return is_enough || file->rows == rows_max_ ? Close(file) : Status();
}

Status MergeOutput::Close(File* file) {
  if (!file->writer) return {};
  QUIPU_TRY_ASSIGN(SegmentMeta meta, file->writer->Finish());
  const std::uint64_t unpaid = meta.file_bytes - file->bytes_paid;
  finished_.push_back(std::move(meta));
  *file = {};
  return Pay(unpaid);
}

Status MergeOutput::Pay(std::uint64_t bytes) {
  return PayFor(*store_, limiter_, bytes, [this]() -> Status {
    if (!progress_ || progress_(report_->rows)) return {};
    return Status::Cancelled("the merge was stopped; nothing has changed");
  });
}

Status MergeOutput::Finish() {
  QUIPU_TRY(Flush());
  QUIPU_TRY(Close(&own_));
  return Close(&shared_);
}

}  // namespace quipu
