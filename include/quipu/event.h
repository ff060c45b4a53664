// quipu/event.h
//
// One fact of usage, and a batch of them on its way into the store.
//
//   quipu::EventBatch batch;
//   batch.Add({.id = "req-8231", .customer = "acme", .service = "api",
//              .dimensions = {{"endpoint", "/v1/chat"}, {"status", "200"}},
//              .measures = {{"duration_ms", 41}}});
//   auto reply = db->Ingest(batch);          // reply->outcomes[0] == quipu::Outcome::kAccepted
//
// An event's identity is (customer, source, id): the same identity again is answered `duplicate` when its content is the
// same and `conflict` when it is not, however much later it comes. An absent dimension differs from "", an absent measure
// from 0.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "quipu/decimal.h"
#include "quipu/status.h"
#include "quipu/time.h"

namespace quipu {

/// Limits on one event; one beyond them is answered `invalid`.
inline constexpr std::size_t kNameBytesMax =
    256;  ///< id, source, customer, service, dimension and measure names.
inline constexpr std::size_t kDimensionsMax = 64;
inline constexpr std::size_t kMeasuresMax = 64;
inline constexpr std::size_t kDimensionBytesMax = 4096;
/// Limits on one batch; Ingest refuses a larger one with kInvalidArgument.
inline constexpr std::size_t kBatchEventsMax = 65'536;
inline constexpr std::size_t kBatchBytesMax = 64u << 20;

struct Dimension {
  std::string_view name;
  std::string_view value;
};

struct Measure {
  std::string_view name;
  Decimal value;
};

/// What a caller hands in. The views need to live only until `EventBatch::Add` returns. Reuse one Event to save allocations.
struct Event {
  std::string_view id{};      ///< 1..256 bytes; empty = the engine makes a UUIDv7 and returns it.
  std::string_view source{};  ///< 0..256 bytes; part of the identity.
  std::optional<TimeUs> time{};  ///< Absent = when the engine receives it.
  std::string_view customer{};   ///< 1..256 bytes of UTF-8: who is billed.
  std::string_view service{};    ///< 1..256 bytes of UTF-8: what was used.
  Decimal quantity = 1;
  std::optional<Decimal> cost{};
  std::vector<Dimension>
      dimensions{};  ///< Names 1..256 bytes and unique, values 0..4096 bytes of UTF-8.
  std::vector<Measure> measures{};  ///< Names 1..256 bytes and unique; not "quantity" or "cost".
};

/// An optional stamp that makes a whole batch idempotent, like a Kafka producer's: sequences of one producer count 1, 2, 3...
/// A replay of one of the last 5 is answered from the stored reply; a gap, an older epoch, or other events under a number that was
/// used is kConflict.
struct ProducerStamp {
  std::string id;  ///< 1..256 bytes.
  std::uint64_t epoch =
      0;  ///< A higher epoch fences the lower ones and starts again at sequence 1.
  std::uint64_t sequence = 0;
};

class EventRows;

/// Events on their way in: an owned, packed copy of what was added. Movable, reusable after Clear(); not for several threads.
/// Equal strings are kept once, so that a batch of similar events is small.
class EventBatch {
 public:
  EventBatch();
  EventBatch(const EventBatch&);
  EventBatch(EventBatch&&) noexcept;  ///< The one moved from is empty.
  EventBatch& operator=(const EventBatch&);
  EventBatch& operator=(EventBatch&&) noexcept;
  ~EventBatch();

  /// Copies the event. Nothing is checked here; Ingest answers for each event.
  void Add(const Event& event);
  [[nodiscard]] std::size_t size() const noexcept;
  [[nodiscard]] bool empty() const noexcept { return size() == 0; }
  /// About how much memory the events take.
  [[nodiscard]] std::size_t bytes() const noexcept;
  /// Removes the events and the producer stamp; keeps some megabytes of memory for the next ones.
  void Clear() noexcept;

  /// The i-th event, viewing this batch's memory until the next change to it.
  [[nodiscard]] Event At(std::size_t i) const;

  std::optional<ProducerStamp> producer{};
  /// False: one invalid event refuses the batch (kInvalidArgument, nothing stored). True: it is skipped and reported.
  bool partial = false;

 private:
  friend class BatchView;            // engine/ingest reads the packed form directly
  std::unique_ptr<EventRows> rows_;  // null while nothing was added
};

/// The answer for one event. The numbers are stored with producer replies: do not change them.
enum class Outcome : std::uint8_t {
  kAccepted = 0,   ///< Stored and counted once.
  kDuplicate = 1,  ///< This identity is stored with the same content; not counted again.
  kConflict = 2,   ///< This identity is stored with other content; not stored.
  kInvalid = 3,    ///< Breaks a rule of the event model; not stored. `problems` says which.
  /// Not stored: nobody can tell any more whether it was counted, because ids of its month and service were dropped on purpose (rows that
  /// expired, an archive without ids, a detached archive); or it is older than Options::late_bound_us. A batch with a producer
  /// stamp is taken all the same, since its stamp tells; and so is an event that came without an id.
  kTooLate = 4,
};

/// Why an event was `invalid`.
struct EventProblem {
  std::size_t index = 0;  ///< Of the event in the batch.
  std::string field;      ///< "customer", "dimension endpoint", ...
  std::string message;
};

struct GeneratedId {
  std::size_t index = 0;
  std::string id;
};

/// The answer to one batch. All of its accepted events became durable and visible together.
struct IngestReply {
  std::uint64_t seq = 0;  ///< The commit that holds the accepted events; 0 if none was accepted.
  std::vector<Outcome> outcomes;
  std::vector<EventProblem> problems;      ///< At most 100, in index order.
  std::vector<GeneratedId> generated_ids;  ///< For the events that came without an id.
  bool replayed = false;  ///< Answered from a producer's stored reply (which keeps no `problems`).
  [[nodiscard]] std::size_t Count(Outcome o) const noexcept;
};

/// An event as the store returns it, owning its strings.
struct StoredEvent {
  std::string id, source;
  TimeUs time = 0;
  std::string customer, service;
  Decimal quantity;
  std::optional<Decimal> cost;
  std::vector<std::pair<std::string, std::string>> dimensions;  ///< In name order.
  std::vector<std::pair<std::string, Decimal>> measures;        ///< In name order.
};

}  // namespace quipu
