// The oracle: what a store should hold and answer, as an ordered map of events and the plainest
// code that evaluates a question. Nothing here is shared with the engine but the public types, the
// calendar (Windower, which has its own test against the date library) and the identity hash, which
// breaks ties by definition.
//
// What it promises: every answer is exact. Where the engine may approximate (quantiles over more
// than 1,024 values, more than 512 distinct values), `Disagreement` allows the stated error;
// everything else must be equal to the last digit.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "base/identity.h"
#include "quipu/database.h"
#include "quipu/retention.h"

namespace quipu {

/// An event as a test thinks of it: owning, with dimensions and measures in name order.
struct Fact {
  std::string id, source;
  TimeUs time = 0;
  bool time_given = true;
  std::string customer, service;
  Decimal quantity = 1;
  std::optional<Decimal> cost;
  std::map<std::string, std::string> dimensions;
  std::map<std::string, Decimal> measures;
  bool id_given = true;
  bool invalid = false;   ///< Breaks a rule of the event model; the engine must say so.
  std::uint64_t seq = 0;  ///< The commit that stored it.

  // What the life cycle did to it.

  bool is_archived = false;    ///< It lies in the archive folder,
  bool is_detached = false;    ///< ... which is not there.
  bool is_summarised = false;  ///< Only summaries know it.
  bool has_lost_id = false;    ///< It lies in the archive without its id.

  Hash128 identity;  ///< Of (customer, source, id); set by Oracle::Ingest.

  /// Whether a repeated delivery can be compared with it.
  [[nodiscard]] bool HasId() const { return !is_detached && !is_summarised && !has_lost_id; }
  /// The number in a column of that name, or null: `quantity`, `cost` or a measure.
  [[nodiscard]] const Decimal* Number(const std::string& column) const;
  /// The text in a column of that name, or null: `customer`, `service` or a dimension.
  [[nodiscard]] const std::string* Text(const std::string& column) const;
  [[nodiscard]] bool SameContent(const Fact& other, bool with_time) const;
};

/// What the store must say to a question after some events have expired or are out of reach.
enum class Reach : std::uint8_t {
  kAnswer,  ///< The exact answer.
  kError,   ///< kOutOfRange: an answer would lack something.
  kEither,  ///< One of both: the layout of the summaries decides.
};

/// Adds the fact to a batch.
void AddTo(EventBatch* batch, const Fact& fact);
/// "" or what differs between the stored event and the fact.
std::string Difference(const StoredEvent& stored, const Fact& fact);

/// An exact sum without a bound: whole units and units of 10^-18 apart.
class Total {
 public:
  void Add(const Decimal& d);
  /// kOutOfRange if the lowest terms do not fit 128 bits.
  [[nodiscard]] Result<Decimal> ToDecimal() const;
  /// Rounded half to even at 18 digits.
  [[nodiscard]] Result<Decimal> DividedBy(std::uint64_t count) const;

