#include "store/commit_blob.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>

#include "base/check.h"
#include "base/hash.h"
#include "codec/int_codec.h"

namespace quipu {
namespace {

constexpr std::uint16_t kCommitFormatVersion = 1;
constexpr std::size_t kChecksumBytes = 8;
constexpr std::uint8_t kHasPresence = 1, kIsWide = 2;                  // flags of a measure
constexpr std::uint8_t kHasMillis = 1, kHasTexts = 2, kManyForms = 4;  // flags of the ids

// ---- Encoding ----

class Encoder {
 public:
  explicit Encoder(std::string* out) : out_(out), w_(out) {}

  void Encode(std::uint64_t seq, const RowBatch& rows) {
    w_.U16(kCommitFormatVersion);
    w_.U64(seq);
    w_.Varint(rows.size());
    if (rows.empty()) return;
    Packed(rows.customers);
    Packed(rows.services);
    Packed(rows.times);
    Coded(rows.sources);
    Ids(rows);
    w_.Varint(rows.measures.size());
    for (const DecimalColumn& column : rows.measures) Measure(column);
    w_.Varint(rows.dimensions.size());
    for (const CodedColumn& column : rows.dimensions) {
      w_.Varint(column.id);
      Coded(column);
    }
  }

 private:
  /// The log is short-lived: one encoding is taken unasked. To choose the smallest for mantissas took longer than the bytes it saves.
  template <class T>
  void Packed(const std::vector<T>& values) {
    std::array<std::int64_t, kVectorValuesMax> block;
    for (std::size_t at = 0; at < values.size(); at += block.size()) {
      const std::size_t n = std::min(block.size(), values.size() - at);
      for (std::size_t i = 0; i < n; ++i) block[i] = static_cast<std::int64_t>(values[at + i]);
      const std::span<const std::int64_t> span(block.data(), n);
      std::int64_t differs = 0;
      for (std::size_t i = 1; i < n; ++i) differs |= block[i] ^ block[0];
      const auto encoding = differs == 0 ? IntEncoding::kConstant : IntEncoding::kFrameOfReference;
      QUIPU_CHECK(EncodeIntsAs(encoding, span, out_));
    }
  }

  void Strings(const StringList& list) {
    std::vector<std::uint32_t> lengths(list.size());
    for (std::size_t i = 0; i < lengths.size(); ++i)
      lengths[i] = static_cast<std::uint32_t>(list[i].size());
    Packed(lengths);
    w_.Raw(list.text().data(), list.text().size());
  }

  void Coded(const CodedColumn& column) {
    w_.Varint(column.dictionary.size());
    Strings(column.dictionary);
    Packed(column.codes);
  }

  void Ids(const RowBatch& rows) {
    const bool many_forms = std::any_of(rows.id_forms.begin(), rows.id_forms.end(),
                                        [&](IdForm form) { return form != rows.id_forms[0]; });
    w_.U8(static_cast<std::uint8_t>((many_forms ? kManyForms : 0) |
                                    (rows.id_millis.empty() ? 0 : kHasMillis) |
                                    (rows.id_texts.size() == 0 ? 0 : kHasTexts)));
    w_.Raw(rows.id_forms.data(), many_forms ? rows.size() : 1);
    const std::size_t at = out_->size();
    out_->resize(at + rows.size() * sizeof(std::uint64_t));
    char* to = out_->data() + at;
    std::vector<std::uint64_t> lows(rows.size());
    for (std::size_t i = 0; i < lows.size(); ++i) {
      std::memcpy(to + i * sizeof(std::uint64_t), &rows.identities[i].high, sizeof(std::uint64_t));
      lows[i] = rows.identities[i].low;
    }
    Packed(lows);
    if (!rows.id_millis.empty()) Packed(rows.id_millis);
    if (rows.id_texts.size() != 0) Strings(rows.id_texts);
  }

  void Measure(const DecimalColumn& column) {
    w_.Varint(column.id);
    w_.U8(static_cast<std::uint8_t>(column.scale));
    w_.U8(static_cast<std::uint8_t>((column.present.empty() ? 0 : kHasPresence) |
                                    (column.is_wide() ? kIsWide : 0)));
    if (!column.present.empty()) {
      std::vector<std::uint8_t> bits((column.present.size() + 7) / 8, 0);
      for (std::size_t i = 0; i < column.present.size(); ++i)
        bits[i / 8] = static_cast<std::uint8_t>(bits[i / 8] | (column.present[i] << (i % 8)));
      w_.Raw(bits.data(), bits.size());
    }
    if (column.is_wide()) {
      w_.Raw(column.wide.data(), column.wide.size() * sizeof(Int128));
    } else {
      Packed(column.narrow);
    }
  }

