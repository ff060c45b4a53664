# Thin: each target installs what is missing (fast when nothing is), configures once and calls Ninja or a script.
#   make demo                  a million events from generation to answers
#   make test                  all tests, then again under sanitizers (SANITIZE=0 leaves that out)
#   make bench EVENTS=10000000 the micro-benchmarks (results in build/bench/), then usagebench: Quipu beside its peers (bench/RESULTS.md)
#   make peers                 DuckDB and ClickHouse into build/peers/, for make bench
#   make fuzz SECONDS=20       every fuzz target for so long
#   make tsan                  the concurrent tests under ThreadSanitizer
#   make canaries              known mistakes, built into the engine, must be noticed by the tests
#   make soak HOURS=8          everything that is random, in rotation with fresh seeds (report in build/soak/)
#   make coverage              branches of manifest, commit, recovery, deduplication and decoding that no test takes (build/coverage/REPORT.md)
#   make build format tidy clean
SANITIZE ?= 1
SECONDS ?= 20
FILTER ?= .
EVENTS ?= 10000000
HOURS ?= 8
# The folders in which threads meet; of their tests, those with a second thread (cmake/Quipu.cmake).
TSAN_TESTS ?= base_test segment_test store_test ingest_test query_test db_test
# The names are also variables of the shell: they travel as arguments only.
unexport SECONDS FILTER EVENTS HOURS

.DEFAULT_GOAL := build
.PHONY: build demo test bench peers fuzz tsan canaries soak coverage format tidy clean setup setup-sanitize setup-lint setup-laboratory

setup:
	@.ci/setup build
setup-sanitize:
	@.ci/setup build sanitize
setup-lint:
	@.ci/setup build sanitize lint
setup-laboratory:
	@.ci/setup build laboratory

# Ninja runs CMake again by itself when a CMakeLists.txt changes.
build/%/build.ninja: CMakePresets.json
	cmake --preset $*
	@touch $@
build/release/build.ninja: | setup
build/canary/build.ninja: | setup-laboratory
build/debug/build.ninja build/tsan/build.ninja build/coverage/build.ninja: | setup-sanitize

build: setup build/release/build.ninja
	ninja -C build/release

demo: setup build/release/build.ninja
	ninja -C build/release bin/quipu
	docs/demo.sh

test: $(if $(filter 1,$(SANITIZE)),setup-sanitize build/debug/build.ninja,setup) build/release/build.ninja
	@SANITIZE=$(SANITIZE) .ci/test

bench: setup build/release/build.ninja
	ninja -C build/release quipu_micro_benchmarks bin/usagebench
	bench/run_micro.sh '$(FILTER)'
	build/release/bin/usagebench --events '$(EVENTS)' --json build/bench/usagebench.json --markdown bench/RESULTS.md

peers:
	bench/fetch_peers.sh

fuzz: setup-sanitize build/debug/build.ninja
	ninja -C build/debug quipu_fuzz_targets
	fuzz/run.sh $(SECONDS)

tsan: setup-sanitize build/tsan/build.ninja
	@TSAN_TESTS='$(TSAN_TESTS)' .ci/test-threads

canaries: setup-laboratory build/canary/build.ninja
	@.ci/test-canaries

soak: setup-sanitize setup-laboratory build/release/build.ninja build/debug/build.ninja
	ninja -C build/release all
	ninja -C build/debug quipu_fuzz_targets
	tests/soak.sh '$(HOURS)'

coverage: setup-sanitize build/coverage/build.ninja
	tests/coverage/run.sh

format: setup-lint
	find engine server include tests bench fuzz -name '*.cc' -o -name '*.h' | xargs clang-format -i

tidy: setup-lint build/debug/build.ninja
	ninja -C build/debug quipu_formats_generate
	run-clang-tidy -quiet -p build/debug '$(CURDIR)/(engine|server|fuzz)/.*(?<!_test|_main)\.cc$$'

clean:
	rm -rf build
