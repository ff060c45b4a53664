#include "store/commit_blob.h"

#include <flatbuffers/flatbuffers.h>

#include <algorithm>
#include <functional>
#include <limits>

#include "base/check.h"
#include "base/hash.h"
#include "formats/commit_generated.h"

namespace quipu {
namespace {

namespace fb = commit_format;
using Builder = flatbuffers::FlatBufferBuilder;

constexpr std::uint16_t kCommitFormatVersion = 1;
constexpr std::size_t kChecksumBytes = 8;
constexpr std::size_t kVerifierDepth = 8;
constexpr std::size_t kVerifierTables =
    1u << 19;  // 2 x 65,536 columns with their dictionaries, and room

// ---- Encoding ----

flatbuffers::Offset<fb::Strings> EncodeStrings(const StringList& list, Builder* b) {
  const auto offsets = b->CreateVector(list.offsets());
  const auto text = b->CreateVector(reinterpret_cast<const std::uint8_t*>(list.text().data()),
                                    list.text().size());
  return fb::CreateStrings(*b, offsets, text);
}

template <class Code>
flatbuffers::Offset<flatbuffers::Vector<Code>> EncodeCodes(const std::vector<std::uint32_t>& codes,
                                                           Builder* b) {
  Code* to = nullptr;
  const auto offset = b->CreateUninitializedVector(codes.size(), &to);
  for (std::size_t i = 0; i < codes.size(); ++i) to[i] = static_cast<Code>(codes[i]);
  return offset;
}

flatbuffers::Offset<fb::CodedColumn> EncodeCoded(const CodedColumn& column, Builder* b) {
  const auto dictionary = EncodeStrings(column.dictionary, b);
  const std::size_t largest = column.dictionary.size();
  if (largest <= std::numeric_limits<std::uint8_t>::max()) {
    const auto codes = EncodeCodes<std::uint8_t>(column.codes, b);
    return fb::CreateCodedColumn(*b, column.id, dictionary, codes, 0, 0);
  }
  if (largest <= std::numeric_limits<std::uint16_t>::max()) {
    const auto codes = EncodeCodes<std::uint16_t>(column.codes, b);
    return fb::CreateCodedColumn(*b, column.id, dictionary, 0, codes, 0);
  }
  const auto codes = b->CreateVector(column.codes);
  return fb::CreateCodedColumn(*b, column.id, dictionary, 0, 0, codes);
}

flatbuffers::Offset<flatbuffers::Vector<std::uint8_t>> EncodePresence(
    const std::vector<std::uint8_t>& present, Builder* b) {
  if (present.empty()) return 0;
  std::uint8_t* bits = nullptr;
  const auto offset = b->CreateUninitializedVector((present.size() + 7) / 8, &bits);
  std::fill_n(bits, (present.size() + 7) / 8, std::uint8_t{0});
  for (std::size_t i = 0; i < present.size(); ++i) {
    bits[i / 8] = static_cast<std::uint8_t>(bits[i / 8] | (present[i] << (i % 8)));
  }
  return offset;
}

flatbuffers::Offset<fb::DecimalColumn> EncodeDecimal(const DecimalColumn& column, Builder* b) {
  const auto present = EncodePresence(column.present, b);
  const auto scale = static_cast<std::uint8_t>(column.scale);
  if (column.is_wide()) {
    const auto wide = b->CreateVector(reinterpret_cast<const std::uint8_t*>(column.wide.data()),
                                      column.wide.size() * sizeof(Int128));
    return fb::CreateDecimalColumn(*b, column.id, scale, present, 0, wide);
  }
  const auto narrow = b->CreateVector(column.narrow);
  return fb::CreateDecimalColumn(*b, column.id, scale, present, narrow, 0);
}

// ---- Decoding ----

/// Turns a verified buffer, whose contents may still be anything, into a RowBatch that keeps its invariants.
class Decoder {
 public:
  Decoder(const fb::Commit& commit, const Names& names)
      : commit_(commit), names_(names), rows_(commit.rows()) {}

