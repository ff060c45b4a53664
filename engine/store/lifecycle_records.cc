#include "store/lifecycle_records.h"

#include <set>

#include "base/bytes.h"
#include "base/check.h"
#include "quipu/event.h"
#include "store/catalogue.h"
#include "store/manifest.h"

namespace quipu {
namespace {

constexpr std::uint8_t kRecordVersion = 1;
constexpr std::size_t kPathBytesMax = 4096;

std::string NumberedKey(std::string_view prefix, std::uint32_t number) {
  std::string key(prefix);
  for (int shift = 24; shift >= 0; shift -= 8) key.push_back(static_cast<char>(number >> shift));
  return key;
}

Result<std::uint32_t> NumberOf(std::string_view prefix, std::string_view key) {
  if (!key.starts_with(prefix) || key.size() != prefix.size() + 4)
    return Status::Corruption("manifest: a key is malformed: 0x" + HexText(key));
  std::uint32_t number = 0;
  for (const char c : key.substr(prefix.size()))
    number = number << 8 | static_cast<std::uint8_t>(c);
  return number;
}

Status CheckVersion(std::uint8_t version, std::string_view what) {
  if (version <= kRecordVersion) return {};
  return Status::Unsupported(std::string(what) + ": written by a newer Quipu");
}

Status CheckEnd(const ByteReader& in, std::string_view what) {
  QUIPU_TRY(in.status(what));
  if (in.remaining() == 0) return {};
  return Status::Corruption(std::string(what) + ": bytes too many in the record");
}

}  // namespace

std::string MakeArchiveKey(std::uint32_t number) { return NumberedKey(kArchiveKeyPrefix, number); }

std::string EncodeArchive(const ArchiveFolder& folder) {
  std::string payload;
  ByteWriter w(&payload);
  w.U8(kRecordVersion);
  w.U8(folder.is_attached ? 1 : 0);
  w.Text(folder.path);
  return SealValue(MakeArchiveKey(folder.number), payload);
}

Result<ArchiveFolder> DecodeArchive(std::string_view key, std::string_view value) {
  const std::string what = "manifest: archive folder 0x" + HexText(key);
  QUIPU_TRY_ASSIGN(const std::string_view payload, UnsealValue(key, value, what));
  ByteReader in(AsBytes(payload));
  ArchiveFolder folder;
  QUIPU_TRY_ASSIGN(folder.number, NumberOf(kArchiveKeyPrefix, key));
  QUIPU_TRY(CheckVersion(in.U8(), what));
  folder.is_attached = in.U8() != 0;
  folder.path = in.Text();
  QUIPU_TRY(CheckEnd(in, what));
  if (folder.number == 0 || folder.path.empty() || folder.path.size() > kPathBytesMax)
    return Status::Corruption(what + ": impossible number or path");
  return folder;
}

std::string MakeClassKey(CustomerOrdinal customer) {
  return NumberedKey(kClassKeyPrefix, customer);
}

std::string EncodeClass(CustomerOrdinal customer, std::string_view name) {
  std::string payload;
  ByteWriter w(&payload);
  w.U8(kRecordVersion);
  w.Text(name);
  return SealValue(MakeClassKey(customer), payload);
}

Result<CustomerClass> DecodeClass(std::string_view key, std::string_view value) {
  const std::string what = "manifest: customer class 0x" + HexText(key);
  QUIPU_TRY_ASSIGN(const std::string_view payload, UnsealValue(key, value, what));
  ByteReader in(AsBytes(payload));
  CustomerClass out;
  QUIPU_TRY_ASSIGN(out.customer, NumberOf(kClassKeyPrefix, key));
  QUIPU_TRY(CheckVersion(in.U8(), what));
  out.name = in.Text();
  QUIPU_TRY(CheckEnd(in, what));
  return out;
}

std::string MakeForgottenKey(MonthIndex month) {
  return NumberedKey(kForgottenKeyPrefix, static_cast<std::uint32_t>(month));
}

std::string EncodeForgotten(MonthIndex month, const std::set<ServiceOrdinal>& services) {
  std::string payload;
  ByteWriter w(&payload);
  w.U8(kRecordVersion);
  w.Varint(services.size());
  for (const ServiceOrdinal service : services) w.U32(service);
  return SealValue(MakeForgottenKey(month), payload);
}

Status DecodeForgotten(std::string_view key, std::string_view value, ForgottenMonths* out) {
  const std::string what = "manifest: forgotten ids 0x" + HexText(key);
  QUIPU_TRY_ASSIGN(const std::string_view payload, UnsealValue(key, value, what));
  ByteReader in(AsBytes(payload));
  QUIPU_TRY_ASSIGN(const std::uint32_t number, NumberOf(kForgottenKeyPrefix, key));
  const auto month = static_cast<MonthIndex>(number);
  QUIPU_TRY(CheckVersion(in.U8(), what));
  const std::uint64_t count = in.Varint();
  std::set<ServiceOrdinal> services;
  for (std::uint64_t i = 0; i < count && in.ok(); ++i) services.insert(in.U32());
  QUIPU_TRY(CheckEnd(in, what));
  if (month < MonthOf(kTimeMin) || month > MonthOf(kTimeMax - 1) || services.size() != count ||
      (!services.empty() && *services.rbegin() >= kServicesMax)) {
    return Status::Corruption(what + ": impossible month or services");
  }
  (*out)[month] = std::move(services);
  return {};
}

Status CheckPolicy(const RetentionPolicy& policy) {
  const auto wrong = [](const RetentionRule& rule, const std::string& what) {
    return Status::InvalidArgument("retention rule '" + rule.name + "': " + what);
  };
  if (policy.rules.size() > kRulesMax)
    return Status::InvalidArgument("a retention policy has at most 100 rules");
  std::set<std::string_view> names;
  for (const RetentionRule& rule : policy.rules) {
    if (rule.name.empty() || rule.name.size() > kRuleNameBytesMax)
      return wrong(rule, "its name must have 1 to 64 bytes");
    if (!names.insert(rule.name).second) return wrong(rule, "there are two of this name");
    if (rule.service.size() > kNameBytesMax || rule.customer_class.size() > kNameBytesMax)
      return wrong(rule, "service and customer class have at most 256 bytes");
    for (const std::uint32_t days : {rule.keep_raw_days, rule.archive_after_days,
                                     rule.delete_after_days, rule.keep_summaries_days}) {
      if (days > kRetentionDaysMax) return wrong(rule, "more than 36,500 days; 0 keeps for ever");
    }
    if (rule.keep_summaries_days != 0 && rule.keep_summaries_days < rule.keep_raw_days)
      return wrong(rule, "summaries cannot go before the events, raise keep_summaries_days");
    if (rule.delete_after_days != 0 && rule.delete_after_days < rule.keep_raw_days)
      return wrong(rule, "delete_after_days comes before keep_raw_days; leave one of them out");
    if (rule.keep_summaries_days != 0 && rule.keep_raw_days == 0)
      return wrong(rule, "keep_summaries_days needs keep_raw_days: summaries of kept events stay");
  }
  return {};
}

std::string EncodePolicy(const RetentionPolicy& policy) {
  QUIPU_CHECK(policy.rules.size() <= kRulesMax);
  std::string payload;
  ByteWriter w(&payload);
  w.U8(kRecordVersion);
  w.U8(policy.archive_keeps_ids ? 1 : 0);
  w.U8(static_cast<std::uint8_t>(policy.rules.size()));
  for (const RetentionRule& rule : policy.rules) {
    w.Text(rule.name);
    w.Text(rule.service);
    w.Text(rule.customer_class);
    w.U32(rule.keep_raw_days);
    w.U32(rule.archive_after_days);
    w.U32(rule.delete_after_days);
    w.U32(rule.keep_summaries_days);
  }
  return SealValue(kRetentionKey, payload);
}

Result<RetentionPolicy> DecodePolicy(std::string_view value) {
  constexpr std::string_view kWhat = "manifest: retention policy";
  QUIPU_TRY_ASSIGN(const std::string_view payload, UnsealValue(kRetentionKey, value, kWhat));
  ByteReader in(AsBytes(payload));
  QUIPU_TRY(CheckVersion(in.U8(), kWhat));
  RetentionPolicy policy;
  policy.archive_keeps_ids = in.U8() != 0;
  const std::uint8_t rules = in.U8();
  for (std::uint8_t i = 0; i < rules && in.ok(); ++i) {
    RetentionRule& rule = policy.rules.emplace_back();
    rule.name = in.Text();
    rule.service = in.Text();
    rule.customer_class = in.Text();
    rule.keep_raw_days = in.U32();
    rule.archive_after_days = in.U32();
    rule.delete_after_days = in.U32();
    rule.keep_summaries_days = in.U32();
  }
  QUIPU_TRY(CheckEnd(in, kWhat));
  if (const Status sound = CheckPolicy(policy); !sound.ok())
    return Status::Corruption(std::string(kWhat) + ": " + std::string(sound.message()));
  return policy;
}

}  // namespace quipu