  std::string* out_;
  ByteWriter w_;
};

// ---- Decoding ----

/// Reads a blob whose checksum is right but whose contents may still be anything, into a RowBatch that keeps its invariants.
class Decoder {
 public:
  Decoder(Bytes in, const Names& names) : in_(in), names_(names) {}

  Result<DecodedCommit> Decode() {
    DecodedCommit decoded;
    ByteReader r(in_);
    const std::uint16_t version = r.U16();
    decoded.seq = seq_ = r.U64();
    if (r.ok() && version > kCommitFormatVersion) {
      return Status::Unsupported("commit " + std::to_string(seq_) +
                                 ": written by a newer Quipu (blob format " +
                                 std::to_string(version) + ")");
    }
    const std::uint64_t rows = r.Varint();
    QUIPU_TRY(r.status("commit"));
    if (rows > kCommitRowsMax) return Bad("rows", "more than a commit may have");
    in_ = in_.last(r.remaining());
    rows_ = static_cast<std::size_t>(rows);
    if (rows_ == 0) {
      out_.measures.emplace_back().id = kQuantityColumn;
    } else {
      QUIPU_TRY(DecodeColumns());
      QUIPU_TRY(CheckRows());
    }
    if (!in_.empty()) return Bad("end", "bytes are left over");
    decoded.rows = std::move(out_);
    return decoded;
  }

 private:
  [[nodiscard]] Status Bad(std::string_view column, std::string_view problem) const {
    return Status::Corruption("commit " + std::to_string(seq_) + ": " + std::string(column) + ": " +
                              std::string(problem));
  }

  Status DecodeColumns() {
    QUIPU_TRY(Packed("customers", rows_, 0xFFFFFFFF, &out_.customers));
    QUIPU_TRY(Packed("services", rows_, 0xFFFFFFFF, &out_.services));
    QUIPU_TRY(Packed("times", rows_, std::numeric_limits<std::uint64_t>::max(), &out_.times));
    QUIPU_TRY(DecodeCoded("sources", &out_.sources));
    QUIPU_TRY(DecodeIds());
    QUIPU_TRY(DecodeMeasures());
    return DecodeDimensions();
  }

  /// Decoded columns may be far larger than their bytes; together they stay below the bound of a commit.
  Status Spend(std::string_view what, std::uint64_t bytes) {
    if (bytes > kCommitBytesMax - spent_) return Bad(what, "more than a commit may hold");
    spent_ += bytes;
    return {};
  }

  Result<std::uint64_t> Varint(std::string_view what) {
    ByteReader r(in_);
    const std::uint64_t value = r.Varint();
    if (!r.ok()) return Bad(what, "ends too early");
    in_ = in_.last(r.remaining());
    return value;
  }

  Result<Bytes> Take(std::string_view what, std::uint64_t bytes) {
    if (bytes > in_.size()) return Bad(what, "ends too early");
    const Bytes taken = in_.first(static_cast<std::size_t>(bytes));
    in_ = in_.subspan(static_cast<std::size_t>(bytes));
    return taken;
  }

  /// `count` numbers, as unsigned ones at most `max`.
  template <class T>
  Status Packed(std::string_view what, std::size_t count, std::uint64_t max, std::vector<T>* to) {
    QUIPU_TRY(Spend(what, count * sizeof(T)));
    to->resize(count);
    std::array<std::int64_t, kVectorValuesMax> block;
    for (std::size_t at = 0; at < count; at += block.size()) {
      const std::size_t n = std::min(block.size(), count - at);
      if (Status s = DecodeInts(&in_, {block.data(), n}); !s.ok()) return Bad(what, s.message());
      bool above = false;
      for (std::size_t i = 0; i < n; ++i) {
        above |= static_cast<std::uint64_t>(block[i]) > max;
        (*to)[at + i] = static_cast<T>(block[i]);
      }
      if (above) return Bad(what, "a number is out of range");
    }
    return {};
  }

  Status DecodeStrings(std::string_view what, std::size_t count, StringList* to) {
    std::vector<std::uint32_t> lengths;
    QUIPU_TRY(Packed(what, count, 0xFFFFFFFF, &lengths));
    std::uint64_t bytes = 0;
    for (const std::uint32_t length : lengths) bytes += length;
    QUIPU_TRY_ASSIGN(const Bytes text, Take(what, bytes));
    QUIPU_TRY(Spend(what, bytes));
    to->Reserve(count, text.size());
    std::string_view rest = AsText(text);
    for (const std::uint32_t length : lengths) {
      to->Add(rest.substr(0, length));
      rest.remove_prefix(length);
    }
    return {};
  }