  Result<RowBatch> Decode() {
    QUIPU_TRY(CopyColumn(commit_.customers(), "customers", &out_.customers));
    QUIPU_TRY(CopyColumn(commit_.services(), "services", &out_.services));
    QUIPU_TRY(CopyColumn(commit_.times(), "times", &out_.times));
    QUIPU_TRY(DecodeCoded(commit_.sources(), "sources", &out_.sources));
    QUIPU_TRY(DecodeIds());
    QUIPU_TRY(DecodeMeasures());
    QUIPU_TRY(DecodeDimensions());
    QUIPU_TRY(CheckRows());
    return std::move(out_);
  }

 private:
  [[nodiscard]] Status Bad(std::string_view column, std::string_view problem) const {
    return Status::Corruption("commit " + std::to_string(commit_.seq()) + ": " +
                              std::string(column) + ": " + std::string(problem));
  }

  template <class T>
  Status CopyColumn(const flatbuffers::Vector<T>* from, std::string_view what,
                    std::vector<T>* to) const {
    if (from == nullptr || from->size() != rows_) return Bad(what, "wrong number of rows");
    to->assign(from->data(), from->data() + from->size());
    return {};
  }

  Status DecodeStrings(const fb::Strings* from, std::string_view what, StringList* to) const {
    if (from == nullptr || from->offsets() == nullptr || from->text() == nullptr ||
        from->offsets()->size() == 0) {
      return Bad(what, "strings are missing");
    }
    const std::uint32_t* offsets = from->offsets()->data();
    const std::size_t count = from->offsets()->size() - 1;
    const auto* text = reinterpret_cast<const char*>(from->text()->data());
    if (offsets[0] != 0 || offsets[count] != from->text()->size()) {
      return Bad(what, "offsets do not span the text");
    }
    to->Reserve(count, from->text()->size());
    for (std::size_t i = 0; i < count; ++i) {
      if (offsets[i] > offsets[i + 1] || offsets[i + 1] > from->text()->size()) {
        return Bad(what, "offsets are not ascending");
      }
      to->Add({text + offsets[i], offsets[i + 1] - offsets[i]});
    }
    return {};
  }

  template <class Code>
  Status WidenCodes(const flatbuffers::Vector<Code>* from, std::string_view what,
                    CodedColumn* to) const {
    if (from->size() != rows_) return Bad(what, "wrong number of rows");
    to->codes.assign(from->data(), from->data() + from->size());
    for (const std::uint32_t code : to->codes) {
      if (code > to->dictionary.size()) return Bad(what, "a code is beyond the dictionary");
    }
    return {};
  }

  Status DecodeCoded(const fb::CodedColumn* from, std::string_view what, CodedColumn* to) const {
    if (from == nullptr) return Bad(what, "the column is missing");
    const int given = (from->codes8() != nullptr ? 1 : 0) + (from->codes16() != nullptr ? 1 : 0) +
                      (from->codes32() != nullptr ? 1 : 0);
    if (given != 1) return Bad(what, "needs exactly one vector of codes");
    to->id = from->id();
    QUIPU_TRY(DecodeStrings(from->dictionary(), what, &to->dictionary));
    if (from->codes8() != nullptr) return WidenCodes(from->codes8(), what, to);
    if (from->codes16() != nullptr) return WidenCodes(from->codes16(), what, to);
    return WidenCodes(from->codes32(), what, to);
  }

  Status DecodeIds() {
    static_assert(sizeof(fb::IdKey) == sizeof(Hash128));
    if (commit_.id_keys() == nullptr || commit_.id_keys()->size() != rows_)
      return Bad("ids", "wrong number of rows");
    out_.identities.resize(rows_);
    if (rows_ > 0)
      std::memcpy(out_.identities.data(), commit_.id_keys()->Data(), rows_ * sizeof(Hash128));
    const auto* forms = commit_.id_forms();
    if (forms == nullptr || (forms->size() != rows_ && forms->size() != 1))
      return Bad("id forms", "wrong number of rows");
    for (const std::uint8_t form : *forms) {
      if (form >= kIdForms) return Bad("id forms", "an unknown form");
    }
    out_.id_forms.resize(rows_);
    for (std::size_t i = 0; i < rows_; ++i)
      out_.id_forms[i] = static_cast<IdForm>(forms->data()[forms->size() == 1 ? 0 : i]);
    if (commit_.id_texts() != nullptr) {
      QUIPU_TRY(DecodeStrings(commit_.id_texts(), "id texts", &out_.id_texts));
      if (out_.id_texts.size() != rows_) return Bad("id texts", "wrong number of strings");
    }
    if (commit_.id_millis() != nullptr)
      QUIPU_TRY(CopyColumn(commit_.id_millis(), "id millis", &out_.id_millis));
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
    if (identity.millis != 0 &&
        (!HasMillis(identity.form) || identity.millis >> kIdMillisBits != 0))
      return Bad("ids", "milliseconds are out of range");
    return {};
  }

