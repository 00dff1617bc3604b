#include <algorithm>

#include "kernel.h"
#include "operations.h"

namespace dcnet {
namespace {

// Σ of values: float32 over some, those sums in float64.
double sumOf(const float* values, int64_t count) {
  constexpr int64_t perSum = 1024;
  constexpr int64_t lanes = 16;
  double total = 0;
  for (int64_t begin = 0; begin < count; begin += perSum) {
    const int64_t end = std::min(count, begin + perSum);
    float sums[lanes] = {};
    int64_t i = begin;
    for (; i + lanes <= end; i += lanes)
      for (int64_t lane = 0; lane < lanes; lane++) sums[lane] += values[i + lane];
    for (; i < end; i++) sums[0] += values[i];
    for (const float sum : sums) total += sum;
  }
  return total;
}

// R = ρ·E‖x‖, and E‖x‖. Inputs: norms, ρ.
class BatchRadius {
 public:
  explicit BatchRadius(const Attributes&) {}

  void run(const Run& run) const {
    const Tensor norms = run.input(0);
    const Tensor rho = run.input(1);
    const Tensor radius = run.output(0, rho.shape());
    const Tensor mean = run.output(1, {});
    mean.data()[0] = static_cast<float>(sumOf(norms.data(), norms.size()) / static_cast<double>(norms.size()));
    for (int64_t f = 0; f < rho.size(); f++) radius.data()[f] = rho.data()[f] * mean.data()[0];
  }
};

// Of dR to each norm and to ρ. Inputs: norms, ρ, E‖x‖, dR.
class BatchRadiusGradient {
 public:
  explicit BatchRadiusGradient(const Attributes&) {}

  void run(const Run& run) const {
    const Tensor rho = run.input(1);
    const Tensor mean = run.input(2);
    const Tensor dy = run.input(3);
    require(dy.size() == rho.size(), "Each radius has a gradient.");
    const Tensor byNorms = run.output(0, run.input(0).shape());
    const Tensor byRho = run.output(1, rho.shape());
    double share = 0;
    for (int64_t f = 0; f < rho.size(); f++) {
      share += static_cast<double>(dy.data()[f]) * rho.data()[f];
      byRho.data()[f] = dy.data()[f] * mean.data()[0];
    }
    std::fill_n(byNorms.data(), byNorms.size(),
                static_cast<float>(share / static_cast<double>(byNorms.size())));
  }
};

// A step of zero-debiased averages that share a weight. Inputs: the weight, averages, values. Outputs: the weight, averages.
class RunningAverages {
 public:
  explicit RunningAverages(const Attributes& attributes)
      : count_(attributes.integer("count")), decay_(attributes.real("decay")) {}

  void run(const Run& run) const {
    const Tensor next = run.output(0, {});
    const float step = 1.f - decay_;
    next.data()[0] = run.input(0).data()[0] * decay_ + step;
    const float rate = step / next.data()[0];
    for (int i = 0; i < count_; i++) {
      const Tensor average = run.input(1 + i);
      const Tensor value = run.input(1 + count_ + i);
      require(average.size() == value.size(), "Each running average has a value of its size.");
      const Tensor out = run.output(1 + i, average.shape());
      for (int64_t c = 0; c < out.size(); c++)
        out.data()[c] = average.data()[c] + (value.data()[c] - average.data()[c]) * rate;
    }
  }

 private:
  const int count_;
  const float decay_;
};

}  // namespace

void registerAverages() {
  registerKernel<BatchRadius>(
      {"DcnetBatchRadius", {"norms: float", "rho: float"}, {"radius: float", "mean: float"}, {}});
  registerKernel<BatchRadiusGradient>({"DcnetBatchRadiusGradient",
                                       {"norms: float", "rho: float", "mean: float", "dy: float"},
                                       {"by_norms: float", "by_rho: float"},
                                       {}});
  registerKernel<RunningAverages>({"DcnetRunningAverages",
                                   {"weight: float", "averages: count * float", "values: count * float"},
                                   {"next_weight: float", "next: count * float"},
                                   {"count: int >= 1", "decay: float"}});
}

}  // namespace dcnet
