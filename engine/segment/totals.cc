#include "segment/totals.h"

#include <algorithm>

#include "base/check.h"

namespace quipu {
namespace {

MeasureTotal TotalOf(const DecimalColumn& column, std::size_t rows) {
  // Absent mantissas are 0.
  MeasureTotal total;
  total.count = rows;
  if (!column.present.empty()) {
    total.count = 0;
    for (const std::uint8_t present : column.present) total.count += present;
  }
  for (const Int128 mantissa : column.wide) total.sum.Add(mantissa, column.scale);
  if (column.is_wide()) return total;
  // Halves of 32 bits, so that the loop needs no 128-bit numbers; 2^31 rows fit.
  std::int64_t high = 0;
  std::uint64_t low = 0;
  for (const std::int64_t mantissa : column.narrow) {
    high += mantissa >> 32;
    low += static_cast<std::uint32_t>(mantissa);
  }
  total.sum.Add((Int128{high} << 32) + low, column.scale);
  return total;
}

std::string HexText(Uint128 v) {
  std::string text = "0x";
  for (int shift = 124; shift >= 0; shift -= 4)
    text += "0123456789abcdef"[static_cast<unsigned>(v >> shift) & 15u];
  return text;
}

}  // namespace

void Totals::Add(const Totals& other) {
  rows += other.rows;
  identities.Add(other.identities);
  for (const auto& [id, total] : other.measures) {
    MeasureTotal& mine = measures[id];
    mine.count += total.count;
    mine.sum.Add(total.sum);
  }
}

bool Totals::Subtract(const Totals& other) {
  if (other.rows > rows) return false;
  for (const auto& [id, total] : other.measures) {
    const auto mine = measures.find(id);
    if (mine == measures.end() || mine->second.count < total.count) return false;
    // Nothing is left of a sum over no values.
    if (mine->second.count == total.count && mine->second.sum != total.sum) return false;
  }
  rows -= other.rows;
  identities.Subtract(other.identities);
  for (const auto& [id, total] : other.measures) {
    const auto mine = measures.find(id);
    mine->second.count -= total.count;
    mine->second.sum.Subtract(total.sum);
    if (mine->second.count == 0) measures.erase(mine);
  }
  return true;
}

std::string Totals::ToString() const {
  return std::to_string(rows) + " rows, identities " + HexText(identities.sum) + ", " +
         std::to_string(measures.size()) + " measures";
}

void Totals::EncodeTo(std::string* out) const {
  ByteWriter w(out);
  w.Varint(rows);
  w.U128(identities.sum);
  w.Varint(measures.size());
  for (const auto& [id, total] : measures) {
    w.Varint(id);
    w.Varint(total.count);
    for (int i = 0; i < 3; ++i) w.U64(total.sum.word(i));
  }
}

Result<Totals> Totals::Decode(ByteReader& in) {
  Totals totals;
  totals.rows = in.Varint();
  totals.identities.sum = in.U128();
  const std::uint64_t count = in.Varint();
  constexpr std::size_t kEntryBytesMin = 1 + 1 + 24;
  QUIPU_TRY(in.status("totals"));
  if (count > in.remaining() / kEntryBytesMin) {
    return Status::Corruption("totals: " + std::to_string(count) +
                              " measures do not fit into the bytes that are left");
  }
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::uint64_t id = in.Varint();
    MeasureTotal total;
    total.count = in.Varint();
    const std::uint64_t w0 = in.U64();
    const std::uint64_t w1 = in.U64();
    total.sum = ExactSum::FromWords(w0, w1, in.U64());
    QUIPU_TRY(in.status("totals"));
    const bool ascending = totals.measures.empty() || id > totals.measures.rbegin()->first;
    if (id > 0xFFFFFFFFu || !ascending || total.count == 0 || total.count > totals.rows) {
      return Status::Corruption("totals: impossible entry of measure " + std::to_string(id));
    }
    totals.measures.emplace_hint(totals.measures.end(), static_cast<ColumnId>(id), total);
  }
  return totals;
}

Totals TotalsOf(const RowBatch& rows) {
  Totals totals;
  totals.rows = rows.size();
  for (const Hash128& identity : rows.identities) totals.identities.Add(identity);
  for (const DecimalColumn& column : rows.measures) {
    const MeasureTotal total = TotalOf(column, rows.size());
    if (total.count > 0) totals.measures.emplace(column.id, total);
  }
  return totals;
}

}  // namespace quipu
