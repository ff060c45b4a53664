// Quipu as an engine under test, through include/quipu only.
//
// Three processes: one ingests (batches of 1,000 from one caller, durable at acknowledgement, deduplicated, sealing and
// merging in the background) and leaves a compacted, closed store; one opens that store cold and asks; one writes single
// events into a store of its own.
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
/// Of the store that QuipuIngest left in the same folder.
Result<EngineReport> QuipuQuestions(const EngineTask& task);
Result<EngineReport> QuipuSingleEvents(const EngineTask& task);

}  // namespace quipu::usage
