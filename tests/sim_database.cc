#include <algorithm>
#include <condition_variable>
#include <mutex>

#include "base/check.h"
#include "db/database_impl.h"
#include "tests/sim_engine.h"

namespace quipu {
namespace {

class WholeDatabase final : public SimEngine {
 public:
  WholeDatabase(Database db, bool waits) : db_(std::move(db)), waits_(waits) {}
  ~WholeDatabase() override { WholeDatabase::Drain(); }

  TicketPtr Ingest(EventBatch batch) override {
    auto ticket = std::make_shared<Ticket>();
    if (waits_) {
      ticket->commit = as_of() + 1;
      ticket->answer.emplace(db_.Ingest(batch));
      if (*ticket->answer) ticket->commit = as_of();
      return ticket;
    }
    {
      const std::lock_guard lock(mutex_);
      ++waiting_;
    }
    const Status sent =
        db_.IngestAsync(std::move(batch), [this, ticket](Result<IngestReply> reply) {
          const std::lock_guard lock(mutex_);
          ticket->answer.emplace(std::move(reply));
          --waiting_;
          answered_.notify_all();
        });
    if (!sent.ok()) {
      const std::lock_guard lock(mutex_);
      ticket->answer.emplace(sent);
      --waiting_;
    }
    return ticket;
  }
  void WriteOne() override {}
  void Drain() override {
    std::unique_lock lock(mutex_);
    answered_.wait(lock, [&] { return waiting_ == 0; });
  }
  Status Sync() override { return {}; }
  Status Seal() override { return db_.Seal(); }
  Status Merge(const Within& within) override { return Compact(within); }
  Status Compact(const Within& within) override {
    return db_.Compact([&](std::uint64_t, std::uint64_t) {
      within();
      return true;
    });
  }
  Status Retain() override { return db_.Retain().error(); }
  Status Archive(const ArchiveRequest& request) override { return db_.Archive(request).error(); }
  Status Detach() override { return db_.DetachArchive(); }
  Status Attach() override { return db_.AttachArchive(); }
  Status SetRetention(const RetentionPolicy& policy) override { return db_.SetRetention(policy); }
  Status SetClass(const std::string& customer, const std::string& customer_class) override {
    return db_.SetCustomerClass(customer, customer_class);
  }
  [[nodiscard]] Result<RetentionPolicy> Retention() const override { return db_.Retention(); }
  Status Erase(const std::string& customer) override { return db_.Erase(customer).error(); }
  Status FinishErasures() override {
    QUIPU_TRY(db_.FinishErasures());
    QUIPU_TRY_ASSIGN(const std::vector<ErasureInfo> all, db_.Erasures());
    for (const ErasureInfo& e : all)
      if (!e.done) return Status::Conflict("an erasure waits for " + e.waits_for);
    return {};
  }
  Status Freeze(const std::string& name) override {
    const Status frozen = db_.Freeze(name).error();
    return frozen.code() == StatusCode::kAlreadyExists ? Status() : frozen;
  }
  Status DropFreeze(const std::string& name) override {
    const Status dropped = db_.DropFreeze(name);
    return dropped.code() == StatusCode::kNotFound ? Status() : dropped;
  }
  [[nodiscard]] std::map<std::string, std::uint64_t> Freezes() const override {
    std::map<std::string, std::uint64_t> commits;
    const auto list = db_.Freezes();
    QUIPU_CHECK(list.has_value());
    for (const FreezeInfo& info : *list) commits[info.name] = info.commit;
    return commits;
  }
  Status Close() override {
    Drain();
    return db_.Close();
  }

  [[nodiscard]] std::uint64_t as_of() const override {
    const auto info = db_.Info();
    QUIPU_CHECK(info.has_value());
    return info->as_of;
  }
  [[nodiscard]] std::uint64_t events() const override { return db_.Info()->events; }
  [[nodiscard]] bool is_detached() const override {
    const auto all = db_.Archives();
    return all &&
           std::any_of(all->begin(), all->end(), [](const ArchiveInfo& a) { return !a.attached; });
  }
  [[nodiscard]] Result<ResultSet> Query(const QuerySpec& spec) const override {
    return db_.Query(spec);
  }
  [[nodiscard]] Result<EventPage> Events(const EventQuery& query) const override {
    return db_.Events(query);
  }
  [[nodiscard]] Result<VerifyReport> Verify() const override { return db_.Verify(); }

 private:
  Database db_;
  bool waits_;
  std::mutex mutex_;
  std::condition_variable answered_;
  std::size_t waiting_ = 0;
};

}  // namespace

Result<std::unique_ptr<SimEngine>> OpenDatabase(const std::string& path, const Options& options,
                                                const StoreEnvironment& environment, bool waits) {
  QUIPU_TRY_ASSIGN(Database db, OpenDatabaseIn(path, options, environment));
  return std::unique_ptr<SimEngine>(std::make_unique<WholeDatabase>(std::move(db), waits));
}

}  // namespace quipu
