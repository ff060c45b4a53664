// What a trace is played on: a Database, or the layers below it driven by hand on one thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "quipu/database.h"
#include "store/store.h"

namespace quipu {

/// A batch on its way.
struct Ticket {
  /// The commit that will hold it, once that is known; 0 = none, nothing is to be stored.
  std::uint64_t commit = 0;
  std::vector<Outcome> prepared;                ///< What the answer will say, once that is known.
  std::optional<Result<IngestReply>> answer{};  ///< Valid after Drain, or earlier.
};
using TicketPtr = std::shared_ptr<Ticket>;

/// Called now and then by long jobs.
using Within = std::function<void()>;

class SimEngine {
 public:
  virtual ~SimEngine() = default;

  virtual TicketPtr Ingest(EventBatch batch) = 0;
  virtual void WriteOne() = 0;  ///< The oldest commit that is prepared.
  virtual void Drain() = 0;     ///< Every ticket has its answer.
  virtual Status Sync() = 0;
  virtual Status Seal() = 0;
  virtual Status Merge(const Within& within) = 0;
  virtual Status Compact(const Within& within) = 0;
  virtual Status Retain() = 0;
  virtual Status Archive(const ArchiveRequest& request) = 0;
  virtual Status Detach() = 0;
  virtual Status Attach() = 0;
  virtual Status SetRetention(const RetentionPolicy& policy) = 0;
  virtual Status SetClass(const std::string& customer, const std::string& customer_class) = 0;
  [[nodiscard]] virtual Result<RetentionPolicy> Retention() const = 0;
  virtual Status Erase(const std::string& customer) = 0;
  /// Also an error if one of them is still under way afterwards.
  virtual Status FinishErasures() = 0;
  /// OK also if there is one of that name.
  virtual Status Freeze(const std::string& name) = 0;
  /// OK also if there is none.
  virtual Status DropFreeze(const std::string& name) = 0;
  /// Commits by name.
  [[nodiscard]] virtual std::map<std::string, std::uint64_t> Freezes() const = 0;
  virtual void Hold() {}
  /// The oldest reader looks once more; "" or what has changed.
  virtual std::string Release() { return ""; }
  virtual Status Close() = 0;

  [[nodiscard]] virtual std::uint64_t as_of() const = 0;
  [[nodiscard]] virtual std::uint64_t events() const = 0;
  [[nodiscard]] virtual bool is_detached() const = 0;
  [[nodiscard]] virtual Result<ResultSet> Query(const QuerySpec& spec) const = 0;
  [[nodiscard]] virtual Result<EventPage> Events(const EventQuery& query) const = 0;
  [[nodiscard]] virtual Result<VerifyReport> Verify() const = 0;
};

/// No threads: every step happens when it is asked for. Up to three commits are prepared and not written, as in Committer;
/// `batches_per_commit` share one.
Result<std::unique_ptr<SimEngine>> OpenLayers(const std::string& path, const Options& options,
                                              const StoreEnvironment& environment,
                                              std::size_t batches_per_commit);
/// The real thing with its threads. `waits`: a batch is answered before the next one is sent.
Result<std::unique_ptr<SimEngine>> OpenDatabase(const std::string& path, const Options& options,
                                                const StoreEnvironment& environment, bool waits);

}  // namespace quipu
