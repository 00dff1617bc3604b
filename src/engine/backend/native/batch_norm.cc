#include <algorithm>
#include <cmath>

#include "kernel.h"
#include "normalization.h"
#include "operations.h"
#include "parallel.h"

namespace dcnet {
namespace {

// Mean of some rows and Σ (x − mean)² over them, [channels] each: two passes over rows that the cache holds.
DCNET_VECTORISED void momentsOf(const float* x, int64_t begin, int64_t end, int64_t channels, float* mean,
                                float* squares) {
  for (int64_t row = begin; row < end; row++) {
    const float* const from = x + row * channels;
#pragma omp simd
    for (int64_t c = 0; c < channels; c++) mean[c] += from[c];
  }
  const float perRow = 1.f / static_cast<float>(end - begin);
  for (int64_t c = 0; c < channels; c++) mean[c] *= perRow;
  for (int64_t row = begin; row < end; row++) {
    const float* const from = x + row * channels;
#pragma omp simd
    for (int64_t c = 0; c < channels; c++) squares[c] += (from[c] - mean[c]) * (from[c] - mean[c]);
  }
}

constexpr float kNoFloor = -HUGE_VALF;

// out = x·slope + shift, cut at `floor`. The product is rounded before the sum: a channel that is constant, whose shift was
// made of the same product, then gives β itself.
DCNET_ROUNDED DCNET_VECTORISED void affine(const float* x, int64_t begin, int64_t end, int64_t channels, const float* slope,
                             const float* shift, float floor, float* out) {
  for (int64_t row = begin; row < end; row++) {
    const float* const from = x + row * channels;
    float* const to = out + row * channels;
#pragma omp simd
    for (int64_t c = 0; c < channels; c++) {
      const float value = from[c] * slope[c] + shift[c];
      to[c] = value < floor ? floor : value;
    }
  }
}

// dy, 0 where the ReLU cut y. Both are read whatever y is: a read that depends on it keeps the loop from becoming vectors.
template <bool relu>
DCNET_INLINE float passed(const float* y, const float* dy, int64_t c) {
  const float upstream = dy[c];
  if (!relu) return upstream;
  return y[c] > 0.f ? upstream : 0.f;
}

// Σ dy and Σ dy·(x − mean) of some rows, added to [channels] each.
template <bool relu>
DCNET_INLINE void sumRows(const Images& p, int64_t begin, int64_t end, const float* mean, float* byBeta,
                          float* byGamma) {
  for (int64_t at = begin * p.channels; at < end * p.channels; at += p.channels) {
#pragma omp simd
    for (int64_t c = 0; c < p.channels; c++) {
      const float upstream = passed<relu>(p.y + at, p.dy + at, c);
      byBeta[c] += upstream;
      byGamma[c] += upstream * (p.x[at + c] - mean[c]);
    }
  }
}

template <bool relu>
DCNET_INLINE void gradientRows(const Images& p, int64_t begin, int64_t end, const Line& line, float* dx) {
  for (int64_t at = begin * p.channels; at < end * p.channels; at += p.channels) {
#pragma omp simd
    for (int64_t c = 0; c < p.channels; c++) {
      const float upstream = passed<relu>(p.y + at, p.dy + at, c);
      dx[at + c] =
          line.slope[c] * (upstream - line.meanDy[c] - (p.x[at + c] - line.mean[c]) * line.tilt[c]);
    }
  }
}

DCNET_VECTORISED void sumPart(bool relu, const Images& p, int64_t begin, int64_t end, const float* mean,
                              float* byBeta, float* byGamma) {
  if (relu) return sumRows<true>(p, begin, end, mean, byBeta, byGamma);
  sumRows<false>(p, begin, end, mean, byBeta, byGamma);
}

DCNET_VECTORISED void gradientPart(bool relu, const Images& p, int64_t begin, int64_t end, const Line& line,
                                   float* dx) {
  if (relu) return gradientRows<true>(p, begin, end, line, dx);
  gradientRows<false>(p, begin, end, line, dx);
}

}  // namespace

void addMoments(const float* x, int64_t rows, int64_t channels, float* mean, float* squares) {
  momentsOf(x, 0, rows, channels, mean, squares);
}

void applyAffine(const float* x, int64_t rows, const Affine& line, float* out) {
  affine(x, 0, rows, line.channels, line.slope, line.shift, line.relu ? 0.f : kNoFloor, out);
}

void addSums(bool relu, const Images& images, int64_t rows, const float* mean, float* byBeta, float* byGamma) {
  sumPart(relu, images, 0, rows, mean, byBeta, byGamma);
}

void gradientThrough(bool relu, const Images& images, int64_t rows, const Line& line, float* dx) {
  gradientPart(relu, images, 0, rows, line, dx);
}

namespace {

// What is normalised, as it lies in memory.
struct Given {
  const float* x;
  int64_t channels;

  const float* rows(int64_t begin, int64_t) const { return again(begin); }
  const float* again(int64_t begin) const { return x + begin * channels; }
};

// Where its gradient goes.
struct Taken {
  float* dx;
  int64_t channels;

  float* room(int64_t begin, float*) const { return dx + begin * channels; }
  void take(int64_t, int64_t, int64_t, const float*) const {}
};

class ChannelAffine {
 public:
  explicit ChannelAffine(const Attributes& attributes) : relu_(attributes.flag("relu")) {}

  void run(const Run& run) const {
    const Tensor x = run.input(0);
    const Tensor slope = run.input(1);
    const Tensor shift = run.input(2);
    require(slope.size() == x.lastDim() && shift.size() == x.lastDim(), "Each channel has a slope and a shift.");
    const Tensor out = run.output(0, x.shape());
    const Affine line{slope.data(), shift.data(), x.lastDim(), relu_};
    affineOf(
        Rows(x), [&](int64_t begin, int64_t) { return x.data() + begin * line.channels; }, line, out.data());
  }

 private:
  const bool relu_;
};

class BatchNormalization {
 public:
  explicit BatchNormalization(const Attributes& attributes)
      : epsilon_(attributes.real("epsilon")), relu_(attributes.flag("relu")) {}

  void run(const Run& run) const {
    const Tensor x = run.input(0);
    normalize(run, x.shape(), Given{x.data(), x.lastDim()}, 1, epsilon_, relu_);
  }

 private:
  const float epsilon_;
  const bool relu_;
};

class BatchNormalizationGradient {
 public:
  explicit BatchNormalizationGradient(const Attributes& attributes) : relu_(attributes.flag("relu")) {}

  void run(const Run& run) const {
    const Tensor x = run.input(0);
    const Tensor dx = run.output(0, x.shape());
    const int64_t channels = x.lastDim();
    normalizeBack(run, {1, 1}, x.data(), Taken{dx.data(), channels}, relu_);
  }

 private:
  const bool relu_;
};

}  // namespace

void registerBatchNormalization() {
  registerKernel<ChannelAffine>(
      {"DcnetChannelAffine", {"x: float", "slope: float", "shift: float"}, {"y: float"}, {"relu: bool"}});
  registerKernel<BatchNormalization>({"DcnetBatchNormalization",
                                      {"x: float", "gamma: float", "beta: float"},
                                      {"y: float", "mean: float", "variance: float", "inverse: float"},
                                      {"epsilon: float", "relu: bool"}});
  registerKernel<BatchNormalizationGradient>(
      {"DcnetBatchNormalizationGradient",
       {"x: float", "y: float", "dy: float", "gamma: float", "mean: float", "inverse: float"},
       {"dx: float", "by_gamma: float", "by_beta: float"},
       {"relu: bool"}});
}

}  // namespace dcnet
