// The rows of the manifest, of arbitrary bytes with a right checksum: refused, or what was read is written as bytes that read the same.
//
// Input: one byte that chooses the row, then its payload.
#include "fuzz/rows.h"
#include "store/lifecycle_records.h"
#include "store/manifest.h"
#include "store/summary_sets.h"

namespace {

using namespace quipu;

/// `decode`: key and value to a Result; `encode`: its value to bytes under the same key.
template <class Decode, class Encode>
void Fuzz(const std::string& key, const std::string& payload, Decode&& decode, Encode&& encode) {
  const auto read = decode(key, SealValue(key, payload));
  if (!read) {
    QUIPU_CHECK(read.error().code() == StatusCode::kCorruption ||
                read.error().code() == StatusCode::kUnsupported);
    return;
  }
  const std::string once = encode(*read);
  const auto again = decode(key, once);
  QUIPU_CHECK(again.has_value() && encode(*again) == once);
}

void FuzzLifecycle(std::uint64_t row, const std::string& payload) {
  switch (row) {
    case 0:
      return Fuzz(MakeArchiveKey(1), payload, DecodeArchive, EncodeArchive);
    case 1:
      return Fuzz(MakeClassKey(7), payload, DecodeClass,
                  [](const CustomerClass& c) { return EncodeClass(c.customer, c.name); });
    case 2:
      return Fuzz(
          MakeForgottenKey(fuzz::kMonth), payload,
          [](std::string_view key, std::string_view value) -> Result<ForgottenMonths> {
            ForgottenMonths months;
            QUIPU_TRY(DecodeForgotten(key, value, &months));
            return months;
          },
          [](const ForgottenMonths& months) {
            return EncodeForgotten(fuzz::kMonth, months.at(fuzz::kMonth));
          });
    case 11:
      return Fuzz(
          std::string(kSummarySetsKey), payload,
          [](std::string_view, std::string_view value) { return DecodeSummarySets(value); },
          EncodeSummarySets);
    default:
      return Fuzz(
          std::string(kRetentionKey), payload,
          [](std::string_view, std::string_view value) { return DecodePolicy(value); },
          EncodePolicy);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input in(data, size);
  const std::uint64_t row = in.Take(1) % 12;
  const std::string payload = in.TakeText(in.left());
  const auto without_key = [](auto decode) {
    return [decode](std::string_view, std::string_view value) { return decode(value); };
  };
  switch (row) {
    case 4:
      Fuzz(std::string(kStoreRecordKey), payload, without_key(DecodeStoreRecord),
           EncodeStoreRecord);
      break;
    case 5:
      Fuzz(std::string(kLastCommitKey), payload, without_key(DecodeLastCommit), EncodeLastCommit);
      break;
    case 6:
      Fuzz(std::string(kSealedKey), payload, DecodeCounter,
           [](std::uint64_t value) { return EncodeCounter(kSealedKey, value); });
      break;
    case 7:
      Fuzz(
          MakeSegmentKey(12), payload,
          [](std::string_view key, std::string_view value) {
            return DecodeSegment(key, value, Hash128{1, 2});
          },
          EncodeSegment);
      break;
    case 8:
      Fuzz(MakeErasureKey(3), payload, DecodeErasure, EncodeErasure);
      break;
    case 9:
      Fuzz("billing", payload, DecodeProducer,
           [](const ProducerState& state) { return EncodeProducer("billing", state); });
      break;
    case 10:
      Fuzz(MakeFreezeKey("2026-03"), payload, DecodeFreeze, EncodeFreeze);
      break;
    default:
      FuzzLifecycle(row, payload);
  }
  return 0;
}
