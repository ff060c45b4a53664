// Encoding and decoding of one vector of 1,024 integers, per encoding, on values that each encoding
// is meant for; and bit unpacking by width. items_per_second is integers per second.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <vector>

#include "base/clock.h"
#include "codec/bitpack.h"
#include "codec/int_codec.h"

namespace quipu {
namespace {

std::vector<std::int64_t> ValuesFor(IntEncoding encoding) {
  Random random(42);
  std::vector<std::int64_t> v(kVectorValuesMax);
  std::int64_t time = 1'700'000'000'000'000;
  const auto below = [&](std::uint64_t n) { return static_cast<std::int64_t>(random.Below(n)); };
  for (std::size_t i = 0; i < v.size(); ++i) {
    const auto index = static_cast<std::int64_t>(i);
    switch (encoding) {
      case IntEncoding::kConstant:
        v[i] = 1000;
        break;
      case IntEncoding::kConstantDelta:
        v[i] = 1000 + 60 * index;
        break;
      case IntEncoding::kRunLength:
        v[i] = index / 256 + (i < 256 ? 0 : 1'000'000'000'000'000);
        break;
      case IntEncoding::kFrameOfReference:
        v[i] = below(5000);
        break;
      case IntEncoding::kPatched:  // counts with a long tail
        v[i] = below(50) == 0 ? below(1'000'000) : below(1000);
        break;
      case IntEncoding::kDictionary:
        v[i] = below(30) * 1'000'000'007;
        break;
      case IntEncoding::kDelta:
        v[i] = time += below(2'000'000);
        break;
      case IntEncoding::kPatchedDelta:  // a customer after the other, 100 events each
        v[i] = time += below(2'000'000) - (i % 100 == 99 ? 90'000'000'000 : 0);
        break;
    }
  }
  return v;
}

void SetItems(benchmark::State& state, std::size_t values) {
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations()) *
                          static_cast<std::int64_t>(values));
}

// Choosing included: what a seal pays.
void BM_EncodeChoose(benchmark::State& state) {
  const auto encoding = static_cast<IntEncoding>(state.range(0));
  const std::vector<std::int64_t> values = ValuesFor(encoding);
  std::string out;
  for (auto _ : state) {
    out.clear();
    if (EncodeInts(values, &out) != encoding) {
      state.SkipWithError("another encoding was smaller");
      break;
    }
    benchmark::DoNotOptimize(out.data());
  }
  SetItems(state, values.size());
  state.SetLabel(std::string(IntEncodingName(encoding)));
  state.counters["bytes"] = static_cast<double>(out.size());
}
BENCHMARK(BM_EncodeChoose)->DenseRange(0, kIntEncodings - 1);

void BM_EncodeAs(benchmark::State& state) {
  const auto encoding = static_cast<IntEncoding>(state.range(0));
  const std::vector<std::int64_t> values = ValuesFor(encoding);
  std::string out;
  for (auto _ : state) {
    out.clear();
    benchmark::DoNotOptimize(EncodeIntsAs(encoding, values, &out));
  }
  SetItems(state, values.size());
  state.SetLabel(std::string(IntEncodingName(encoding)));
}
BENCHMARK(BM_EncodeAs)->DenseRange(0, kIntEncodings - 1);

void BM_Decode(benchmark::State& state) {
  const auto encoding = static_cast<IntEncoding>(state.range(0));
  std::vector<std::int64_t> values = ValuesFor(encoding);
  std::string block;
  if (!EncodeIntsAs(encoding, values, &block)) state.SkipWithError("cannot hold the values");
  for (auto _ : state) {
    Bytes in = AsBytes(block);
    if (!DecodeInts(&in, values).ok()) {
      state.SkipWithError("does not decode");
      break;
    }
    benchmark::DoNotOptimize(values.data());
    benchmark::ClobberMemory();
  }
  SetItems(state, values.size());
  state.SetLabel(std::string(IntEncodingName(encoding)));
}
BENCHMARK(BM_Decode)->DenseRange(0, kIntEncodings - 1);

void BM_Unpack(benchmark::State& state) {
  const int width = static_cast<int>(state.range(0));
  std::vector<std::uint64_t> values(kVectorValuesMax);
  Random random(42);
  std::string packed(PackedBytes(values.size(), width), '\0');
  for (char& c : packed) c = static_cast<char>(random.Next());
  for (auto _ : state) {
    UnpackBits(AsBytes(packed), width, values);
    benchmark::DoNotOptimize(values.data());
    benchmark::ClobberMemory();
  }
  SetItems(state, values.size());
}
BENCHMARK(BM_Unpack)
    ->Arg(1)
    ->Arg(3)
    ->Arg(7)
    ->Arg(8)
    ->Arg(13)
    ->Arg(16)
    ->Arg(20)
    ->Arg(32)
    ->Arg(33)
    ->Arg(48)
    ->Arg(63)
    ->Arg(64);

void BM_Pack(benchmark::State& state) {
  const int width = static_cast<int>(state.range(0));
  std::vector<std::uint64_t> values(kVectorValuesMax);
  Random random(42);
  for (std::uint64_t& v : values) v = random.Next() >> (64 - width);
  std::string packed;
  for (auto _ : state) {
    packed.clear();
    PackBits(values, width, &packed);
    benchmark::DoNotOptimize(packed.data());
  }
  SetItems(state, values.size());
}
BENCHMARK(BM_Pack)->Arg(1)->Arg(7)->Arg(8)->Arg(13)->Arg(20)->Arg(32)->Arg(48)->Arg(64);

}  // namespace
}  // namespace quipu
