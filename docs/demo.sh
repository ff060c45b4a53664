#!/usr/bin/env bash
# `make demo`: a million realistic usage events from generation to answers. Works in build/demo, which it empties first.
set -euo pipefail
cd "$(dirname "$0")/.."
quipu=$PWD/build/release/bin/quipu
[ -x "$quipu" ] || { echo "$0: $quipu is missing; run 'make demo' or 'make build' first" >&2; exit 1; }
events=${EVENTS:-1000000}
customers=${CUSTOMERS:-10000}
rm -rf build/demo
mkdir -p build/demo
cd build/demo

bold='' plain=''
if [ -t 1 ]; then bold=$'\e[1m' plain=$'\e[0m'; fi
say() { printf '\n%s%s%s\n' "$bold" "$1" "$plain"; }
# run WHAT ARGUMENTS...: says what follows and the command, then runs it.
run() {
  say "$1"
  shift
  printf '$ quipu'
  printf ' %q' "$@"
  printf '\n'
  "$quipu" "$@"
}

say "$events events of $customers customers"
echo "\$ quipu generate --events $events --customers $customers --seed 7 --format ndjson > events.ndjson"
"$quipu" generate --events "$events" --customers "$customers" --seed 7 --format ndjson >events.ndjson
ls -lh events.ndjson | awk '{print $5 " in events.ndjson; the first event:"}'
head -n 1 events.ndjson

run 'A new store' init demo.quipu
run 'Import: durable, exact, each event once' import demo.quipu events.ndjson --format ndjson
run 'Usage: what was used and what it cost' usage demo.quipu
run 'Percentiles of the duration' stats demo.quipu --measure duration_ms
run 'The trend of one service' trends demo.quipu --measure quantity --service api
run 'Peaks: the busiest windows' peaks demo.quipu
run 'Ranking: the customers who pay most' top demo.quipu --by customer --measure 'sum(cost)'

say "The store is build/demo/demo.quipu; try: build/release/bin/quipu query build/demo/demo.quipu --select 'count,sum(cost),p99(duration_ms)' --window day"