  Status DecodeCoded(std::string_view what, CodedColumn* to) {
    QUIPU_TRY_ASSIGN(const std::uint64_t entries, Varint(what));
    if (entries > kCommitRowsMax) return Bad(what, "the dictionary is too large");
    QUIPU_TRY(DecodeStrings(what, static_cast<std::size_t>(entries), &to->dictionary));
    return Packed(what, rows_, entries, &to->codes);
  }

  Status DecodeIds() {
    QUIPU_TRY_ASSIGN(const Bytes flags, Take("ids", 1));
    if ((flags[0] & ~(kHasMillis | kHasTexts | kManyForms)) != 0)
      return Bad("ids", "unknown flags");
    const bool many_forms = (flags[0] & kManyForms) != 0;
    QUIPU_TRY_ASSIGN(const Bytes forms, Take("id forms", many_forms ? rows_ : 1));
    QUIPU_TRY(Spend("ids", rows_ * (sizeof(Hash128) + 1)));
    for (const std::uint8_t form : forms) {
      if (form >= kIdForms) return Bad("id forms", "an unknown form");
    }
    out_.id_forms.resize(rows_);
    for (std::size_t i = 0; i < rows_; ++i)
      out_.id_forms[i] = static_cast<IdForm>(forms[many_forms ? i : 0]);
    QUIPU_TRY_ASSIGN(const Bytes highs, Take("ids", rows_ * sizeof(std::uint64_t)));
    std::vector<std::uint64_t> lows;
    QUIPU_TRY(Packed("ids", rows_, std::numeric_limits<std::uint64_t>::max(), &lows));
    out_.identities.resize(rows_);
    for (std::size_t i = 0; i < rows_; ++i) {
      out_.identities[i] = {LoadLe<std::uint64_t>(highs.data() + i * sizeof(std::uint64_t)),
                            lows[i]};
    }
    if ((flags[0] & kHasMillis) != 0) {
      QUIPU_TRY(Packed("id millis", rows_, (1ull << kIdMillisBits) - 1, &out_.id_millis));
    }
    if ((flags[0] & kHasTexts) == 0) return {};
    return DecodeStrings("id texts", rows_, &out_.id_texts);
  }

  Status DecodeDimensions() {
    QUIPU_TRY_ASSIGN(const std::uint64_t count, Varint("dimensions"));
    for (std::uint64_t i = 0; i < count; ++i) {
      QUIPU_TRY_ASSIGN(const std::uint64_t id, Varint("dimensions"));
      const std::string what = "dimension " + std::to_string(id);
      if (!out_.dimensions.empty() && id <= out_.dimensions.back().id)
        return Bad(what, "columns are not ascending");
      if (id > 0xFFFFFFFF || names_.Dimension(static_cast<ColumnId>(id)).empty())
        return Bad(what, "is not in the catalogue");
      CodedColumn& column = out_.dimensions.emplace_back();
      column.id = static_cast<ColumnId>(id);
      QUIPU_TRY(DecodeCoded(what, &column));
    }
    return {};
  }

  Status DecodeMeasures() {
    QUIPU_TRY_ASSIGN(const std::uint64_t count, Varint("measures"));
    for (std::uint64_t i = 0; i < count; ++i) {
      QUIPU_TRY_ASSIGN(const std::uint64_t id, Varint("measures"));
      const std::string what = "measure " + std::to_string(id);
      if (!out_.measures.empty() && id <= out_.measures.back().id)
        return Bad(what, "columns are not ascending");
      if (id > 0xFFFFFFFF || names_.Measure(static_cast<ColumnId>(id)).empty())
        return Bad(what, "is not in the catalogue");
      DecimalColumn& column = out_.measures.emplace_back();
      column.id = static_cast<ColumnId>(id);
      QUIPU_TRY(DecodeDecimal(what, &column));
    }
    if (out_.measures.empty() || out_.measures[0].id != kQuantityColumn ||
        !out_.measures[0].present.empty()) {
      return Bad("measure 0", "every row needs a quantity");
    }
    return {};
  }

