#include <algorithm>
#include <cmath>

#include "kernel.h"
#include "operations.h"
#include "parallel.h"

namespace dcnet {
namespace {

// Filters as the columns of [values, filters]. Sums of many values are kept in rows that the cache holds.
DCNET_VECTORISED void addProducts(const float* a, const float* b, int64_t values, int64_t filters, float* sums) {
  for (int64_t v = 0; v < values; v++) {
#pragma omp simd
    for (int64_t f = 0; f < filters; f++) sums[f] += a[v * filters + f] * b[v * filters + f];
  }
}

// out = a·slope − b·along, of each filter.
DCNET_VECTORISED void combine(const float* a, const float* slope, const float* b, const float* along, int64_t values,
                              int64_t filters, float* out) {
  for (int64_t v = 0; v < values; v++) {
#pragma omp simd
    for (int64_t f = 0; f < filters; f++)
      out[v * filters + f] = a[v * filters + f] * slope[f] - b[v * filters + f] * along[f];
  }
}

DCNET_VECTORISED void divide(const float* a, const float* by, int64_t values, int64_t filters, float* out) {
  for (int64_t v = 0; v < values; v++) {
#pragma omp simd
    for (int64_t f = 0; f < filters; f++) out[v * filters + f] = a[v * filters + f] / by[f];
  }
}

// Values of a part: sums of so many are kept in float32.
constexpr int64_t kPerPart = 64;

template <class Part>
void forParts(int64_t values, const Part& part) {
  inParallel(partsOf(values, kPerPart), [&](int64_t index) {
    const int64_t begin = index * kPerPart;
    part(index, begin, std::min(kPerPart, values - begin));
  });
}

// ⟨a, b⟩ of each filter: float32 over a part's values, those sums in float64.
std::vector<double> products(const float* a, const float* b, int64_t values, int64_t filters) {
  std::vector<float> sums(partsOf(values, kPerPart) * filters);
  forParts(values, [&](int64_t part, int64_t begin, int64_t count) {
    addProducts(a + begin * filters, b + begin * filters, count, filters, &sums[part * filters]);
  });
  std::vector<double> totals(filters);
  for (size_t at = 0; at < sums.size(); at += filters)
    for (int64_t f = 0; f < filters; f++) totals[f] += sums[at + f];
  return totals;
}

// ŵ = w/n and n = √(‖w‖² + ε), [filters].
class NormalizeFilters {
 public:
  explicit NormalizeFilters(const Attributes& attributes) : epsilon_(attributes.real("epsilon")) {}

  void run(const Run& run) const {
    const Tensor w = run.input(0);
    const int64_t filters = w.lastDim();
    const int64_t values = w.size() / filters;
    const Tensor unit = run.output(0, w.shape());
    const Tensor norms = run.output(1, {filters});
    const std::vector<double> squares = products(w.data(), w.data(), values, filters);
    for (int64_t f = 0; f < filters; f++) norms.data()[f] = static_cast<float>(std::sqrt(squares[f] + epsilon_));
    forParts(values, [&](int64_t, int64_t begin, int64_t count) {
      divide(w.data() + begin * filters, norms.data(), count, filters, unit.data() + begin * filters);
    });
  }

 private:
  const float epsilon_;
};

// dw = dŵ/n − w·⟨w, dŵ⟩/n³.
class NormalizeFiltersGradient {
 public:
  explicit NormalizeFiltersGradient(const Attributes&) {}

  void run(const Run& run) const {
    const Tensor w = run.input(0);
    const Tensor norms = run.input(1);
    const Tensor dy = run.input(2);
    const int64_t filters = w.lastDim();
    require(norms.size() == filters && dy.size() == w.size(), "Each filter has one norm, each value a gradient.");
    const Tensor dw = run.output(0, w.shape());
    const int64_t values = w.size() / filters;
    const std::vector<double> inner = products(w.data(), dy.data(), values, filters);
    std::vector<float> slope(filters), along(filters);
    for (int64_t f = 0; f < filters; f++) {
      const double n = norms.data()[f];
      slope[f] = static_cast<float>(1 / n);
      along[f] = static_cast<float>(inner[f] / (n * n * n));
    }
    forParts(values, [&](int64_t, int64_t begin, int64_t count) {
      const int64_t at = begin * filters;
      combine(dy.data() + at, slope.data(), w.data() + at, along.data(), count, filters, dw.data() + at);
    });
  }
};

}  // namespace

void registerFilters() {
  registerKernel<NormalizeFilters>(
      {"DcnetNormalizeFilters", {"w: float"}, {"unit: float", "norms: float"}, {"epsilon: float"}});
  registerKernel<NormalizeFiltersGradient>(
      {"DcnetNormalizeFiltersGradient", {"w: float", "norms: float", "dy: float"}, {"dw: float"}, {}});
}

}  // namespace dcnet