  Status DecodeDimensions() {
    if (commit_.dimensions() == nullptr) return Bad("dimensions", "are missing");
    for (const fb::CodedColumn* from : *commit_.dimensions()) {
      const std::string what = "dimension " + std::to_string(from->id());
      if (!out_.dimensions.empty() && from->id() <= out_.dimensions.back().id) {
        return Bad(what, "columns are not ascending");
      }
      if (names_.Dimension(from->id()).empty()) return Bad(what, "is not in the catalogue");
      QUIPU_TRY(DecodeCoded(from, what, &out_.dimensions.emplace_back()));
    }
    return {};
  }

  Status DecodeMeasures() {
    if (commit_.measures() == nullptr) return Bad("measures", "are missing");
    for (const fb::DecimalColumn* from : *commit_.measures()) {
      const std::string what = "measure " + std::to_string(from->id());
      if (!out_.measures.empty() && from->id() <= out_.measures.back().id) {
        return Bad(what, "columns are not ascending");
      }
      if (names_.Measure(from->id()).empty()) return Bad(what, "is not in the catalogue");
      QUIPU_TRY(DecodeDecimal(*from, what, &out_.measures.emplace_back()));
    }
    if (rows_ == 0) return {};
    if (out_.measures.empty() || out_.measures[0].id != kQuantityColumn ||
        !out_.measures[0].present.empty()) {
      return Bad("measure 0", "every row needs a quantity");
    }
    return {};
  }

