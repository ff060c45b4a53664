// Quipu as an engine under test, through include/quipu only.
//
// Processes: one ingests (batches of 1,000, at most 16 of them sent and not yet acknowledged; durable at acknowledgement, deduplicated, sealing
// and merging in the background) and leaves a compacted, closed store; one opens that store cold and asks. Then, each in a folder of its own:
// one archives a copy of the store without ids, one ingests the same rows again without looking for repeats, one writes batches of which
// the caller waits for each, then single events, and one runs `quipu import` on the rows as text.
#pragma once

#include "quipu/event.h"
#include "quipu/options.h"
#include "usage/engine.h"

namespace quipu::usage {

/// Rows become batches here: the client's share of an ingest, which is inside every measured time.
class EventMaker {
 public:
  explicit EventMaker(const RowFile& file)
      : customer_digits_(generate::CustomerDigits(file.workload.customers)) {}
  void Add(const WorkloadRow& row, EventBatch* batch);

 private:
  int customer_digits_;
  std::string id_, customer_;
  Event event_;
};

/// The options of every store of the benchmark: the defaults, for recorded data.
Options StoreOptions();

/// Fails (kInternal) unless exactly the planted repeats were answered `duplicate` and all else `accepted`.
Result<EngineReport> QuipuIngest(const EngineTask& task);
/// For questions that depend on the length of history: without the check for repeats, whose cost grows with the number of segments.
Result<EngineReport> QuipuHistory(const EngineTask& task);
/// With Options::check_identities off and without the merging at the end; gives ingest_unchecked_events_per_second.
Result<EngineReport> QuipuUncheckedIngest(const EngineTask& task);
/// Of the store that QuipuIngest left in the same folder: opened cold, and asked if the task says so; or only EngineTask::first_ask.
Result<EngineReport> QuipuQuestions(const EngineTask& task);
/// Of a copy of that store, with a summary by dimension that answers Q9.
Result<EngineReport> QuipuDeclared(const EngineTask& task);
/// Of a copy of that store. Fails (kInternal) if archiving changed an answer. Without metrics if some month ended less than the identity window
/// ago: its ids would have to stay.
Result<EngineReport> QuipuArchive(const EngineTask& task);
Result<EngineReport> QuipuSingleEvents(const EngineTask& task);
/// The program `quipu` beside this one imports the first rows as ndjson and as csv; without metrics if it is not there.
Result<EngineReport> QuipuImport(const EngineTask& task);

}  // namespace quipu::usage
