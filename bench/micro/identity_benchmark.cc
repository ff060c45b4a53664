// What one id costs: to be made a key of, to be spelled again, to be looked for in the segments' indexes.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "base/clock.h"
#include "segment/identity_prefix.h"

namespace quipu {
namespace {

std::vector<std::string> SomeUuids(std::size_t n) {
  Random random(1);
  std::vector<std::string> ids(n);
  for (std::string& id : ids)
    SpellId(IdentityScope("c", ""), {{random.Next(), random.Next() >> 6}, 0, IdForm::kUuidV4}, &id);
  return ids;
}

void MakeKeys(benchmark::State& state) {
  const auto ids = SomeUuids(1000);
  const IdentityScope scope("customer", "");
  for (auto _ : state) {
    for (const std::string& id : ids)
      benchmark::DoNotOptimize(MakeIdentity(scope, "customer", "", id));
  }
  state.SetItemsProcessed(state.iterations() * 1000);
}
BENCHMARK(MakeKeys);

void SpellIds(benchmark::State& state) {
  const IdentityScope scope("customer", "");
  Random random(1);
  std::string text;
  for (auto _ : state) {
    text.clear();
    for (int i = 0; i < 1000; ++i) SpellId(scope, {{random.Next(), 5}, 0, IdForm::kUuidV4}, &text);
    benchmark::DoNotOptimize(text.data());
  }
  state.SetItemsProcessed(state.iterations() * 1000);
}
BENCHMARK(SpellIds);

std::unique_ptr<IdentityPrefix> RandomPrefix(std::uint64_t keys, Random* random) {
  std::vector<IdentityEntry> entries(keys);
  for (IdentityEntry& e : entries) e.key.high = random->Next();
  std::vector<IdentityEntry> scratch(keys);
  SortIdentities(entries, scratch);
  const IdentityShape shape(keys);
  auto prefix = std::make_unique<IdentityPrefix>(shape);
  std::string page;
  for (std::size_t first = 0; first < keys; first += kIdentityPrefixEntries) {
    const std::size_t n = std::min<std::size_t>(kIdentityPrefixEntries, keys - first);
    page.clear();
    EncodeIdentityPrefix({entries.data() + first, n}, shape, &page);
    if (!prefix->AddPage(entries[first].key.high, n, AsBytes(page)).ok()) std::abort();
  }
  prefix->Seal();
  return prefix;
}

// Batches of 1,000 new keys against range(1) segments of range(0) keys.
void Probe(benchmark::State& state) {
  Random random(1);
  std::vector<std::unique_ptr<IdentityPrefix>> prefixes;
  std::size_t bytes = 0;
  for (std::int64_t i = 0; i < state.range(1); ++i) {
    prefixes.push_back(RandomPrefix(static_cast<std::uint64_t>(state.range(0)), &random));
    bytes += prefixes.back()->bytes();
  }
  std::vector<std::uint64_t> highs(1000);
  std::vector<PrefixHit> hits;
  std::size_t suspected = 0;
  for (auto _ : state) {
    for (std::uint64_t& h : highs) h = random.Next();
    for (const auto& prefix : prefixes) {
      hits.clear();
      prefix->Find(highs, &hits);
      suspected += hits.size();
    }
  }
  const std::int64_t probes = state.iterations() * 1000 * state.range(1);
  state.SetItemsProcessed(probes);
  state.counters["bytes_per_key"] =
      static_cast<double>(bytes) / static_cast<double>(state.range(0) * state.range(1));
  state.counters["suspected"] = static_cast<double>(suspected) / static_cast<double>(probes);
}
BENCHMARK(Probe)->Args({1 << 20, 1})->Args({1 << 20, 10})->Args({10 << 20, 1})->Args({10 << 20, 4});

}  // namespace
}  // namespace quipu