  Status DecodeDecimal(const fb::DecimalColumn& from, std::string_view what,
                       DecimalColumn* to) const {
    if (from.scale() > Decimal::kScaleMax) return Bad(what, "scale is above 18");
    if ((from.narrow() != nullptr) == (from.wide() != nullptr)) {
      return Bad(what, "needs either narrow or wide mantissas");
    }
    to->id = from.id();
    to->scale = from.scale();
    if (from.present() != nullptr) {
      if (from.present()->size() != (rows_ + 7) / 8) return Bad(what, "wrong number of rows");
      to->present.resize(rows_);
      for (std::size_t i = 0; i < rows_; ++i) {
        to->present[i] = static_cast<std::uint8_t>(from.present()->data()[i / 8] >> (i % 8) & 1);
      }
    }
    if (from.narrow() != nullptr) {
      QUIPU_TRY(CopyColumn(from.narrow(), what, &to->narrow));
      return CheckMantissas(*to, to->narrow, what);
    }
    if (rows_ == 0 || from.wide()->size() != std::uint64_t{rows_} * sizeof(Int128)) {
      return Bad(what, "wrong number of rows");
    }
    to->wide.resize(rows_);
    std::memcpy(to->wide.data(), from.wide()->data(), from.wide()->size());
    return CheckMantissas(*to, to->wide, what);
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

  /// Ordinals, times, sources, identities.
  Status CheckRows() {
    std::string_view customer;
    for (std::size_t i = 0; i < rows_; ++i) {
      if (i == 0 || out_.customers[i] != out_.customers[i - 1]) {
        customer = names_.Customer(out_.customers[i]);
      }
      if (customer.empty()) return Bad("customers", "an ordinal is not in the catalogue");
      if ((i == 0 || out_.services[i] != out_.services[i - 1]) &&
          names_.Service(out_.services[i]).empty()) {
        return Bad("services", "an ordinal is not in the catalogue");
      }
      if (out_.times[i] < kTimeMin || out_.times[i] >= kTimeMax) {
        return Bad("times", "a time is outside the years 1 to 9999");
      }
      if (out_.sources.codes[i] == 0) return Bad("sources", "a row has none");
      QUIPU_TRY(CheckIdentity(i, customer));
    }
    return {};
  }

  const fb::Commit& commit_;
  const Names& names_;
  const std::size_t rows_;
  RowBatch out_;
};

}  // namespace

Result<std::string> EncodeCommit(std::uint64_t seq, const RowBatch& rows) {
  if (rows.bytes() > kCommitBytesMax) {
    return Status::Exhausted("a commit of " + std::to_string(rows.size()) + " events in " +
                             std::to_string(rows.dimensions.size() + rows.measures.size()) +
                             " columns is too large; send smaller batches");
  }
  QUIPU_CHECK(rows.size() <= std::numeric_limits<std::uint32_t>::max());
  Builder b(rows.bytes() + 4096);
  std::vector<flatbuffers::Offset<fb::DecimalColumn>> measures;
  for (const DecimalColumn& column : rows.measures) measures.push_back(EncodeDecimal(column, &b));
  std::vector<flatbuffers::Offset<fb::CodedColumn>> dimensions;
  for (const CodedColumn& column : rows.dimensions) dimensions.push_back(EncodeCoded(column, &b));
  const auto customers = b.CreateVector(rows.customers);
  const auto services = b.CreateVector(rows.services);
  const auto times = b.CreateVector(rows.times);
  const auto keys = b.CreateVectorOfStructs(
      reinterpret_cast<const fb::IdKey*>(rows.identities.data()), rows.size());
  const bool one_form = std::adjacent_find(rows.id_forms.begin(), rows.id_forms.end(),
                                           std::not_equal_to<>()) == rows.id_forms.end();
  const auto forms = b.CreateVector(reinterpret_cast<const std::uint8_t*>(rows.id_forms.data()),
                                    one_form ? std::min<std::size_t>(1, rows.size()) : rows.size());
  const auto texts = rows.id_texts.size() == 0 ? 0 : EncodeStrings(rows.id_texts, &b);
  const auto millis = rows.id_millis.empty() ? 0 : b.CreateVector(rows.id_millis);
  const auto sources = EncodeCoded(rows.sources, &b);
  const auto measure_list = b.CreateVector(measures);
  const auto dimension_list = b.CreateVector(dimensions);
  fb::FinishCommitBuffer(
      b, fb::CreateCommit(b, kCommitFormatVersion, seq, static_cast<std::uint32_t>(rows.size()),
                          customers, services, times, keys, forms, texts, millis, sources,
                          measure_list, dimension_list));
  const std::string_view payload(reinterpret_cast<const char*>(b.GetBufferPointer()), b.GetSize());
  std::string out;
  out.reserve(kChecksumBytes + payload.size());
  ByteWriter(&out).U64(Hash64(payload));
  out += payload;
  return out;
}

Result<DecodedCommit> DecodeCommit(std::string_view blob, const Names& names) {
  if (blob.size() < kChecksumBytes) {
    return Status::Corruption("commit: the blob is " + std::to_string(blob.size()) +
                              " bytes, too short");
  }
  // FlatBuffers reads numbers in place; the memory of RocksDB has any alignment.
  std::string aligned;
  if (reinterpret_cast<std::uintptr_t>(blob.data()) % 8 != 0) {
    aligned = blob;
    blob = aligned;
  }
  const std::string_view payload = blob.substr(kChecksumBytes);
  if (LoadLe<std::uint64_t>(blob.data()) != Hash64(payload)) {
    return Status::Corruption("commit: checksum mismatch in a blob of " +
                              std::to_string(blob.size()) + " bytes");
  }
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(payload.data());
  flatbuffers::Verifier verifier(bytes, payload.size(), kVerifierDepth, kVerifierTables);
  if (!fb::VerifyCommitBuffer(verifier)) {
    return Status::Corruption("commit: not a well-formed blob");
  }
  const fb::Commit* commit = fb::GetCommit(bytes);
  if (commit->format_version() > kCommitFormatVersion) {
    return Status::Unsupported("commit " + std::to_string(commit->seq()) +
                               ": written by a newer Quipu (blob format " +
                               std::to_string(commit->format_version()) + ")");
  }
  DecodedCommit decoded;
  decoded.seq = commit->seq();
  QUIPU_TRY_ASSIGN(decoded.rows, Decoder(*commit, names).Decode());
  return decoded;
}

}  // namespace quipu
