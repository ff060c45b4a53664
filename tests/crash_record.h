// What the parent of a crash test knows about a store that others write and that is cut short: for each event whether it must be there,
// must not be there, or may be either, from the lines that a child says before and after each call.
//
//     O                                   the store is open
//     S stream first count                a range is sent for the first time (or again after a crash, because nothing was heard of it)
//     T stream first count                a range is sent again
//     A stream first count outcomes seq   the answer to S or T; seq is the commit that took what was accepted
//     R stream first count outcomes seq   likewise, where the engine called it a replay of a stamped batch
//     X c                                 customer c is about to be erased
//     Y c                                 ... and is
//     L                                   a seal is about to be asked for
//     D                                   ... and is done
//     P                                   the retention policy is about to be set
//     F name                              a freeze of that name is about to be made
//     G name commit answer                ... and is, of that commit; what a question as of it was answered, - = not known
//     Q name                              a freeze is about to be dropped
//     Z name                              ... and is
//     E text                              something that must not happen
//
// Lines of several threads come in the order in which they were said, so what was said before X happened before the erasure, what was
// said after Y after it, and a send that overlaps [X, Y] may have been on either side of it.
//
// A process that is killed has done what it said. After a power cut only what was heard before it counts (PowerIsCut): what was said in the
// same instant may have been said of a disk that was not there any more. What such a line is about may be either.
//
// In interval mode a power cut may take the last commits (Loss::kSuffix): if one is gone, every later one is. A seal writes with a sync, which
// makes all before it durable.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tests/oracle.h"

namespace quipu {

inline constexpr std::size_t kCrashCustomers = 40;
inline constexpr std::size_t kStampedBatch = 50;

/// The time at which the children of the crash tests live.
TimeUs CrashNow();
/// What retention may take: older events of these services, all of them in stream 1.
TimeUs CrashExpiryEnd();
RetentionPolicy CrashPolicy();

/// Event `index` of a stream. Stream 0 is of the identity window; stream 1 are imports of old months in stamped batches of kStampedBatch
/// events of five customers. Ids have all forms.
Fact CrashFact(int stream, std::size_t index);
/// The same without making the event.
std::size_t CrashCustomer(int stream, std::size_t index);
/// Its service is dropped from old months with everything it had (kDeleted) or leaves summaries (kSummarised).
enum class CrashFate { kKept, kSummarised, kDeleted };
CrashFate CrashFateOf(const Fact& fact);
/// The event that the id names, as (stream, index).
std::optional<std::pair<int, std::size_t>> FindCrashEvent(const std::string& id);

/// What a crash may take of that which was acknowledged.
enum class Loss { kNothing, kSuffix };

class CrashRecord {
 public:
  enum class State : std::uint8_t { kAbsent, kPresent, kEither, kBeingErased };

  /// Another store; the sums go on.
  void StartStore(Loss loss);
  /// Another child; there may be several between two looks, of which only the first one sends events.
  void StartChild();
  /// Takes one line of a child; returns "" or what is wrong.
  std::string Hear(const std::string& line);
  /// What this child says from here on may have been said without a disk.
  void PowerIsCut() { is_cut_ = true; }
  /// What a look into the store found, per stream and index below sent(stream); nothing = not to be seen, because it may have expired.
  /// `as_of` is the last commit of the store. Returns "" or what contradicts what was heard. From here on what was seen is what is known.
  std::string Compare(const std::vector<std::vector<bool>>& seen, std::uint64_t as_of);

  /// Likewise of freezes: what a look found each to answer ("-" = events have left it).
  std::string CompareFreezes(const std::map<std::string, std::string>& found);

  [[nodiscard]] std::size_t sent(int stream) const { return streams_[stream].known.size(); }
  /// The first that was not acknowledged, or was and is lost as it may be.
  [[nodiscard]] std::size_t next(int stream) const { return streams_[stream].next; }
  [[nodiscard]] bool policy_told() const { return policy_told_; }

  /// Of all stores.
  struct Sums {
    std::size_t acknowledged = 0;                    ///< Events.
    std::size_t in_flight_kept = 0;                  ///< Batches.
    std::size_t in_flight_lost = 0;                  ///< Batches.
    std::size_t erasures = 0;                        ///< Acknowledged ones.
    std::size_t erasures_kept = 0;                   ///< Of those in flight.
    std::size_t erasures_lost = 0;                   ///< Of those in flight.
    std::size_t expired = 0;                         ///< Events.
    std::size_t freezes = 0;                         ///< Acknowledged ones.
    std::size_t freezes_kept = 0;                    ///< Of those in flight.
    std::size_t answers_kept = 0;                    ///< Looks at a freeze that answered as then.
    std::size_t suffixes_lost = 0, events_lost = 0;  ///< In interval mode.
  };
  [[nodiscard]] const Sums& sums() const { return sums_; }

 private:
  struct Known {
    State state = State::kAbsent;
    bool is_sending = false;
    bool overlaps = false;        ///< The last send and an erasure of the customer.
    bool is_lost = false;         ///< A crash took its batch: nobody may call it a repeat.
    bool may_be_stored = false;   ///< Its batch: an erasure of the customer does not change that.
    std::uint64_t seq = 0;        ///< Since the last look, the commit that took it.
    std::uint64_t after_seq = 0;  ///< Of the last send: commits acknowledged before it.
  };
  struct Stream {
    std::vector<Known> known;
    std::size_t next = 0;
  };
  std::string HearOfRange(const std::string& line);
  std::string HearOfFreeze(const std::string& line);
  void StartSending(int stream, std::size_t first, std::size_t count, bool again);
  std::string Answered(int stream, std::size_t first, const std::string& outcomes,
                       std::uint64_t seq, bool replayed);
  void Doubt(int stream, std::size_t first, std::size_t count);
  void StartErasing(std::size_t customer);
  void EndErasing(std::size_t customer);
  std::string CompareErasure(const std::vector<std::vector<bool>>& seen, std::uint64_t as_of);
  std::string CompareSuffix(const std::vector<std::vector<bool>>& seen, std::uint64_t as_of);
  std::string CompareInFlight(int stream, const std::vector<bool>& seen);
  std::string CompareEvents(int stream, const std::vector<bool>& seen);
  void NoteStoredBatches();
  void SkipStored(const std::vector<bool>& seen);
  [[nodiscard]] bool MayExpire(int stream, std::size_t index) const;
  template <class Do>
  void ForCustomer(std::size_t customer, Do&& visit);

  struct KnownFreeze {
    bool is_certain = false;     ///< It is there.
    std::string answer = "-";    ///< - = not known.
    std::uint64_t at_least = 0;  ///< The last commit that was acknowledged before it.
  };

  Stream streams_[2];
  std::map<std::string, KnownFreeze> freezes_;
  Loss loss_ = Loss::kNothing;
  bool is_cut_ = false;
  std::optional<std::size_t> erasing_;
  bool policy_told_ = false;
  std::uint64_t acknowledged_ = 0;  ///< The last commit of which an answer was heard.
  std::uint64_t sealing_ = 0;       ///< acknowledged_ when the last seal was asked for.
  std::uint64_t durable_ = 0;       ///< Commits up to this one are, whatever the mode.
  Sums sums_;
};

}  // namespace quipu
