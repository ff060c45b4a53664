#!/usr/bin/env bash
# bench/run_micro.sh [REGEX]: runs every micro-benchmark (whose name matches), console and JSON output into build/bench/.
set -euo pipefail
cd "$(dirname "$0")/.."
filter=${1:-.}
out=build/bench
mkdir -p "$out"
ran=0
for program in build/release/bin/*_benchmark; do
  [ -x "$program" ] || continue
  name=$(basename "$program")
  echo "== $name"
  "$program" --benchmark_filter="$filter" --benchmark_out="$out/$name.json" --benchmark_out_format=json 2>&1 | tee "$out/$name.txt"
  ran=$((ran + 1))
done
[ "$ran" -gt 0 ] || { echo "$0: no benchmark in build/release/bin; run 'make bench'" >&2; exit 1; }
echo "The figures are in $out/"
