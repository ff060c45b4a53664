// A segment again with other cells by dimension. Its pages go over as they are, at the same offsets, with checksums of their new place; what is new
// stands behind them, so rows are decoded once (for the cells) and encoded never.
//
//     old   header | pages .................................. | cells by dimension | footer | trailer
//     new   header | the same pages, sealed for the new place | other cells        | footer | trailer
#include <algorithm>

#include "base/check.h"
#include "segment/dimension_cell_builder.h"
#include "segment/segment_frame.h"
#include "segment/segment_reader_state.h"

namespace quipu {
namespace {

class Copy {
 public:
  Copy(Vfs* vfs, const std::string& folder, const SegmentReader& reader,
       const SegmentReader::State& state, std::uint64_t segment_id, int wrap_level,
       const std::function<Status(std::uint64_t)>& go_on)
      : vfs_(vfs),
        folder_(folder),
        reader_(reader),
        from_(state),
        wrap_level_(wrap_level),
        go_on_(go_on),
        footer_(state.footer) {
    footer_.spec.segment_id = segment_id;
    footer_.dimension_sets.clear();
    meta_ = state.meta;
    meta_.spec = footer_.spec;
    meta_.file_name = SegmentFileName(segment_id, footer_.spec.month);
    meta_.run = 0;  // the store knows
    path_ = JoinPath(folder, meta_.file_name);
    tmp_path_ = path_ + ".tmp";
  }
  ~Copy() {
    if (is_finished_) return;
    file_.reset();
    (void)vfs_->Unlink(is_renamed_ ? path_ : tmp_path_);
  }
  Copy(const Copy&) = delete;
  Copy& operator=(const Copy&) = delete;

  Result<SegmentMeta> Run(const std::vector<DimensionSet>& sets) {
    QUIPU_TRY(MakeCells(sets));
    QUIPU_TRY_ASSIGN(file_, vfs_->Create(tmp_path_));
    QUIPU_TRY(Write(
        EncodeSegmentHeader({footer_.spec.store_id, footer_.spec.segment_id, footer_.spec.month})));
    for (const PlacedPage& page : PagesOf(from_.footer)) {
      if (page.place.kind != PageKind::kDimensionCells) QUIPU_TRY(CopyPage(page));
    }
    for (FinishedDimensionCells& cells : cells_) QUIPU_TRY(WriteCells(std::move(cells)));
    QUIPU_TRY(WriteEnd());
    QUIPU_TRY(file_->Sync());
    QUIPU_TRY(file_->Close());
    QUIPU_TRY(vfs_->Rename(tmp_path_, path_));
    is_renamed_ = true;
    QUIPU_TRY(vfs_->SyncFolder(folder_));
    QUIPU_TRY(ReadBack());
    is_finished_ = true;
    return meta_;
  }

 private:
  static constexpr std::uint32_t kBlockRows = 16'384;

  Status MakeCells(const std::vector<DimensionSet>& sets) {
    std::vector<ServiceOrdinal> services;
    for (const auto& [id, name] : from_.services) services.push_back(id);
    std::vector<DimensionCellBuilder> builders;
    for (const DimensionSet& set :
         SetsThatConcern(sets, services, from_.dimensions, from_.measures))
      builders.emplace_back(footer_.spec.month, set);
    for (std::uint32_t row = 0; !builders.empty() && row < reader_.rows();) {
      const std::uint32_t count = std::min(reader_.rows() - row, kBlockRows);
      QUIPU_TRY_ASSIGN(const RowBatch rows, reader_.ReadRows(row, count, RowParts::kWithoutIds));
      for (DimensionCellBuilder& builder : builders) builder.Add(rows);
      row += count;
      QUIPU_TRY(GoOn(0));
    }
    for (DimensionCellBuilder& builder : builders) {
      QUIPU_TRY_ASSIGN(FinishedDimensionCells cells,
                       builder.Finish(services, from_.dimensions, from_.measures));
      cells_.push_back(std::move(cells));
    }
    return {};
  }

