// Apache DataSketches for C++, whose headers bench/README.md says how to put in place; without them this file is empty.
#ifdef QUIPU_DATASKETCHES
#include <kll_sketch.hpp>
#include <tdigest.hpp>

#include "sketch/measure.h"

namespace quipu::sketches {
namespace {

class Kll {
 public:
  Kll(std::uint16_t k, int scale) : sketch_(k), scale_(scale) {}
  void Add(const std::vector<std::int64_t>& mantissas) {
    for (const std::int64_t m : mantissas) sketch_.update(ValueOf(m, scale_));
  }
  void Merge(const Kll& other) { sketch_.merge(other.sketch_); }
  [[nodiscard]] double Ask(double q) const { return sketch_.get_quantile(q, true); }
  [[nodiscard]] std::size_t Bytes() const { return sketch_.get_serialized_size_bytes(); }

 private:
  datasketches::kll_sketch<double> sketch_;
  int scale_;
};

class TDigest {
 public:
  TDigest(std::uint16_t k, int scale) : sketch_(k), scale_(scale) {}
  void Add(const std::vector<std::int64_t>& mantissas) {
    for (const std::int64_t m : mantissas) sketch_.update(ValueOf(m, scale_));
  }
  void Merge(const TDigest& other) { sketch_.merge(other.sketch_); }
  [[nodiscard]] double Ask(double q) const { return sketch_.get_quantile(q); }
  [[nodiscard]] std::size_t Bytes() const { return sketch_.get_serialized_size_bytes(); }

 private:
  // What is put in waits in a buffer; asking and merging empty it.
  mutable datasketches::tdigest<double> sketch_;
  int scale_;
};

const std::vector<Contender> kContenders = {
    {"KLL, k = 200", "rank within 1.3 %, with 99 % confidence"},
    {"KLL, k = 1,600", "rank within 0.18 %, with 99 % confidence"},
    {"t-digest, k = 200", "none; best at the ends"}};

Result<usage::EngineReport> Measure(const SketchTask& task) {
  usage::EngineReport report;
  Status status = MeasureInProcess(
      task, kContenders[0].name, [](int scale) { return Kll(200, scale); }, &report);
  if (status.ok()) {
    status = MeasureInProcess(
        task, kContenders[1].name, [](int scale) { return Kll(1600, scale); }, &report);
  }
  if (status.ok()) {
    status = MeasureInProcess(
        task, kContenders[2].name, [](int scale) { return TDigest(200, scale); }, &report);
  }
  if (!status.ok()) return status;
  return report;
}

}  // namespace

SketchEngine DataSketches() { return {"Apache DataSketches", kContenders, Measure}; }

}  // namespace quipu::sketches
#endif
