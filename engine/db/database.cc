// The public face: each call is checked, guarded against a lack of memory, and handed to the layer that does it.
#include "quipu/database.h"

#include <algorithm>

#include "db/amplification.h"
#include "db/database_impl.h"
#include "query/answer.h"
#include "query/events.h"
#include "query/find_event.h"
#include "query/sessions.h"
#include "upkeep/advise.h"
#include "upkeep/summary_build.h"
#include "upkeep/verify.h"

namespace quipu {
namespace {

/// A change: refused in a follower and after Close. Half of it in memory beside the whole of it on disk would be worse than a crash, which loses
/// nothing: without memory the process ends (docs/decisions/0022).
template <class Impl, class Change>
auto Changing(const Impl& impl, const Change& change) noexcept -> decltype(change()) {
  QUIPU_TRY(impl->CheckWritable());
  return change();
}

}  // namespace

Result<Database> OpenDatabaseIn(const std::string& path, const Options& options,
                                const StoreEnvironment& environment) {
  return Reading([&]() -> Result<Database> {
    QUIPU_TRY_ASSIGN(auto store, Store::Open(path, options, environment));
    const std::uint64_t seed =
        environment.random_seed != 0 ? environment.random_seed : Random::SystemSeed();
    return Database(std::make_unique<Database::Impl>(std::move(store), seed));
  });
}

Result<Database> Database::Open(const std::string& path, const Options& options) {
  return OpenDatabaseIn(path, options, {});
}

Database::Database(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Database::Database(Database&&) noexcept = default;
Database& Database::operator=(Database&&) noexcept = default;
Database::~Database() = default;

// ---- The way in.

Result<IngestReply> Database::Ingest(const EventBatch& batch) {
  return Changing(impl_, [&] { return impl_->committer().SubmitAndWait(batch); });
}

Status Database::IngestAsync(EventBatch batch, std::function<void(Result<IngestReply>)> done) {
  return Changing(impl_,
                  [&] { return impl_->committer().Submit(std::move(batch), std::move(done)); });
}

// ---- Questions.

Result<ResultSet> Database::Query(const class Query& query) const {
  QUIPU_TRY(query.status());
  return Query(query.spec());
}

Result<ResultSet> Database::Query(const QuerySpec& spec) const {
  return impl_->Answer([&](const Impl::Snapshot& snapshot) {
    auto answer =
        RunQuery(*snapshot.view, impl_->store().catalogue(), spec, &impl_->query_resources());
    if (answer) answer->staleness_us = snapshot.staleness_us;
    return answer;
  });
}

Result<EventPage> Database::Events(const EventQuery& query) const {
  return impl_->Answer([&](const Impl::Snapshot& snapshot) {
    auto page = RunEventQuery(*snapshot.view, impl_->store().catalogue(), query);
    if (page) page->staleness_us = snapshot.staleness_us;
    return page;
  });
}

Result<SessionPage> Database::Sessions(const SessionQuery& query) const {
  return impl_->Answer([&](const Impl::Snapshot& snapshot) {
    return RunSessionQuery(*snapshot.view, impl_->store().catalogue(), query);
  });
}

Result<SessionTotals> Database::TotalSessions(const SessionQuery& query) const {
  return impl_->Answer([&](const Impl::Snapshot& snapshot) {
    return RunSessionTotals(*snapshot.view, impl_->store().catalogue(), query);
  });
}

Result<FoundEvent> Database::FindEvent(std::string_view customer, std::string_view source,
                                       std::string_view id) const {
  return impl_->Answer([&](const Impl::Snapshot& snapshot) {
    return RunFindEvent(*snapshot.view, impl_->store().catalogue(), customer, source, id);
  });
}

// ---- Upkeep.

Status Database::Seal() {
  return Changing(impl_, [&] { return impl_->Seal(); });
}

Status Database::Compact(const Progress& progress) {
  return Changing(impl_, [&] { return impl_->Compact(progress); });
}

Result<VerifyReport> Database::Verify(const Progress& progress) const {
  return Reading([&]() -> Result<VerifyReport> {
    QUIPU_TRY(impl_->CheckWritable());
    return VerifyStore(impl_->store(), progress);
  });
}

Result<ErasureInfo> Database::Erase(std::string_view customer) {
  return Changing(impl_, [&] { return impl_->Erase(customer); });
}

Status Database::FinishErasures(const Progress& progress) {
  return Changing(impl_, [&] { return impl_->FinishErasures(progress); });
}

Result<std::vector<ErasureInfo>> Database::Erasures() const {
  return impl_->Answer(
      [&](const Impl::Snapshot&) -> Result<std::vector<ErasureInfo>> { return impl_->Erasures(); });
}

Status Database::SetRetention(const RetentionPolicy& policy) {
  return Changing(impl_, [&] { return impl_->store().SetRetention(policy); });
}

Result<RetentionPolicy> Database::Retention() const {
  return impl_->Answer(
      [&](const Impl::Snapshot&) -> Result<RetentionPolicy> { return impl_->store().retention(); });
}

Status Database::SetCustomerClass(const std::string& customer, const std::string& customer_class) {
  return Changing(impl_, [&] { return impl_->SetCustomerClass(customer, customer_class); });
}

Result<RetentionReport> Database::Retain(const Progress& progress) {
  return Changing(impl_, [&] { return impl_->Retain(progress); });
}

Result<RetentionReport> Database::Archive(const ArchiveRequest& request, const Progress& progress) {
  return Changing(impl_, [&] { return impl_->Archive(request, progress); });
}

Status Database::DetachArchive(const std::string& folder) {
  return Changing(impl_, [&] { return impl_->DetachArchive(folder); });
}

Status Database::AttachArchive(const std::string& folder) {
  return Changing(impl_, [&] { return impl_->AttachArchive(folder); });
}

Result<FreezeInfo> Database::Freeze(const std::string& name) {
  return Changing(impl_, [&] { return impl_->Freeze(name); });
}

Result<std::vector<FreezeInfo>> Database::Freezes() const {
  return impl_->Answer(
      [&](const Impl::Snapshot& snapshot) { return impl_->Freezes(*snapshot.view); });
}

Status Database::DropFreeze(const std::string& name) {
  return Changing(impl_, [&] { return impl_->store().DropFreeze(name); });
}

// ---- Summaries by dimension.

Status Database::DeclareSummary(const SummarySet& set) {
  return Changing(impl_, [&] { return impl_->store().DeclareSummarySet(set); });
}

Status Database::DropSummary(const SummarySet& set) {
  return Changing(impl_, [&] { return impl_->store().DropSummarySet(set); });
}

Result<std::vector<SummarySetInfo>> Database::Summaries() const {
  return impl_->Answer([&](const Impl::Snapshot& snapshot) -> Result<std::vector<SummarySetInfo>> {
    return DescribeSummaries(*snapshot.view, impl_->store());
  });
}

Status Database::BuildSummaries(const Progress& progress) {
  return Changing(impl_, [&] { return impl_->BuildSummaries(progress); });
}

Result<SummaryAdvice> Database::AdviseSummaries(const Progress& progress) const {
  return impl_->Answer([&](const Impl::Snapshot& snapshot) {
    const std::uint64_t total = std::min(snapshot.view->totals.rows, kAdviceRowsMax);
    return Advise(*snapshot.view, impl_->store(), [&](std::uint64_t rows) {
      return !progress || progress(std::min(rows, total), total);
    });
  });
}

// ---- What is there.

Result<std::vector<ArchiveInfo>> Database::Archives() const {
  return impl_->Answer(
      [&](const Impl::Snapshot& snapshot) { return impl_->Archives(*snapshot.view); });
}

Result<std::vector<PartitionInfo>> Database::Partitions(bool by_customer) const {
  return impl_->Answer([&](const Impl::Snapshot& snapshot) {
    return impl_->Partitions(*snapshot.view, by_customer);
  });
}

Result<StoreInfo> Database::Info() const {
  return impl_->Answer([&](const Impl::Snapshot& snapshot) {
    auto info = impl_->Info(*snapshot.view);
    if (info) info->staleness_us = snapshot.staleness_us;
    return info;
  });
}

Result<std::vector<ColumnStorage>> Database::StorageByColumn() const {
  return impl_->Answer([&](const Impl::Snapshot& snapshot) -> Result<std::vector<ColumnStorage>> {
    return StorageOf(*snapshot.view, impl_->store().catalogue());
  });
}

Status Database::Close() { return impl_->Close(); }

}  // namespace quipu