 private:
  Int128 whole_ = 0, fraction_ = 0;
};

/// One value of an answer.
struct OracleCell {
  enum class Slack : std::uint8_t { kNone, kQuantile, kDistinct, kAny };
  bool present = false;
  bool approximate = false;  ///< The column must say so.
  Slack slack = Slack::kNone;
  ColumnType type = ColumnType::kInteger;
  TimeUs time = 0;
  std::string text;
  std::int64_t integer = 0;
  Decimal decimal;
};

struct OracleAnswer {
  std::vector<std::string> names;
  std::vector<std::vector<OracleCell>> rows;
  bool limited = false;  ///< QuerySpec::limit cut rows off.
  /// first or latest is one of several events of one instant whose ids, which decide, are gone.
  bool is_ambiguous = false;
};

class Oracle {
 public:
  /// Decides the outcome of each fact, as Ingest would; accepted ones are kept as stored by commit
  /// `seq`. `stamped`: in a batch with a producer stamp. `observed` is what the engine said: it decides where both
  /// kAccepted and kTooLate are right, because ids of an erased customer may have been dropped with others, or erased before that.
  std::vector<Outcome> Ingest(const std::vector<Fact>& facts, std::uint64_t seq,
                              bool stamped = false, const std::vector<Outcome>& observed = {});
  /// The bytes of erased customers are gone.
  void FinishErasures() { ghosts_.clear(); }
  /// Everything of the customer is gone; returns how many events that were.
  std::size_t Erase(const std::string& customer);
  /// What Database::Retain does at `now`.
  void Retain(const RetentionPolicy& policy, TimeUs now, std::int64_t identity_window_us,
              bool can_archive);
  /// What Database::Archive does.
  void Archive(const ArchiveRequest& request, TimeUs now, std::int64_t identity_window_us);
  void Detach();
  void Attach();
  /// False: an archived event's month needs its ids at `now`.
  [[nodiscard]] bool MayDetach(TimeUs now, std::int64_t identity_window_us) const;
  void SetClass(const std::string& customer, const std::string& customer_class) {
    classes_[customer] = customer_class;
  }
  /// Of a question; of one that is asked with `raw_only`; of pages.
  [[nodiscard]] Reach ReachOf(const QuerySpec& spec) const;
  [[nodiscard]] Reach ReachOf(const EventQuery& query) const;
  /// Something of it may have been forgotten or be out of reach.
  [[nodiscard]] bool IsWhole() const;
  /// What is there of the commits after `after` up to `through`: an earlier state, or what has come since one. To be asked, not to ingest.
  [[nodiscard]] Oracle Part(std::uint64_t after, std::uint64_t through) const;
  /// A power cut took the commits after this one.
  void ForgetAfter(std::uint64_t seq);
  /// kOutOfRange if a sum does not fit.
  [[nodiscard]] Result<OracleAnswer> Ask(const QuerySpec& spec) const;
  /// The events of a raw query in (time, identity) order.
  [[nodiscard]] std::vector<const Fact*> Events(const EventQuery& query) const;
  [[nodiscard]] const Fact* Find(const std::string& customer, const std::string& source,
                                 const std::string& id) const;
  [[nodiscard]] std::size_t size() const { return facts_.size(); }

 private:
  using Key = std::tuple<std::string, std::string, std::string>;
  /// From the first event to behind the last one.
  [[nodiscard]] std::pair<TimeUs, TimeUs> Extent() const;
  /// kError if something that it needs is missing; `whole_days` = summaries of days are enough for it.
  [[nodiscard]] Reach ReachOf(EventQuery scope, bool days_are_enough) const;
  /// Takes the fact through the steps that are due; false = nothing of it stays.
  bool Stays(const RetentionPolicy& policy, TimeUs now, std::int64_t identity_window_us,
             bool can_archive, Fact* fact) const;
  [[nodiscard]] const RetentionRule* RuleFor(const RetentionPolicy& policy, const Fact& fact) const;

  enum class Lateness : std::uint8_t { kInTime, kPerhaps, kTooLate };
  [[nodiscard]] Lateness LatenessOf(const Fact& fact) const;
  static std::pair<int, std::string> PlaceOf(const Fact& fact);

  std::map<Key, Fact> facts_;
  /// Rows of erased customers may lie in a folder that is detached: the store cannot tell whose its rows are.
  bool has_erased_ = false, is_detached_ = false;
  std::vector<Fact> ghosts_;  // erased; the life cycle may still do to them what it does to others
  /// Months and services of which ids were dropped; those of erased events perhaps.
  std::set<std::pair<int, std::string>> forgotten_, perhaps_forgotten_;
  std::set<int> detached_, perhaps_detached_;  // months, until the folder is attached again
  std::map<std::string, std::string> classes_;
  std::set<std::string> measures_;  // that any event ever had
};

/// "" if the engine's answer is the oracle's within the slack of each cell, otherwise what differs.
std::string Disagreement(const OracleAnswer& expected, const ResultSet& got);

/// An answer as text, every value, type and flag, but not where it came from: equal texts are
/// byte-identical answers.
std::string AnswerText(const ResultSet& answer);

}  // namespace quipu
