// A chunk: up to 1,024 rows as plain arrays, whichever tier they come from, and the one loop that filters, groups and adds them up.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "query/groups.h"

namespace quipu {

/// Views into somebody's columns; valid during one call of Aggregator::Add.
struct Chunk {
  struct MeasureColumn {
    bool exists = false;
    int scale = 0;
    const std::uint8_t* present = nullptr;  ///< Null = everywhere.
    const std::int64_t* narrow = nullptr;   ///< One of narrow and wide, if it exists.
    const Int128* wide = nullptr;
    [[nodiscard]] bool IsPresent(std::size_t i) const {
      return exists && (present == nullptr || present[i] != 0);
    }
    [[nodiscard]] Int128 Mantissa(std::size_t i) const {
      return narrow != nullptr ? Int128{narrow[i]} : wide[i];
    }
  };
  struct DimensionColumn {
    const std::uint32_t* codes = nullptr;  ///< Null = absent everywhere.
    const StringList* dictionary = nullptr;
  };
  const TimeUs* times = nullptr;
  const CustomerOrdinal* customers = nullptr;
  const ServiceOrdinal* services = nullptr;
  RowPlace place;                           ///< Of the first row; the others follow.
  std::vector<MeasureColumn> measures;      ///< As BoundQuery::measures.
  std::vector<DimensionColumn> dimensions;  ///< As BoundQuery::dimensions.
};

/// Does one dictionary entry pass / what is its interned id: answered once per entry, not once per row.
class DictionaryMemo {
 public:
  /// Starts over if the dictionary is another one than last time.
  void Use(const StringList* dictionary) {
    if (dictionary == dictionary_ &&
        values_.size() == (dictionary == nullptr ? 0 : dictionary->size()))
      return;
    dictionary_ = dictionary;
    values_.assign(dictionary == nullptr ? 0 : dictionary->size(), kUnknown);
  }
  template <class Compute>
  std::uint32_t Of(std::uint32_t index, Compute&& compute) {
    std::uint32_t& v = values_[index];
    if (v == kUnknown) v = compute((*dictionary_)[index]);
    return v;
  }

  /// Forget: a dictionary's address may be used again by another one.
  void Reset() {
    dictionary_ = nullptr;
    values_.clear();
  }

 private:
  static constexpr std::uint32_t kUnknown = 0xFFFFFFFF;
  const StringList* dictionary_ = nullptr;
  std::vector<std::uint32_t> values_;
};

/// Removes from `selected` the rows that fail a filter. Shared by queries and raw event pages.
class RowFilter {
 public:
  RowFilter(const BoundQuery& query, const Catalogue& catalogue);
  void Apply(const Chunk& chunk, std::vector<std::uint32_t>* selected);
  void ForgetDictionaries();

 private:
  bool PassesOrdinal(const BoundFilter& filter, std::map<std::uint32_t, bool>* memo,
                     std::uint32_t ordinal) const;
  const BoundQuery* query_;
  const Catalogue* catalogue_;
  std::vector<DictionaryMemo> memos_;                         // per filter
  std::vector<std::map<std::uint32_t, bool>> ordinal_memos_;  // per filter
};

/// Adds rows to groups.
class Aggregator {
 public:
  Aggregator(const BoundQuery& query, const Catalogue& catalogue, Groups* groups);
  /// Adds the rows of `chunk` that are in `selected` (all within [from, to)) and pass the filters.
  Status Add(const Chunk& chunk, std::vector<std::uint32_t>* selected);
  /// Call when dictionaries that were passed in may have died.
  void ForgetDictionaries();

 private:
  Status AssignGroups(const Chunk& chunk, const std::vector<std::uint32_t>& selected);
  std::uint32_t KeyPart(std::size_t field, const Chunk& chunk, std::size_t row);
  void AddMeasure(std::size_t slot, const Chunk& chunk, const std::vector<std::uint32_t>& selected);
  void AddNarrowStats(std::size_t slot, const Chunk::MeasureColumn& column,
                      const std::vector<std::uint32_t>& selected);
  void AddDistinct(std::size_t slot, const Chunk& chunk,
                   const std::vector<std::uint32_t>& selected);

  const BoundQuery* query_;
  const Catalogue* catalogue_;
  Groups* groups_;
  RowFilter filter_;
  std::vector<DictionaryMemo> group_memos_;  // per group-by field
  std::vector<std::uint32_t> group_of_;      // per selected row
  std::vector<std::uint32_t> key_, last_key_;
  std::size_t window_ = 0;                    // the last row's window ...
  TimeUs window_start_ = 0, window_end_ = 0;  // ... and its bounds; empty at first
};

}  // namespace quipu
