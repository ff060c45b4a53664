// Survey: everything that is left of a store, read without opening it and without changing it.
//
//     kv/ --ReadRemains--> manifest, names, commits      segments/, archives --SegmentReader::Verify--> sound, damaged or gone
//
// Every damage is a problem with its place; nothing stops at the first. Repair builds a new store from a survey, `quipu verify` prints the problems of one
// when the store does not open.
//
// Names: those of the catalogue; where it has none, those that the segments carry themselves. Two ordinals of one customer name are an erased
// customer (the lower) and its fresh start; the lower one then has no name here, and no row of it is saved (store/erasure.h).
#pragma once

#include <array>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "store/remains.h"
#include "store/store.h"

namespace quipu {

struct FoundSegment {
  SegmentMeta meta;  ///< The manifest's; if it does not have the file, the file's own.
  std::string path;
  std::shared_ptr<SegmentReader>
      reader;  ///< Null: it is not there, or its frame or footer is damaged.
  bool was_verified = false, is_sound = false;
  std::string damage;  ///< The first problem.
};

/// Names by ordinal, from wherever they were found; "" for others.
class FoundNames final : public Names {
 public:
  std::string_view Customer(CustomerOrdinal o) const override { return Of(NameKind::kCustomer, o); }
  std::string_view Service(ServiceOrdinal o) const override { return Of(NameKind::kService, o); }
  std::string_view Dimension(ColumnId c) const override { return Of(NameKind::kDimension, c); }
  std::string_view Measure(ColumnId c) const override { return Of(NameKind::kMeasure, c); }

  [[nodiscard]] std::string_view Of(NameKind kind, std::uint32_t ordinal) const;
  /// Keeps the name that is there already.
  void Add(NameKind kind, std::uint32_t ordinal, std::string_view name);
  /// Takes names away from the lower of two customers of one name, but for those in `erased`; returns how many.
  std::size_t DropRepeats(const std::vector<CustomerOrdinal>& erased);
  [[nodiscard]] const std::map<std::uint32_t, std::string>& all(NameKind kind) const {
    return names_[static_cast<std::size_t>(kind)];
  }

 private:
  std::array<std::map<std::uint32_t, std::string>, kNameKinds> names_;
};

struct Survey {
  Problems problems;
  bool kv_was_read = false;  ///< Else `remains` is empty.
  Remains remains;
  Hash128 store_id;
  FoundNames names;
  std::vector<FoundSegment>
      segments;  ///< What the manifest lists, but for detached folders; by id.
  std::vector<FoundSegment>
      unlisted;  ///< Readable files of this store beside them, newest first; verified if
                 ///< there is no manifest that would say more.
  std::vector<SegmentMeta> detached;
  std::map<std::uint64_t, RowBatch>
      hot;  ///< Commits that are not sealed, by seq. May be without rows.
  std::vector<std::uint64_t> lost_commits;  ///< Up to the last one recorded; ascending.
  std::uint64_t sealed = 0, last_seq = 0;   ///< As recorded, else as the commits say.
  std::uint64_t witnessed = 0;  ///< By the watermark: higher than last_seq if the log was cut.
  std::uint64_t pages = 0, rows = 0, cells = 0, bytes = 0;
};

struct SurveyPlan {
  std::string folder;
  std::string scratch;  ///< For a copy of kv/, see OpenDamagedRocksKv; "" = none.
  StoreEnvironment environment;
  PageCache* cache = nullptr;
};

/// Holds the store's lock meanwhile; it is returned with the survey. `progress` is called with rows verified.
struct LockedSurvey {
  std::unique_ptr<FileLock> lock;
  Survey survey;
};
Result<LockedSurvey> SurveyStore(const SurveyPlan& plan, const Progress& progress);

/// Verifies one file; its problems go into the survey's. False: it is damaged. kCancelled and the like are errors.
bool VerifyFound(FoundSegment* segment, Survey* survey);

/// `message` without "`place`: " in front.
std::string WithoutPlace(const std::string& place, std::string message);
/// "1 to 3, 7".
std::string RangesText(const std::vector<std::uint64_t>& ascending);

}  // namespace quipu
