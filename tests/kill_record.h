// What the parent of the kill test knows about a store that others write and that is killed: for each event whether it must be there,
// must not be there, or may be either, from the lines that a child says before and after each call.
//
//     S stream first count            a range is sent for the first time (or again after a kill, because nothing was heard of it)
//     T stream first count            a range is sent again
//     A stream first count outcomes   the answer to S
//     R stream first count outcomes   the answer to T, or to S where the engine called it a replay of a stamped batch
//     X c                             customer c is about to be erased
//     Y c                             ... and is
//     P                               the retention policy is about to be set
//     E text                          something that must not happen
//
// Lines of several threads come in the order in which they were said, so what was said before X happened before the erasure, what was
// said after Y after it, and a send that overlaps [X, Y] may have been on either side of it.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "tests/oracle.h"

namespace quipu {

inline constexpr std::size_t kKillCustomers = 40;
inline constexpr std::size_t kStampedBatch = 50;

/// The time at which the children of the kill test live.
TimeUs KillNow();
/// What retention may take: older events of these services, all of them in stream 1.
TimeUs KillExpiryEnd();
RetentionPolicy KillPolicy();

/// Event `index` of a stream. Stream 0 is of the identity window; stream 1 are imports of old months in stamped batches of kStampedBatch
/// events of five customers. Ids have all forms.
Fact KillFact(int stream, std::size_t index);
/// The same without making the event.
std::size_t KillCustomer(int stream, std::size_t index);
/// Its service is dropped from old months with everything it had (kDeleted) or leaves summaries (kSummarised).
enum class KillFate { kKept, kSummarised, kDeleted };
KillFate KillFateOf(const Fact& fact);
/// The event that the id names, as (stream, index).
std::optional<std::pair<int, std::size_t>> FindKillEvent(const std::string& id);

class KillRecord {
 public:
  enum class State : std::uint8_t { kAbsent, kPresent, kEither, kBeingErased };

  /// Takes one line of a child; returns "" or what is wrong.
  std::string Hear(const std::string& line);
  /// What a look into the store found, per stream and index below sent(stream); nothing = not to be seen, because it may have expired.
  /// Returns "" or what contradicts what was heard. From here on what was seen is what is known.
  std::string Compare(const std::vector<std::vector<bool>>& seen);

  [[nodiscard]] std::size_t sent(int stream) const { return streams_[stream].known.size(); }
  /// The first that was not acknowledged.
  [[nodiscard]] std::size_t next(int stream) const { return streams_[stream].next; }
  [[nodiscard]] bool policy_told() const { return policy_told_; }

  // What was seen in all.

  [[nodiscard]] std::size_t acknowledged() const { return acknowledged_; }
  [[nodiscard]] std::size_t in_flight_kept() const { return in_flight_kept_; }
  [[nodiscard]] std::size_t in_flight_lost() const { return in_flight_lost_; }
  [[nodiscard]] std::size_t erasures() const { return erasures_; }
  [[nodiscard]] std::size_t erasures_kept() const { return erasures_kept_; }
  [[nodiscard]] std::size_t erasures_lost() const { return erasures_lost_; }
  [[nodiscard]] std::size_t expired() const { return expired_; }

  /// Another store; the sums go on.
  void StartStore();

 private:
  struct Known {
    State state = State::kAbsent;
    bool is_sending = false;
    bool overlaps = false;  ///< The last send and an erasure of the customer.
  };
  struct Stream {
    std::vector<Known> known;
    std::size_t next = 0;
  };
  void StartSending(int stream, std::size_t first, std::size_t count, bool again);
  std::string Answered(int stream, std::size_t first, const std::string& outcomes, bool replayed);
  void StartErasing(std::size_t customer);
  void EndErasing(std::size_t customer);
  std::string CompareErasure(const std::vector<std::vector<bool>>& seen);
  std::string CompareInFlight(int stream, const std::vector<bool>& seen);
  template <class Do>
  void ForCustomer(std::size_t customer, Do&& visit);

  Stream streams_[2];
  std::optional<std::size_t> erasing_;
  bool policy_told_ = false;
  std::size_t acknowledged_ = 0, in_flight_kept_ = 0, in_flight_lost_ = 0;
  std::size_t erasures_ = 0, erasures_kept_ = 0, erasures_lost_ = 0, expired_ = 0;
};

}  // namespace quipu
