// A chunk: up to 1,024 neighbouring rows of a segment or of a hot batch (all of it, if one customer is asked about), whose columns are decoded when they are first asked for, and a
// selection: which of the rows matter.
//
// Rows of a segment are sorted by (customer, service, time), so what a question wants of a vector is a few *spans* of neighbouring rows
// of one customer and service, ascending in time. Most work is done a span at a time: a group is found once, a sum is one loop over an array.
// Only a filter on a dimension or measure makes single rows matter: then the selection lists them, and spans are ranges of that list.
//
//     rows          0 1 2 3 4 5 6 7 8 9            spans, not listed:    [0,3) customer 7   [5,8) customer 9
//     status=500      x x     x   x      (filter)  listed: rows 1 2 5 7  [0,2) customer 7   [2,4) customer 9
//
// Late materialisation: filters run in front, first on what the vector's header says (zone map: bounds of times, codes and values),
// then on dictionary codes through a table with one entry a string. A column that no surviving row needs is not decoded.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "query/bind.h"
#include "query/groups.h"
#include "segment/dimension_page.h"
#include "segment/measure_page.h"

namespace quipu {

class Chunk {
 public:
  struct MeasureColumn {
    bool exists = false;  ///< False: absent in all rows.
    int scale = 0;
    const std::uint8_t* present = nullptr;  ///< Null = everywhere.
    const std::int64_t* narrow = nullptr;   ///< One of narrow and wide, if it exists.
    const Int128* wide = nullptr;
    bool small = false;  ///< Narrow, and 1,024 of them add up within 64 bits.
    [[nodiscard]] bool IsPresent(std::size_t i) const {
      return exists && (present == nullptr || present[i] != 0);
    }
    [[nodiscard]] Int128 Mantissa(std::size_t i) const {
      return narrow != nullptr ? Int128{narrow[i]} : wide[i];
    }
  };
  struct DimensionColumn {
    const std::uint32_t* codes = nullptr;  ///< Null = absent everywhere.
    DictionaryPtr dictionary;
  };

  virtual ~Chunk() = default;
  [[nodiscard]] std::uint32_t rows() const { return rows_; }
  /// Of its rows; of those that are not selected they need not be.
  [[nodiscard]] const TimeBounds& bounds() const { return bounds_; }
  [[nodiscard]] const RowPlace& place() const { return place_; }  ///< Of the first row.

  // Columns, by their place in BoundQuery::measures and ::dimensions. Good until the next chunk.
  virtual Result<const TimeUs*> Times() = 0;
  virtual Result<const MeasureColumn*> Measure(std::size_t slot) = 0;
  virtual Result<const DimensionColumn*> Dimension(std::size_t slot) = 0;
  /// Of all its rows, without decoding them; null if unknown.
  virtual Result<const MeasureVectorStats*> Stats(std::size_t slot) = 0;
  /// The bounds of its codes and their dictionary, without decoding them; false if unknown.
  virtual Result<bool> ZoneOfCodes(std::size_t slot, CodeBounds* bounds,
                                   DictionaryPtr* dictionary) = 0;

 protected:
  std::uint32_t rows_ = 0;
  TimeBounds bounds_;
  RowPlace place_;
};

/// A column in memory from value `at` on.
Chunk::MeasureColumn ColumnFrom(const DecimalColumn& column, std::size_t at);
/// A column of a segment's vector, which must outlive it.
Chunk::MeasureColumn ColumnFrom(const MeasureVector& vector);

/// Adds the present values of rows [begin, end), or of those that `rows` has there if it is not null. `room` is for what must be gathered.
void AddToSketch(const Chunk::MeasureColumn& column, std::uint32_t begin, std::uint32_t end,
                 const std::uint32_t* rows, std::vector<std::int64_t>* room,
                 QuantileSketch* sketch);

/// Rows [begin, end) of the chunk, or of Selection::rows: of one customer and service, ascending in time.
struct RowSpan {
  std::uint32_t begin = 0, end = 0;
  CustomerOrdinal customer = 0;
  ServiceOrdinal service = 0;
};

/// How many of n ascending times are below t. No branch hangs on a time, since spans are short and their ends are anywhere.
std::uint32_t CountBefore(const TimeUs* times, std::uint32_t n, TimeUs t);

struct Selection {
  std::vector<RowSpan> spans;  ///< Ascending and apart; none is empty.
  bool listed = false;
  std::vector<std::uint32_t> rows;  ///< If `listed`: in each span ascending in time.
  [[nodiscard]] std::uint32_t RowAt(std::uint32_t k) const { return listed ? rows[k] : k; }
  void Clear() {
    spans.clear();
    rows.clear();
    listed = false;
  }
  /// Makes it a list; does nothing if it is one.
  void List();
};

/// A number for each entry of a dictionary: computed once per entry, at its first use, not once per row.
class DictionaryMemo {
 public:
  /// Starts over if the dictionary is another one than last time.
  void Use(const DictionaryPtr& dictionary) {
    if (dictionary == dictionary_) return;
    dictionary_ = dictionary;
    values_.assign(dictionary == nullptr ? 0 : dictionary->size(), kUnknown);
  }
  /// Code 0 (absent) is the caller's to handle.
  template <class Compute>
  std::uint32_t Of(std::uint32_t code, Compute&& compute) {
    std::uint32_t& v = values_[code - 1];
    if (v == kUnknown) v = compute((*dictionary_)[code - 1]);
    return v;
  }

 private:
  static constexpr std::uint32_t kUnknown = 0xFFFFFFFF;
  DictionaryPtr dictionary_;  // held, so that its address is not used again
  std::vector<std::uint32_t> values_;
};

/// Takes from a selection the rows that fail a filter. Shared by queries and raw event pages.
class RowFilter {
 public:
  RowFilter(const BoundQuery& query, const Catalogue& catalogue);
  Status Apply(Chunk* chunk, Selection* selection);

 private:
  /// What is known of one filter.
  struct State {
    DictionaryPtr dictionary;
    std::vector<std::uint8_t> passes;  // by code; of a customer or service: by ordinal
    bool all_known = false;
    // If so: the present codes that pass lie in [passing_first, passing_last).
    std::uint32_t passing_first = 0, passing_last = 0;
    [[nodiscard]] bool MayPass(const CodeBounds& bounds) const {
      if (bounds.some_absent && passes[0] != 0) return true;
      return bounds.max != 0 && bounds.min < passing_last && bounds.max >= passing_first;
    }
  };
  void FilterSpans(const BoundFilter& filter, State* state, Selection* selection) const;
  static Status FilterCodes(const BoundFilter& filter, State* state, Chunk* chunk,
                            Selection* selection);
  static void Learn(const BoundFilter& filter, const DictionaryPtr& dictionary, State* state);
  static Status FilterValues(const BoundFilter& filter, Chunk* chunk, Selection* selection);

  const BoundQuery* query_;
  const Catalogue* catalogue_;
  std::vector<State> states_;  // per filter
};

/// The mantissas at `scale` that pass a comparison (=, <, <=, >, >=) with a number: [low, high], empty if low > high.
struct MantissaRange {
  Int128 low = 0, high = 0;
};
MantissaRange RangeOf(FilterOp op, const Decimal& number, int scale);

}  // namespace quipu
