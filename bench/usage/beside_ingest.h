// Questions beside ingest: how long a customer's page waits while events pour in.
//
// A store has a history of 89 days, merged as its upkeep leaves it. Then the 90th day comes in at a fixed rate, in batches of 1,000, each due at
// its time whether or not the ones before it are acknowledged; meanwhile one thread asks, also by a fixed schedule, in turn
//
//   daily_totals   count, quantity and cost by service and day of one customer, 30 days up to now
//   percentiles    p95 and p99 of duration by service of one customer, the same 30 days
//   month_total    the quantity of api of one customer in the month under way, as a quota asks it
//   control        nothing: the thread takes the processor for 0.2 ms. What it waits for is the machine, and no engine can be faster
//
// of customers drawn as the events are: large ones are asked about more often. Every latency counts from when the call was due (latency.h). The same
// questions without ingest come first. An answer has everything that was acknowledged before it was asked, so it reads unsealed events, too.
#pragma once

#include "usage/benchmark.h"

namespace quipu::usage {

/// Prints a table (and writes JSON, if asked). Exit status: 0 = done, whether or not the machine could keep the rate; 1 = a failure; 2 = wrong flags.
int RunBesideIngest(const BenchmarkOptions& options);

}  // namespace quipu::usage
