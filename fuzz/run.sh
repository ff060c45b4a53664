#!/usr/bin/env bash
# fuzz/run.sh [SECONDS]: runs every fuzz target for so long (20 by default). New inputs grow build/fuzz/corpus/TARGET; a
# finding is written to fuzz/corpus/TARGET/, where the tests replay it from then on.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-20}
export UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1}
ran=0
status=0
for program in build/fuzz/bin/*_fuzz; do
  [ -x "$program" ] || continue
  name=$(basename "$program")
  seeds=fuzz/corpus/$name
  grown=build/fuzz/corpus/$name
  mkdir -p "$seeds" "$grown"
  echo "== $name, $seconds s"
  "$program" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -max_len=65536 -print_final_stats=1 \
    -artifact_prefix="$seeds/" "$grown" "$seeds" || status=1
  ran=$((ran + 1))
done
[ "$ran" -gt 0 ] || { echo "$0: no fuzz target in build/fuzz/bin; run 'make fuzz'" >&2; exit 1; }
exit $status