  Status DecodeDecimal(std::string_view what, DecimalColumn* to) {
    QUIPU_TRY_ASSIGN(const Bytes head, Take(what, 2));
    if (head[0] > Decimal::kScaleMax) return Bad(what, "scale is above 18");
    if ((head[1] & ~(kHasPresence | kIsWide)) != 0) return Bad(what, "unknown flags");
    to->scale = head[0];
    if ((head[1] & kHasPresence) != 0) {
      QUIPU_TRY_ASSIGN(const Bytes bits, Take(what, (rows_ + 7) / 8));
      QUIPU_TRY(Spend(what, rows_));
      to->present.resize(rows_);
      for (std::size_t i = 0; i < rows_; ++i)
        to->present[i] = static_cast<std::uint8_t>(bits[i / 8] >> (i % 8) & 1);
    }
    if ((head[1] & kIsWide) != 0) {
      QUIPU_TRY_ASSIGN(const Bytes wide, Take(what, rows_ * sizeof(Int128)));
      QUIPU_TRY(Spend(what, wide.size()));
      to->wide.resize(rows_);
      std::memcpy(to->wide.data(), wide.data(), wide.size());
      return CheckMantissas(*to, to->wide, what);
    }
    QUIPU_TRY(Packed(what, rows_, std::numeric_limits<std::uint64_t>::max(), &to->narrow));
    return CheckMantissas(*to, to->narrow, what);
  }

  template <class T>
  Status CheckMantissas(const DecimalColumn& column, const std::vector<T>& mantissas,
                        std::string_view what) const {
    Int128 bound = 1;  // 10^(20 + scale); sums rely on it
    for (int i = 0; i < Decimal::kIntegerDigitsMax + column.scale; ++i) bound *= 10;
    for (std::size_t i = 0; i < mantissas.size(); ++i) {
      const Int128 m = mantissas[i];
      if (m >= bound || m <= -bound) return Bad(what, "a value is out of range");
      if (m != 0 && !column.IsPresent(i)) return Bad(what, "an absent value is not zero");
    }
    return {};
  }

  /// Is the row's identity one that MakeIdentity could have made?
  Status CheckIdentity(std::size_t i, std::string_view customer) const {
    const Identity identity = out_.IdentityOf(i);
    const std::string_view text = out_.TextOf(i);
    if (identity.form == IdForm::kText) {
      if (text.empty() || MakeIdentity(customer, out_.sources.Text(i), text) != identity)
        return Bad("ids", "a key is not that of its text");
      return {};
    }
    const int bits = LowBitsOf(identity.form);
    if (!text.empty()) return Bad("ids", "a text that is not needed");
    if (bits < 64 && identity.key.low >> bits != 0) return Bad("ids", "a key is too large");
    if (identity.millis != 0 && !HasMillis(identity.form))
      return Bad("ids", "milliseconds are out of range");
    return {};
  }

  /// Ordinals, times, sources, identities.
  Status CheckRows() const {
    std::string_view customer;
    for (std::size_t i = 0; i < rows_; ++i) {
      if (i == 0 || out_.customers[i] != out_.customers[i - 1])
        customer = names_.Customer(out_.customers[i]);
      if (customer.empty()) return Bad("customers", "an ordinal is not in the catalogue");
      if ((i == 0 || out_.services[i] != out_.services[i - 1]) &&
          names_.Service(out_.services[i]).empty()) {
        return Bad("services", "an ordinal is not in the catalogue");
      }
      if (out_.times[i] < kTimeMin || out_.times[i] >= kTimeMax)
        return Bad("times", "a time is outside the years 1 to 9999");
      if (out_.sources.codes[i] == 0) return Bad("sources", "a row has none");
      QUIPU_TRY(CheckIdentity(i, customer));
    }
    return {};
  }

  Bytes in_;
  const Names& names_;
  std::uint64_t seq_ = 0;
  std::size_t rows_ = 0;
  std::uint64_t spent_ = 0;
  RowBatch out_;
};

}  // namespace

Result<std::string> EncodeCommit(std::uint64_t seq, const RowBatch& rows) {
  if (rows.size() > kCommitRowsMax || rows.bytes() > kCommitBytesMax) {
    return Status::Exhausted("a commit of " + std::to_string(rows.size()) + " events in " +
                             std::to_string(rows.dimensions.size() + rows.measures.size()) +
                             " columns is too large; send smaller batches");
  }
  std::string out;
  out.reserve(1024 + rows.size() * 64);
  out.resize(kChecksumBytes);
  Encoder(&out).Encode(seq, rows);
  const std::uint64_t checksum = Hash64(std::string_view(out).substr(kChecksumBytes));
  std::memcpy(out.data(), &checksum, sizeof checksum);
  return out;
}

Result<DecodedCommit> DecodeCommit(std::string_view blob, const Names& names) {
  if (blob.size() < kChecksumBytes) {
    return Status::Corruption("commit: the blob is " + std::to_string(blob.size()) +
                              " bytes, too short");
  }
  const std::string_view payload = blob.substr(kChecksumBytes);
  if (LoadLe<std::uint64_t>(blob.data()) != Hash64(payload)) {
    return Status::Corruption("commit: checksum mismatch in a blob of " +
                              std::to_string(blob.size()) + " bytes");
  }
  return Decoder(AsBytes(payload), names).Decode();
}

}  // namespace quipu
