#!/usr/bin/env bash
# tests/soak.sh HOURS: the whole laboratory in rotation, with a fresh seed each time, until HOURS (a decimal number) have passed. The report is
# build/soak/DATE/REPORT.md; the output of everything that failed lies beside it. Goes on after a failure and is a failure at the end then.
# Expects the release build, and the fuzz targets of the debug build if they are to take part.
set -euo pipefail
cd "$(dirname "$0")/.."
hours=${1:?usage: tests/soak.sh HOURS}
seconds=$(awk -v h="$hours" 'BEGIN { printf "%d", h * 3600 }')
[ "$seconds" -gt 0 ] || { echo "$0: '$hours' is not a number of hours" >&2; exit 2; }
end=$(($(date +%s) + seconds))
out=build/soak/$(date -u +%Y-%m-%dT%H%M%SZ)
mkdir -p "$out"
runs=$out/runs.tsv # round, program, seed, seconds, result, last words
: >"$runs"
failures=0
hang_seconds=14400 # nothing takes as long

# note ROUND PROGRAM SEED SECONDS RESULT WORDS
note() { printf '%s\t' "$@" | sed 's/\t$//' >>"$runs"; echo >>"$runs"; echo "$(date -u +%T) round $1: $2 $5, $4 s; seed $3; $6"; }

# run ROUND PROGRAM [name=value...] [-- options...]: one test program with a seed of its own, if it is built and time is left.
run() {
  local round=$1 program=$2 environment=() seed start status log result words
  shift 2
  [ -x "build/release/tests/$program" ] && [ "$(date +%s)" -lt "$end" ] || return 0
  while [ $# -gt 0 ] && [ "$1" != -- ]; do environment+=("$1"); shift; done
  [ $# -eq 0 ] || shift
  seed=$(od -An -N7 -tu8 /dev/urandom | tr -d ' ')
  log=$out/$round-$program.log
  start=$(date +%s)
  status=0
  env QUIPU_SEED="$seed" "${environment[@]}" timeout -k 10 "$hang_seconds" "build/release/tests/$program" "$@" >"$log" 2>&1 || status=$?
  result=passed
  grep -q '^\[  SKIPPED \]' "$log" && result=skipped
  # What a program says of itself is its line that counts something.
  words=$(grep -v '^\[' "$log" | grep -E '[0-9]+ ' | tail -1 | tr '\t' ' ' || true)
  if [ "$status" -ne 0 ]; then
    result=FAILED
    failures=$((failures + 1))
    words="see $log: ${environment[*]} QUIPU_SEED=$seed build/release/tests/$program $*"
  else
    rm -f "$log"
  fi
  note "$round" "$program" "$seed" "$(($(date +%s) - start))" "$result" "$words"
}

# fuzz ROUND SECONDS: every fuzz target.
fuzz() {
  local round=$1 start status=0 seed log=$out/$1-fuzz.log
  compgen -G 'build/debug/bin/*_fuzz' >/dev/null && [ "$(date +%s)" -lt "$end" ] || return 0
  seed=$(od -An -N4 -tu4 /dev/urandom | tr -d ' ')
  start=$(date +%s)
  QUIPU_SEED=$seed fuzz/run.sh "$2" >"$log" 2>&1 || status=$?
  local words
  words=$(awk '/ inputs, / { for (i = 2; i <= NF; i++) { if ($i == "inputs,") n += $(i - 1); if ($i == "branches") b += $(i - 1) } t++ }
    END { printf "%d targets, %d inputs, %d branches reached", t, n, b }' "$log")
  if [ "$status" -eq 0 ]; then
    rm -f "$log"
    note "$round" fuzz "$seed" "$(($(date +%s) - start))" passed "$words"
  else
    failures=$((failures + 1))
    note "$round" fuzz "$seed" "$(($(date +%s) - start))" FAILED "see $log and fuzz/corpus/"
  fi
}

report() {
  {
    echo "# Soak of $hours hours"
    echo
    echo "Commit $(git describe --always --dirty 2>/dev/null || echo unknown), $(uname -r), $(nproc) processors, ended $(date -u +%FT%TZ). $failures runs failed."
    echo
    echo "| program | runs | seconds | failed | skipped |"
    echo "|---|---|---|---|---|"
    awk -F'\t' '{ n[$2]++; s[$2] += $4; f[$2] += $5 == "FAILED"; k[$2] += $5 == "skipped" }
      END { for (p in n) printf "| %s | %d | %d | %d | %d |\n", p, n[p], s[p], f[p], k[p] }' "$runs" | sort
    echo
    echo "| round | program | seed | seconds | result | what it said |"
    echo "|---|---|---|---|---|---|"
    awk -F'\t' '{ gsub(/\|/, "/"); printf "| %s | %s | %s | %s | %s | %s |\n", $1, $2, $3, $4, $5, $6 }' "$runs"
  } >"$out/REPORT.md"
}
trap report EXIT

for ((round = 1; $(date +%s) < end; ++round)); do
  run "$round" crash_power_test QUIPU_POWER_CUTS=2000
  run "$round" crash_kill_test QUIPU_KILL_CYCLES=2000
  run "$round" sim_test QUIPU_CRASHES=100000
  run "$round" model_test QUIPU_ROUNDS=50
  run "$round" same_answers_test QUIPU_ROUNDS=20
  run "$round" aggregates_test QUIPU_ROUNDS=30
  run "$round" follower_test QUIPU_FOLLOW_KILLS=200
  fuzz "$round" 60
  run "$round" repair_test
  run "$round" erase_test
  run "$round" disk_full_test
  # What is swept in full does the same in each round, but for its seed; corruption_test takes hours for it.
  sweep=()
  if ((round % 4 == 1)); then sweep=(QUIPU_SWEEP=full); fi
  run "$round" fault_loop_test "${sweep[@]}"
  run "$round" system_call_test "${sweep[@]}"
  run "$round" allocation_test "${sweep[@]}"
  run "$round" log_damage_test "${sweep[@]}"
  run "$round" list_damage_test "${sweep[@]}"
  if ((round % 8 == 0)); then run "$round" corruption_test QUIPU_SWEEP=full; else run "$round" corruption_test; fi
done
report
trap - EXIT
echo "$out/REPORT.md"
[ "$failures" -eq 0 ]
