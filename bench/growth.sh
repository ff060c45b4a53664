#!/usr/bin/env bash
# bench/growth.sh [SIZES]: the same questions with histories of 1, 10 and 100 million events (36, 360 and 3,600 days), one after the other;
# writes bench/growth.svg and bench/growth.csv. Needs 9 GB of disk and some minutes of a quiet machine for the largest.
set -euo pipefail
cd "$(dirname "$0")/.."
sizes=${1:-1000000,10000000,100000000}
[ -x build/release/bin/usagebench ] || { echo "$0: no build/release/bin/usagebench; run 'make build'" >&2; exit 1; }
mkdir -p build/bench
build/release/bin/usagebench --growth "$sizes" --label "commit $(git rev-parse --short HEAD), $(date -u +%F)" \
  --dir build/bench/growth --svg bench/growth.svg --csv bench/growth.csv --json build/bench/growth.json
