#include "segment/measure_page.h"

#include <algorithm>
#include <array>
#include <limits>

#include "base/check.h"
#include "batch/decimal_align.h"
#include "codec/derived.h"
#include "codec/int_codec.h"
#include "segment/vector_table.h"

namespace quipu {
namespace {

enum class Presence : std::uint8_t { kAll = 0, kNone = 1, kSome = 2 };
constexpr std::uint8_t kPresenceMask = 3;
constexpr std::uint8_t kWideFlag = 4;
constexpr std::uint8_t kDerivedFlag = 8;

constexpr Uint128 ZigZag128(Int128 v) {
  return (static_cast<Uint128>(v) << 1) ^ static_cast<Uint128>(v >> 127);
}
constexpr Int128 UnZigZag128(Uint128 v) {
  return static_cast<Int128>(v >> 1) ^ -static_cast<Int128>(v & 1);
}

// The values of the rows of one vector where the measure is present.
template <class T>
struct PresentValues {
  std::array<T, kVectorRows> values;
  std::size_t count = 0;
};

template <class T>
void Collect(const DecimalColumn& column, const std::vector<T>& mantissas, std::size_t first,
             std::size_t n, PresentValues<T>* out) {
  out->count = 0;
  for (std::size_t i = first; i < first + n; ++i) {
    out->values[out->count] = mantissas[i];
    out->count += column.IsPresent(i) ? 1u : 0u;
  }
}

// How many factors of ten all values share, at most `scale`. No more than they share factors of two,
// which shows without dividing; the rest is found from the first value that does not divide.
template <class T>
int RemovableDigits(std::span<const T> values, int scale) {
  std::uint64_t low_bits = 0;
  for (const T value : values) low_bits |= static_cast<std::uint64_t>(value);
  int digits = low_bits == 0 ? scale : std::min(scale, __builtin_ctzll(low_bits));
  T power = digits > 0 ? static_cast<T>(ScaleFactor(digits)) : T{1};
  for (const T value : values) {
    while (digits > 0 && value % power != 0) {
      --digits;
      power /= 10;
    }
    if (digits == 0) break;
  }
  return digits;
}

template <class T>
int ReduceScale(PresentValues<T>* present, int scale) {
  const std::span<T> values = std::span(present->values).first(present->count);
  const int digits = RemovableDigits<T>(values, scale);
  if (digits == 0) return scale;
  const T power = static_cast<T>(ScaleFactor(digits));
  for (T& value : values) value /= power;
  return scale - digits;
}

// Blocks of up to this size are taken unseen: what a plain one of values that differ could save is
// not worth encoding it to see.
constexpr std::size_t kDerivedBytesSmall = 12;

struct BlockHead {
  Presence presence = Presence::kNone;
  bool derived = false;
  MeasureVectorStats stats;
};

void WriteHead(const BlockHead& head, ByteWriter* writer) {
  const MeasureVectorStats& stats = head.stats;
  const auto presence = static_cast<std::uint8_t>(head.presence);
  writer->U8(static_cast<std::uint8_t>(presence | (stats.is_wide ? kWideFlag : 0) |
                                       (head.derived ? kDerivedFlag : 0)));
  if (head.presence == Presence::kNone) return;
  writer->U8(static_cast<std::uint8_t>(stats.scale));
  if (head.presence == Presence::kSome) writer->Varint(stats.present_count);
  writer->Varint128(ZigZag128(stats.min));
  writer->Varint128(ZigZag128(stats.max));
}

void WritePresence(const DecimalColumn& column, std::size_t first, std::size_t n,
                   std::string* out) {
  std::array<std::int64_t, kVectorRows> flags;
  for (std::size_t i = 0; i < n; ++i) flags[i] = column.IsPresent(first + i) ? 1 : 0;
  EncodeInts(std::span(flags).first(n), out);
}

template <class T>
BlockHead HeadOf(std::span<const T> values, std::size_t rows, int scale, bool is_wide) {
  BlockHead head;
  head.presence = values.size() == rows ? Presence::kAll : Presence::kSome;
  head.stats.is_wide = is_wide;
  head.stats.scale = scale;
  head.stats.present_count = static_cast<std::uint32_t>(values.size());
  const auto [min, max] = std::minmax_element(values.begin(), values.end());
  head.stats.min = *min;
  head.stats.max = *max;
  return head;
}

// One vector of a column at its own scale, absent rows left out.
struct NarrowVector {
  PresentValues<std::int64_t> present;
  int scale = 0;
  [[nodiscard]] std::span<const std::int64_t> values() const {
    return std::span(present.values).first(present.count);
  }
};

// The values as prices of the quantity, if that is smaller.
std::string DerivedBody(const NarrowVector& cost, const NarrowVector& quantity) {
  std::string derived;
  if (cost.present.count != quantity.present.count) return derived;
  if (!EncodeDerived(quantity.values(), quantity.scale, cost.values(), cost.scale, &derived))
    return derived;
  if (derived.size() > kDerivedBytesSmall) {
    std::string plain;
    EncodeInts(cost.values(), &plain);
    if (plain.size() <= derived.size()) derived.clear();
  }
  return derived;
}

void WriteNarrow(const DecimalColumn& column, std::size_t first, std::size_t n,
                 const NarrowVector& vector, const NarrowVector* quantity, std::string* out) {
  const std::span<const std::int64_t> values = vector.values();
  BlockHead head = HeadOf(values, n, vector.scale, /*is_wide=*/false);
  std::string derived;
  if (quantity != nullptr && head.stats.min != head.stats.max)
    derived = DerivedBody(vector, *quantity);
  head.derived = !derived.empty();
  ByteWriter writer(out);
  WriteHead(head, &writer);
  Int128 sum = 0;  // 1,024 x 2^63 is far from the end of the type
  for (const std::int64_t value : values) sum += value;
  writer.Varint128(ZigZag128(sum));
  if (head.presence == Presence::kSome) WritePresence(column, first, n, out);
  if (head.derived) {
    out->append(derived);
  } else {
    EncodeInts(values, out);
  }
}

void WriteWide(const DecimalColumn& column, std::size_t first, std::size_t n,
               std::span<const Int128> values, int scale, std::string* out) {
  const BlockHead head = HeadOf(values, n, scale, /*is_wide=*/true);
  ByteWriter writer(out);
  WriteHead(head, &writer);
  ExactSum sum;
  std::array<std::int64_t, kVectorRows> low, high;
  for (std::size_t i = 0; i < values.size(); ++i) {
    sum.Add(values[i], scale);
    low[i] = static_cast<std::int64_t>(static_cast<std::uint64_t>(values[i]));
    high[i] = static_cast<std::int64_t>(values[i] >> 64);
  }
  for (int word = 0; word < 3; ++word) writer.U64(sum.word(word));
  if (head.presence == Presence::kSome) WritePresence(column, first, n, out);
  EncodeInts(std::span(low).first(values.size()), out);
  EncodeInts(std::span(high).first(values.size()), out);
}

// False, and `wide` filled, if the values do not fit.
bool CollectNarrow(const DecimalColumn& column, std::size_t first, std::size_t n,
                   NarrowVector* narrow, PresentValues<Int128>* wide) {
  narrow->scale = column.scale;
  if (!column.is_wide()) {
    Collect(column, column.narrow, first, n, &narrow->present);
    narrow->scale = ReduceScale(&narrow->present, column.scale);
    return true;
  }
  Collect(column, column.wide, first, n, wide);
  narrow->scale = ReduceScale(wide, column.scale);
  const std::span<const Int128> values = std::span(wide->values).first(wide->count);
  if (!std::all_of(values.begin(), values.end(), FitsInt64)) return false;
  narrow->present.count = wide->count;
  for (std::size_t i = 0; i < wide->count; ++i)
    narrow->present.values[i] = static_cast<std::int64_t>(values[i]);
  return true;
}

bool IsEverywhere(const DecimalColumn& column, std::size_t first, std::size_t n) {
  if (column.present.empty()) return true;
  const std::uint8_t* present = column.present.data() + first;
  return std::find(present, present + n, 0) == present + n;
}

void WriteVector(const DecimalColumn& column, const DecimalColumn* quantity, std::size_t first,
                 std::size_t n, std::string* out) {
  NarrowVector narrow, quantities;
  PresentValues<Int128> wide;
  if (!CollectNarrow(column, first, n, &narrow, &wide)) {
    WriteWide(column, first, n, std::span(wide.values).first(wide.count), narrow.scale, out);
    return;
  }
  if (narrow.present.count == 0) {
    ByteWriter writer(out);
    WriteHead(BlockHead{}, &writer);
    return;
  }
  // The reader has the quantity's vector at the scale of all of its rows.
  const bool may_derive = quantity != nullptr && IsEverywhere(*quantity, first, n) &&
                          CollectNarrow(*quantity, first, n, &quantities, &wide);
  if (may_derive) {
    std::size_t kept = 0;
    for (std::size_t i = 0; i < n; ++i) {
      quantities.present.values[kept] = quantities.present.values[i];
      kept += column.IsPresent(first + i) ? 1u : 0u;
    }
    quantities.present.count = kept;
  }
  WriteNarrow(column, first, n, narrow, may_derive ? &quantities : nullptr, out);
}

Result<BlockHead> ReadHead(Bytes block, std::size_t rows, Bytes* rest) {
  ByteReader reader(block);
  BlockHead head;
  const std::uint8_t flags = reader.U8();
  head.presence = static_cast<Presence>(flags & kPresenceMask);
  MeasureVectorStats& stats = head.stats;
  stats.is_wide = (flags & kWideFlag) != 0;
  head.derived = (flags & kDerivedFlag) != 0;
  const bool known = (flags & ~(kPresenceMask | kWideFlag | kDerivedFlag)) == 0 &&
                     head.presence <= Presence::kSome &&
                     !(head.presence == Presence::kNone && (stats.is_wide || head.derived)) &&
                     !(stats.is_wide && head.derived);
  if (!known) return Status::Corruption("measure: unknown flags " + std::to_string(flags));
  if (head.presence != Presence::kNone) {
    stats.scale = reader.U8();
    const bool all = head.presence == Presence::kAll;
    const std::uint64_t count = all ? rows : reader.Varint();
    if (stats.scale > Decimal::kScaleMax || count == 0 || count > rows || (!all && count == rows)) {
      return Status::Corruption("measure: impossible scale or count");
    }
    stats.present_count = static_cast<std::uint32_t>(count);
    stats.min = UnZigZag128(reader.Varint128());
    stats.max = UnZigZag128(reader.Varint128());
    if (stats.is_wide) {
      const std::uint64_t w0 = reader.U64(), w1 = reader.U64(), w2 = reader.U64();
      stats.sum = ExactSum::FromWords(w0, w1, w2);
    } else {
      // Bounded before it is scaled: more than 1,024 int64 can never add up to.
      const Int128 sum = UnZigZag128(reader.Varint128());
      if (sum > (Int128{1} << 73) || sum < -(Int128{1} << 73)) {
        return Status::Corruption("measure: impossible sum");
      }
      stats.sum.Add(sum, stats.scale);
    }
  }
  QUIPU_TRY(reader.status("measure"));
  *rest = block.last(reader.remaining());
  return head;
}

// One flag per row, `count` of them set.
Status ReadPresence(Bytes* in, std::size_t count, std::vector<std::uint8_t>* present) {
  std::array<std::int64_t, kVectorRows> flags;
  QUIPU_TRY(DecodeInts(in, std::span(flags).first(present->size())));
  std::uint64_t all = 0, ones = 0;
  for (std::size_t i = 0; i < present->size(); ++i) {
    const auto flag = static_cast<std::uint64_t>(flags[i]);
    all |= flag;
    ones += flag & 1;
    (*present)[i] = static_cast<std::uint8_t>(flag & 1);
  }
  if (all > 1 || ones != count) return Status::Corruption("measure: presence is not what it says");
  return Status();
}

// Puts the values of the present rows where they belong.
template <class T>
void Spread(std::span<const T> values, std::span<const std::uint8_t> present, std::vector<T>* out) {
  out->resize(present.size());
  std::size_t next = 0;
  for (std::size_t i = 0; i < present.size(); ++i) {
    (*out)[i] = present[i] != 0 ? values[next] : T{0};
    next += present[i];
  }
}

Status ReadNarrow(Bytes* in, bool all, std::size_t count, MeasureVector* out) {
  if (all) {
    out->narrow.resize(count);
    return DecodeInts(in, out->narrow);
  }
  std::array<std::int64_t, kVectorRows> values;
  QUIPU_TRY(DecodeInts(in, std::span(values).first(count)));
  Spread<std::int64_t>(std::span(values).first(count), out->present, &out->narrow);
  return Status();
}

// The costs of the quantities of one vector. `quantity` must be all there: what else it is comes from
// the file, too.
Status ReadDerived(Bytes* in, const MeasureVector* quantity, MeasureVector* out) {
  if (quantity == nullptr || quantity->is_wide || !quantity->all_present ||
      quantity->narrow.size() != out->present.size()) {
    return Status::Corruption("measure: derived from a quantity that is not there");
  }
  const std::size_t rows = out->present.size(), count = out->present_count;
  if (out->all_present) {
    out->narrow.resize(rows);
    return DecodeDerived(in, quantity->narrow, quantity->scale, out->scale, out->narrow);
  }
  std::array<std::int64_t, kVectorRows> quantities, costs;
  std::size_t kept = 0;
  for (std::size_t i = 0; i < rows && kept < count; ++i) {
    quantities[kept] = quantity->narrow[i];
    kept += out->present[i];
  }
  QUIPU_TRY(DecodeDerived(in, std::span(quantities).first(count), quantity->scale, out->scale,
                          std::span(costs).first(count)));
  Spread<std::int64_t>(std::span(costs).first(count), out->present, &out->narrow);
  return Status();
}

Status ReadWide(Bytes* in, std::size_t count, MeasureVector* out) {
  std::array<std::int64_t, kVectorRows> low, high;
  QUIPU_TRY(DecodeInts(in, std::span(low).first(count)));
  QUIPU_TRY(DecodeInts(in, std::span(high).first(count)));
  // Below 10^20 in magnitude, so that every later step of arithmetic has room for it.
  const auto bound = static_cast<Int128>(PowerOf10(Decimal::kIntegerDigitsMax + out->scale));
  std::array<Int128, kVectorRows> values;
  for (std::size_t i = 0; i < count; ++i) {
    const Uint128 bits = (static_cast<Uint128>(static_cast<std::uint64_t>(high[i])) << 64) |
                         static_cast<std::uint64_t>(low[i]);
    values[i] = static_cast<Int128>(bits);
    if (values[i] >= bound || values[i] <= -bound) {
      return Status::Corruption("measure: value not below 10^20");
    }
  }
  Spread<Int128>(std::span(values).first(count), out->present, &out->wide);
  return Status();
}

}  // namespace

void EncodeMeasurePage(const DecimalColumn& column, const DecimalColumn* quantity, std::size_t rows,
                       std::string* out) {
  const std::size_t vectors = VectorsOf(rows);
  VectorTableWriter table(vectors, out);
  for (std::size_t v = 0; v < vectors; ++v) {
    table.BeginBlock();
    WriteVector(column, quantity, v * kVectorRows, RowsOfVector(rows, v), out);
  }
}

void FillAbsent(std::size_t rows, MeasureVector* out) {
  out->scale = 0;
  out->min = out->max = 0;
  out->all_present = false;
  out->is_wide = false;
  out->present_count = 0;
  out->present.assign(rows, 0);
  out->narrow.assign(rows, 0);
  out->wide.clear();
}

Result<bool> IsDerived(Bytes payload, std::size_t rows, std::size_t v) {
  QUIPU_TRY_ASSIGN(const Bytes block, VectorBlock(payload, rows, v));
  return !block.empty() && (block[0] & kDerivedFlag) != 0;
}

Status DecodeMeasureVector(Bytes payload, const MeasureVector* quantity, std::size_t rows,
                           std::size_t v, MeasureVector* out) {
  const std::size_t n = RowsOfVector(rows, v);
  QUIPU_TRY_ASSIGN(const Bytes block, VectorBlock(payload, rows, v));
  Bytes rest;
  QUIPU_TRY_ASSIGN(const BlockHead head, ReadHead(block, n, &rest));
  if (head.presence == Presence::kNone) {
    FillAbsent(n, out);
    return ExpectEnd(rest, "measure");
  }
  out->scale = head.stats.scale;
  out->min = head.stats.min;
  out->max = head.stats.max;
  out->all_present = head.presence == Presence::kAll;
  out->is_wide = head.stats.is_wide;
  out->present_count = head.stats.present_count;
  out->present.assign(n, 1);
  if (!out->all_present) QUIPU_TRY(ReadPresence(&rest, out->present_count, &out->present));
  if (out->is_wide) {
    out->narrow.clear();
    QUIPU_TRY(ReadWide(&rest, out->present_count, out));
  } else {
    out->wide.clear();
    QUIPU_TRY(head.derived ? ReadDerived(&rest, quantity, out)
                           : ReadNarrow(&rest, out->all_present, out->present_count, out));
  }
  return ExpectEnd(rest, "measure");
}

Result<MeasureVectorStats> DecodeMeasureStats(Bytes payload, std::size_t rows, std::size_t v) {
  QUIPU_TRY_ASSIGN(const Bytes block, VectorBlock(payload, rows, v));
  Bytes rest;
  QUIPU_TRY_ASSIGN(const BlockHead head, ReadHead(block, RowsOfVector(rows, v), &rest));
  return head.stats;
}

MeasureVectorStats StatsOf(const MeasureVector& vector) {
  MeasureVectorStats stats;
  stats.is_wide = vector.is_wide;
  stats.scale = vector.scale;
  for (std::size_t i = 0; i < vector.present.size(); ++i) {
    if (vector.present[i] == 0) continue;
    const Int128 mantissa = vector.Mantissa(i);
    stats.min = stats.present_count == 0 ? mantissa : std::min(stats.min, mantissa);
    stats.max = stats.present_count == 0 ? mantissa : std::max(stats.max, mantissa);
    stats.sum.Add(mantissa, vector.scale);
    ++stats.present_count;
  }
  return stats;
}

}  // namespace quipu
