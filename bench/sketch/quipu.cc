#include <cstdlib>

#include "sketch/measure.h"
#include "sketch/quantile_sketch.h"

namespace quipu::sketches {
namespace {

class QuipuSketch {
 public:
  explicit QuipuSketch(int scale) : scale_(scale) {}
  void Add(const std::vector<std::int64_t>& mantissas) { sketch_.AddMany(mantissas, scale_); }
  void Merge(const QuipuSketch& other) { sketch_.Merge(other.sketch_); }
  [[nodiscard]] double Ask(double q) const {
    const auto ppm = static_cast<std::uint32_t>(q * 1e6 + 0.5);
    return std::strtod(sketch_.Quantile(ppm).ToString().c_str(), nullptr);
  }
  [[nodiscard]] std::size_t Bytes() const {
    std::string encoded;
    sketch_.EncodeTo(&encoded);
    return encoded.size();
  }

 private:
  QuantileSketch sketch_;
  int scale_;
};

}  // namespace

SketchEngine QuipuSketches() {
  const std::string name = "Quipu histogram";
  return {"Quipu",
          {{name, "value within 0.4 %; the same in any order"}},
          [name](const SketchTask& task) -> Result<usage::EngineReport> {
            usage::EngineReport report;
            const Status measured = MeasureInProcess(
                task, name, [](int scale) { return QuipuSketch(scale); }, &report);
            if (!measured.ok()) return measured;
            return report;
          }};
}

}  // namespace quipu::sketches
