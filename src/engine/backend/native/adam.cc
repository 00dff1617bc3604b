#include <algorithm>
#include <cmath>

#include "kernel.h"
#include "operations.h"
#include "parallel.h"

namespace dcnet {
namespace {

struct Rates {
  float decay1, decay2, epsilon;
  float learningRate, correction1, correction2;  // of this step; corrections are 1 − βᵗ
};

// One weight with its moments: what they are, and what they become.
struct Weight {
  const float *value, *first, *second, *gradient;
  float *newValue, *newFirst, *newSecond;
};

DCNET_VECTORISED void stepPart(const Rates& rates, const Weight& w, int64_t begin, int64_t end) {
  const float share1 = 1.f - rates.decay1;
  const float share2 = 1.f - rates.decay2;
#pragma omp simd
  for (int64_t i = begin; i < end; i++) {
    const float gradient = w.gradient[i];
    const float first = w.first[i] * rates.decay1 + gradient * share1;
    const float second = w.second[i] * rates.decay2 + gradient * gradient * share2;
    const float size = std::sqrt(second / rates.correction2) + rates.epsilon;
    w.newFirst[i] = first;
    w.newSecond[i] = second;
    w.newValue[i] = w.value[i] - rates.learningRate * (first / rates.correction1 / size);
  }
}

// A step of Adam (Kingma and Ba, algorithm 1) of all weights. Inputs: learning rate, β₁ᵗ and β₂ᵗ, then all values, all
// first moments, all second moments, all gradients; outputs: the new values and moments in the same order.
class Adam {
 public:
  explicit Adam(const Attributes& attributes)
      : rates_{attributes.real("beta1"), attributes.real("beta2"), attributes.real("epsilon"), 0.f, 1.f, 1.f},
        count_(attributes.integer("count")) {}

  void run(const Run& run) const {
    Rates rates = rates_;
    rates.learningRate = run.input(0).data()[0];
    rates.correction1 = 1.f - run.input(1).data()[0];
    rates.correction2 = 1.f - run.input(2).data()[0];
    for (int i = 0; i < count_; i++) {
      const Tensor value = run.input(3 + i);
      const Tensor first = run.input(3 + count_ + i);
      const Tensor second = run.input(3 + 2 * count_ + i);
      const Tensor gradient = run.input(3 + 3 * count_ + i);
      const int64_t size = value.size();
      require(first.size() == size && second.size() == size && gradient.size() == size,
              "A weight, its moments and its gradient are of one size.");
      const Tensor newValue = run.output(i, value.shape());
      const Tensor newFirst = run.output(count_ + i, value.shape());
      const Tensor newSecond = run.output(2 * count_ + i, value.shape());
      const Weight weight{value.data(),    first.data(),    second.data(),   gradient.data(),
                          newValue.data(), newFirst.data(), newSecond.data()};
      const int64_t perPart = rowsOfPart(1);
      inParallel(partsOf(size, perPart), [&](int64_t part) {
        stepPart(rates, weight, part * perPart, std::min(size, (part + 1) * perPart));
      });
    }
  }

 private:
  const Rates rates_;
  const int count_;
};

}  // namespace

void registerAdam() {
  registerKernel<Adam>({"DcnetAdam",
                        {"learning_rate: float", "power1: float", "power2: float", "values: count * float",
                         "firsts: count * float", "seconds: count * float", "gradients: count * float"},
                        {"new_values: count * float", "new_firsts: count * float", "new_seconds: count * float"},
                        {"count: int >= 1", "beta1: float", "beta2: float", "epsilon: float"}});
}

}  // namespace dcnet
