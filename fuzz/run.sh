#!/usr/bin/env bash
# fuzz/run.sh [SECONDS [TARGET...]]: runs fuzz targets (all of them by default), each for so long (20 by default). New inputs grow
# build/fuzz/corpus/TARGET; a finding is written to fuzz/corpus/TARGET/, where the tests replay it from then on. Of each target one line says how many
# inputs it ran and how many branches they reached; its whole output is build/fuzz/TARGET.log.
# QUIPU_SEED makes the same choices again (as far as time allows). QUIPU_FUZZ_MERGE=1 runs nothing: it adds the grown inputs that reach something new to
# fuzz/corpus/TARGET.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-${QUIPU_FUZZ_SECONDS:-20}} # "" is none, too
[ $# -eq 0 ] || shift
programs=build/debug/bin
export UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1}
# Thousands of short lives a second: little is kept of what was freed, and of where.
export ASAN_OPTIONS=${ASAN_OPTIONS:-quarantine_size_mb=16:malloc_context_size=8}
targets=("$@")
if [ ${#targets[@]} -eq 0 ]; then
  for program in "$programs"/*_fuzz; do
    [ -x "$program" ] && targets+=("$(basename "$program")")
  done
fi
[ ${#targets[@]} -gt 0 ] || { echo "$0: no fuzz target in $programs; run 'make fuzz'" >&2; exit 1; }
# The schedule by entropy took half of the time of the targets with many branches.
options=(-timeout=10 -rss_limit_mb=2048 -max_len=65536 -entropic=0)
[ -z "${QUIPU_SEED:-}" ] || options+=(-seed=$((QUIPU_SEED % 2147483647 + 1)))
status=0
for name in "${targets[@]}"; do
  seeds=fuzz/corpus/$name
  grown=build/fuzz/corpus/$name
  log=build/fuzz/$name.log
  mkdir -p "$seeds" "$grown"
  if [ "${QUIPU_FUZZ_MERGE:-0}" = 1 ]; then
    "$programs/$name" "${options[@]}" -merge=1 "$seeds" "$grown" >"$log" 2>&1 || status=1
    continue
  fi
  dictionary=()
  [ ! -e "fuzz/dictionaries/$name" ] || dictionary=(-dict="fuzz/dictionaries/$name")
  result=passed
  "$programs/$name" "${options[@]}" "${dictionary[@]}" -max_total_time="$seconds" -print_final_stats=1 -artifact_prefix="$seeds/" \
    "$grown" "$seeds" >"$log" 2>&1 || { result=FAILED; status=1; }
  inputs=$(awk '$1 == "stat::number_of_executed_units:" { print $2 }' "$log")
  reached=$(awk '/ cov: / { for (i = 1; i < NF; i++) if ($i == "cov:") cov = $(i + 1) } END { print cov + 0 }' "$log")
  echo "$name: $result, $seconds s, ${inputs:-?} inputs, $reached branches reached"
  [ "$result" = passed ] || tail -n 60 "$log"
done
exit $status
