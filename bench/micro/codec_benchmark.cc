// Encoding and decoding of one vector of 1,024 integers, per encoding, on values that each encoding
// is meant for; and every kernel of every instruction set that this processor has, beside a scalar
// loop. items_per_second is integers per second.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <vector>

#include "base/clock.h"
#include "codec/bitpack.h"
#include "codec/derived.h"
#include "codec/int_codec.h"
#include "codec/kernels.h"

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

// ---- Kernels, by instruction set and width; items are values, bytes the unpacked side ----

void SetSpeed(benchmark::State& state) {
  SetItems(state, kVectorValuesMax);
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations()) *
                          static_cast<std::int64_t>(8 * kVectorValuesMax));
}

std::vector<std::uint64_t> WordsOf(int width) {
  std::vector<std::uint64_t> values(kVectorValuesMax);
  Random random(42);
  for (std::uint64_t& v : values) v = width == 0 ? 0 : random.Next() >> (64 - width);
  return values;
}

constexpr int kWidths[] = {1, 4, 7, 8, 13, 16, 20, 32, 33, 48, 63, 64};

void RegisterUnpack(const KernelTable* table, int width) {
  const std::string suffix = std::string("/") + table->name + "/" + std::to_string(width);
  benchmark::RegisterBenchmark(("Unpack" + suffix).c_str(), [=](benchmark::State& state) {
    std::vector<std::uint64_t> values = WordsOf(width);
    std::string packed;
    PackBits(values, width, &packed);
    for (auto _ : state) {
      table->unpack[width](AsBytes(packed).data(), 5, values.data());
      benchmark::DoNotOptimize(values.data());
      benchmark::ClobberMemory();
    }
    SetSpeed(state);
  });
  benchmark::RegisterBenchmark(("UnpackSum" + suffix).c_str(), [=](benchmark::State& state) {
    std::string packed;
    PackBits(WordsOf(width), width, &packed);
    for (auto _ : state) benchmark::DoNotOptimize(table->sum[width](AsBytes(packed).data()));
    SetSpeed(state);
  });
  benchmark::RegisterBenchmark(("Pack" + suffix).c_str(), [=](benchmark::State& state) {
    const std::vector<std::uint64_t> values = WordsOf(width);
    std::vector<std::uint8_t> packed(8 * kVectorValuesMax);
    for (auto _ : state) {
      table->pack[width](values.data(), 0, packed.data());
      benchmark::DoNotOptimize(packed.data());
      benchmark::ClobberMemory();
    }
    SetSpeed(state);
  });
}

void RegisterOther(const KernelTable* table) {
  const std::string suffix = std::string("/") + table->name;
  benchmark::RegisterBenchmark(("PrefixSum" + suffix).c_str(), [=](benchmark::State& state) {
    const std::vector<std::uint64_t> values = WordsOf(20);
    std::vector<std::uint64_t> out(values.size());
    for (auto _ : state) {
      table->prefix_sum(values.data(), values.size(), 7, out.data());
      benchmark::DoNotOptimize(out.data());
      benchmark::ClobberMemory();
    }
    SetSpeed(state);
  });
  benchmark::RegisterBenchmark(("Measure" + suffix).c_str(), [=](benchmark::State& state) {
    const std::vector<std::int64_t> values = ValuesFor(IntEncoding::kDelta);
    for (auto _ : state) {
      IntStatistics statistics;
      table->measure(values.data(), values.size(), &statistics);
      benchmark::DoNotOptimize(statistics);
    }
    SetSpeed(state);
  });
  benchmark::RegisterBenchmark(("FindWidths" + suffix).c_str(), [=](benchmark::State& state) {
    const std::vector<std::uint64_t> values = WordsOf(20);
    std::vector<std::uint8_t> widths(kVectorValuesMax);
    for (auto _ : state) {
      table->find_widths(values.data(), values.size(), 3, widths.data());
      benchmark::DoNotOptimize(widths.data());
      benchmark::ClobberMemory();
    }
    SetSpeed(state);
  });
}

// The baseline: a value at a time, packed in order, the width known only at run time.
void BM_UnpackScalar(benchmark::State& state) {
  const auto width = static_cast<std::size_t>(state.range(0));
  std::vector<std::uint64_t> values(kVectorValuesMax);
  std::string packed(width * kVectorValuesMax / 8 + 16, 'x');
  const std::uint64_t mask = width == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << width) - 1;
  for (auto _ : state) {
    for (std::size_t i = 0, bit = 0; i < values.size(); ++i, bit += width) {
      const char* p = packed.data() + bit / 64 * 8;
      const std::size_t shift = bit % 64;
      std::uint64_t v = LoadLe<std::uint64_t>(p) >> shift;
      if (shift + width > 64) v |= LoadLe<std::uint64_t>(p + 8) << (64 - shift);
      values[i] = (v & mask) + 5;
    }
    benchmark::DoNotOptimize(values.data());
    benchmark::ClobberMemory();
  }
  SetSpeed(state);
}
BENCHMARK(BM_UnpackScalar)->Arg(1)->Arg(7)->Arg(13)->Arg(20)->Arg(33)->Arg(48)->Arg(63);

// The other layout: 992 values, so packed in order, by the kernels of 64 values with constant shifts.
void BM_UnpackInOrder(benchmark::State& state) {
  const int width = static_cast<int>(state.range(0));
  std::vector<std::uint64_t> values = WordsOf(width);
  values.resize(kInterleavedMin - 1);
  std::string packed;
  PackBits(values, width, &packed);
  for (auto _ : state) {
    UnpackBits(AsBytes(packed), width, values, 5);
    benchmark::DoNotOptimize(values.data());
    benchmark::ClobberMemory();
  }
  SetItems(state, values.size());
}
BENCHMARK(BM_UnpackInOrder)->Arg(1)->Arg(7)->Arg(8)->Arg(13)->Arg(20)->Arg(33)->Arg(48)->Arg(63);

[[maybe_unused]] const bool kRegistered = [] {
  for (const KernelTable* table : SupportedKernels()) {
    for (const int width : kWidths) RegisterUnpack(table, width);
    RegisterOther(table);
  }
  return true;
}();

void BM_DecodeDerived(benchmark::State& state) {
  Random random(42);
  std::vector<std::int64_t> quantities(kVectorValuesMax), costs(kVectorValuesMax);
  for (std::size_t i = 0; i < quantities.size(); ++i) {
    quantities[i] = static_cast<std::int64_t>(random.Below(3'000'000'000));
    costs[i] = (quantities[i] + 5) / 10;
  }
  std::string block;
  if (!EncodeDerived(quantities, 6, costs, 9, &block)) state.SkipWithError("not derived");
  for (auto _ : state) {
    Bytes in = AsBytes(block);
    benchmark::DoNotOptimize(DecodeDerived(&in, quantities, 6, 9, costs).ok());
    benchmark::ClobberMemory();
  }
  SetItems(state, quantities.size());
  state.counters["bytes"] = static_cast<double>(block.size());
}
BENCHMARK(BM_DecodeDerived);

}  // namespace
}  // namespace quipu