  Status CopyPage(const PlacedPage& page) {
    QUIPU_CHECK(page.ref.offset == written_);
    std::string bytes(page.ref.bytes, '\0');
    QUIPU_TRY(from_.file->ReadAt(page.ref.offset,
                                 {reinterpret_cast<std::uint8_t*>(bytes.data()), bytes.size()}));
    PagePlace place = page.place;
    place.segment_id = footer_.spec.segment_id;
    QUIPU_TRY(MovePage(page.place, place, from_.path, &bytes));
    return Write(bytes);
  }

  Status WriteCells(FinishedDimensionCells cells) {
    const auto ordinal = static_cast<std::uint32_t>(footer_.dimension_sets.size());
    DimensionSetFooter& entry = footer_.dimension_sets.emplace_back();
    entry.set = std::move(cells.set);
    if (cells.covered.empty()) return {};
    entry.covered = std::move(cells.covered);
    QUIPU_TRY_ASSIGN(entry.cells, WritePage(PageKind::kDimensionCells, ordinal, cells.payload));
    return {};
  }

  Result<PageRef> WritePage(PageKind kind, std::uint32_t ordinal, const std::string& payload) {
    if (payload.size() > kPagePayloadBytesMax)
      return Status::Exhausted(path_ + ": " + std::string(PageKindName(kind)) + " of " +
                               std::to_string(payload.size()) + " bytes are too large");
    PageRef ref{written_, 0};
    std::string page;
    const PagePlace place{
        footer_.spec.store_id, footer_.spec.segment_id, kind, 0, ordinal, written_};
    ref.bytes =
        AppendPage(place, AsBytes(payload), kind == PageKind::kFooter ? 0 : wrap_level_, &page);
    if (kind == PageKind::kFooter) meta_.footer_checksum = LoadLe<std::uint64_t>(page.data());
    QUIPU_TRY(Write(page));
    return ref;
  }

  Status WriteEnd() {
    QUIPU_TRY_ASSIGN(const std::string payload, EncodeFooter(footer_));
    QUIPU_TRY_ASSIGN(const PageRef ref, WritePage(PageKind::kFooter, 0, payload));
    meta_.file_bytes = ref.offset + ref.bytes + kSegmentTrailerBytes;
    return Write(EncodeSegmentTrailer({ref, meta_.file_bytes}));
  }

  Status Write(const std::string& bytes) {
    QUIPU_TRY(file_->Append(AsBytes(bytes)));
    written_ += bytes.size();
    return GoOn(bytes.size());
  }
  Status GoOn(std::uint64_t bytes) { return go_on_ ? go_on_(bytes) : Status(); }

  /// What was written is there, and every page says so of itself.
  Status ReadBack() const {
    QUIPU_TRY_ASSIGN(const auto file, vfs_->OpenForRead(path_));
    for (PlacedPage page : PagesOf(footer_)) {
      std::string bytes(page.ref.bytes, '\0');
      QUIPU_TRY(file->ReadAt(page.ref.offset,
                             {reinterpret_cast<std::uint8_t*>(bytes.data()), bytes.size()}));
      std::string unwrapped;
      QUIPU_TRY(OpenPage(page.place, AsBytes(bytes), path_, &unwrapped).error());
    }
    return SegmentReader::Open(vfs_, path_, &meta_, nullptr).error();
  }

  Vfs* vfs_;
  const std::string folder_;
  const SegmentReader& reader_;
  const SegmentReader::State& from_;
  const int wrap_level_;
  const std::function<Status(std::uint64_t)>& go_on_;
  SegmentFooter footer_;
  SegmentMeta meta_;
  std::string path_, tmp_path_;
  std::unique_ptr<WritableFile> file_;
  std::vector<FinishedDimensionCells> cells_;
  std::uint64_t written_ = 0;
  bool is_renamed_ = false, is_finished_ = false;
};

}  // namespace

Result<SegmentMeta> SegmentReader::CopyWithDimensionCells(
    Vfs* vfs, const std::string& folder, std::uint64_t segment_id,
    const std::vector<DimensionSet>& sets, int wrap_level,
    const std::function<Status(std::uint64_t bytes)>& go_on) const {
  QUIPU_CHECK(!state_->footer.spec.summaries_only);
  return Copy(vfs, folder, *this, *state_, segment_id, wrap_level, go_on).Run(sets);
}

}  // namespace quipu
