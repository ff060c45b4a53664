// The command line `quipu`: what people and scripts type.
//
// Why a layer of its own: everything here works through include/quipu, as any other host program must. If a command needs
// something that the public API cannot say, the API is what is missing.
//
//   cli/       one file per group of commands: flags in, exit status out
//   import/    bytes -> lines -> events -> batches
//   output/    answers -> table, JSON, CSV
//   progress/  the bar on a terminal, the plain lines elsewhere
//   generate/  the reference workload
//
// Invariants:
//  1. Answers go to standard output; errors, notices and progress to standard error. A pipe never sees a progress bar.
//  2. Exit status: 0 done, 1 failed (also: in part), 2 wrong usage, 130 or 143 stopped by Ctrl-C or SIGTERM with the store closed soundly.
//  3. An error says what, where and what to do.
//
// Example: `quipu top S --by customer --limit 3 --format json` parses in cli/query_commands.cc, becomes a QuerySpec, and its
// ResultSet is printed by output/json.cc.
#pragma once

namespace quipu::cli {

/// Runs one command. Returns the exit status.
int Run(int argc, char** argv);

}  // namespace quipu::cli
