// Manifest values of the life cycle: the retention policy, customer classes, archive folders, forgotten ids. formats/store.md draws the bytes.
//
//   key in kMeta                     value
//   "archive/" number(be32)          an archive folder; numbers are never reused
//   "class/" customer ordinal(be32)  name of the class that a customer belongs to
//   "forgotten/" month(be32)         services of which ids of that month were dropped (forgotten_ids.h)
//   "retention"                      the policy
//
// Sealed like every value of the manifest (manifest.h).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "batch/row_batch.h"
#include "quipu/retention.h"
#include "quipu/status.h"
#include "store/forgotten_ids.h"

namespace quipu {

inline constexpr std::string_view kArchiveKeyPrefix = "archive/";
inline constexpr std::string_view kClassKeyPrefix = "class/";
inline constexpr std::string_view kForgottenKeyPrefix = "forgotten/";
inline constexpr std::string_view kRetentionKey = "retention";
inline constexpr std::size_t kRulesMax = 100;
inline constexpr std::size_t kRuleNameBytesMax = 64;
inline constexpr std::uint32_t kRetentionDaysMax = 36'500;

/// A folder that archived segments lie in.
struct ArchiveFolder {
  std::uint32_t number = 0;  ///< From 1; SegmentMeta::archive.
  std::string path;          ///< Absolute, or relative to the store's folder.
  bool is_attached = true;
  friend bool operator==(const ArchiveFolder&, const ArchiveFolder&) = default;
};
std::string MakeArchiveKey(std::uint32_t number);
std::string EncodeArchive(const ArchiveFolder& folder);
Result<ArchiveFolder> DecodeArchive(std::string_view key, std::string_view value);

std::string MakeClassKey(CustomerOrdinal customer);
std::string EncodeClass(CustomerOrdinal customer, std::string_view name);
struct CustomerClass {
  CustomerOrdinal customer = 0;
  std::string name;
};
Result<CustomerClass> DecodeClass(std::string_view key, std::string_view value);

std::string MakeForgottenKey(MonthIndex month);
std::string EncodeForgotten(MonthIndex month, const std::set<ServiceOrdinal>& services);
/// Adds the month to `out`.
Status DecodeForgotten(std::string_view key, std::string_view value, ForgottenMonths* out);

/// kInvalidArgument: names the rule and what is wrong with it.
Status CheckPolicy(const RetentionPolicy& policy);
std::string EncodePolicy(const RetentionPolicy& policy);
Result<RetentionPolicy> DecodePolicy(std::string_view value);

}  // namespace quipu
