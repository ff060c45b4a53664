// Aggregator: adds the selected rows of chunks to groups.
//
//   spans --windows--> pieces --+-- no dimension to group by --> a group a piece; a measure is summed a piece at a time, or, where a piece is
//                               |                                a whole vector, taken from the vector's header without decoding it
//                               +-- else --> a group a row: codes -> slot -> group, where a slot is a number below the product of the
//                                            dictionaries' sizes and a table of slots, one per window, customer and service, knows the group
//
// Where only rows are counted and one table serves all, the slots of all pieces are packed side by side and counted in one loop (PackSlots).
//
// The tables of slots stay good from vector to vector and, as row groups of equal strings share a dictionary, mostly for a whole segment.
// Where the product is too large for a table, each row's key is looked up in the hash table of groups.
#pragma once

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "query/chunk.h"
#include "query/groups.h"
#include "segment/row_spans.h"

namespace quipu {

class Aggregator {
 public:
  Aggregator(const BoundQuery& query, const Catalogue& catalogue, Groups* groups);
  /// Adds those of the selected rows (all within [from, to)) that pass the filters.
  Status Add(Chunk* chunk, Selection* selection);

 private:
  /// Rows [begin, end) of the chunk, or of the selection's list: of one customer, service and window.
  struct Piece {
    std::uint32_t begin = 0, end = 0;
    std::uint32_t window = 0;
    CustomerOrdinal customer = 0;
    ServiceOrdinal service = 0;
    std::uint32_t group = 0;  // if there is no dimension to group by
  };

  Status CutAtWindows(Chunk* chunk, const Selection& selection);
  void UseWindow(std::size_t w);

  // A group a piece.
  Status FindPieceGroups();
  Status AddPieces(std::size_t slot, Chunk* chunk, const Selection& selection);
  Status AddWholeVector(std::size_t slot, Chunk* chunk, bool* done);
  void AddPieceStats(const Piece& piece, std::size_t slot, const Chunk::MeasureColumn& column,
                     const Selection& selection);
  void AddPieceQuantiles(const Piece& piece, std::size_t slot, const Chunk::MeasureColumn& column,
                         const Selection& selection);
  Status AddPieceEnds(const Piece& piece, std::size_t slot, const Chunk::MeasureColumn& column,
                      Chunk* chunk, const Selection& selection);
  Status AddPieceDistinct(std::size_t slot, Chunk* chunk, const Selection& selection);

  // A group a row.
  Status FindRowGroups(Chunk* chunk, const Selection& selection);
  bool PrepareSlots();
  void MakeSlots(const Selection& selection);
  Status FindBySlots(const Selection& selection);
  Status CountBySlots(std::uint32_t chunk_rows);
  std::uint32_t PackSlots(std::uint32_t chunk_rows);
  Result<std::uint32_t> FindSlot(std::uint32_t slot);
  Status FindByKeys(const Selection& selection);
  std::size_t BlockOf(const Piece& piece);
  void FillKey(const Piece& piece);
  std::uint32_t DimensionPart(std::size_t field, std::uint32_t row);
  std::uint32_t PartOfCode(std::size_t field, std::uint32_t code);
  Status AddRows(std::size_t slot, Chunk* chunk, const Selection& selection);
  Status AddRowDistinct(std::size_t slot, Chunk* chunk, const Selection& selection);

  std::uint64_t HashOfValue(const Field& field, std::uint32_t value,
                            const Chunk::DimensionColumn* column);

  const BoundQuery* query_;
  const Catalogue* catalogue_;
  Groups* groups_;
  RowFilter filter_;
  bool by_dimension_ = false, wants_ends_ = false;
  bool has_one_table_ =
      false;                  // of slots: neither windows, customers nor services tell groups apart
  bool counts_only_ = false;  // ... and only their rows are counted
  std::vector<Piece> pieces_;
  std::uint32_t window_ = 0;                  // the last window ...
  TimeUs window_start_ = 0, window_end_ = 0;  // ... and its bounds; empty at first
  std::vector<std::int64_t> values_;          // gathered for a sketch

  // A group a row.
  std::vector<std::uint32_t> group_of_;                    // per selected row, and kLanes more
  std::vector<const Chunk::DimensionColumn*> dimensions_;  // per group-by field
  std::vector<DictionaryPtr> slot_dictionaries_;           // of the tables below
  std::vector<std::uint32_t> strides_;                     // per group-by field
  std::size_t slots_ = 0;                                  // 0: no tables
  std::vector<std::uint32_t> blocks_;  // tables of `slots_` entries: 1 + group, 0 = not known
  struct Prefix {                      // what pieces of one table have in common
    std::uint32_t window = 0;
    CustomerOrdinal customer = 0;
    ServiceOrdinal service = 0;
    friend bool operator==(const Prefix&, const Prefix&) = default;
  };
  struct PrefixHash {
    std::size_t operator()(const Prefix& p) const {
      const std::uint64_t h = (std::uint64_t{p.customer} << 32 | p.window) ^
                              (std::uint64_t{p.service} * 0xD6E8FEB86659FD93u);
      return static_cast<std::size_t>((h ^ (h >> 29)) * 0x9E3779B97F4A7C15u >> 16);
    }
  };
  std::unordered_map<Prefix, std::size_t, PrefixHash> block_of_;
  Prefix last_prefix_;
  std::size_t last_block_ = kNoBlock;
  std::vector<DictionaryMemo> group_memos_;  // per group-by field: interned strings
  std::vector<std::uint32_t> key_, last_key_;
  RowSpans by_group_;
  static constexpr std::size_t kNoBlock = ~std::size_t{0};
  static constexpr std::uint32_t kLanes = 16;
};

}  // namespace quipu
