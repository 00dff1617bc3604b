#include <algorithm>
#include <cmath>

#include "kernel.h"
#include "operations.h"
#include "parallel.h"

namespace dcnet {
namespace {

// Rows of channels, [rows, channels], and how they are shared out.
struct Rows {
  int64_t rows, channels, perPart, parts;

  explicit Rows(const Tensor& x)
      : rows(x.size() / x.lastDim()),
        channels(x.lastDim()),
        perPart(rowsOfPart(channels)),
        parts(partsOf(rows, perPart)) {}

  int64_t begin(int64_t part) const { return part * perPart; }
  int64_t end(int64_t part) const { return std::min(rows, begin(part) + perPart); }
};

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

// out = x·slope + shift, cut at `floor`.
DCNET_VECTORISED void affine(const float* x, int64_t begin, int64_t end, int64_t channels, const float* slope,
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

constexpr float kNoFloor = -HUGE_VALF;

void affineOf(const Rows& shared, const float* x, const float* slope, const float* shift, bool relu, float* out) {
  inParallel(shared.parts, [&](int64_t part) {
    affine(x, shared.begin(part), shared.end(part), shared.channels, slope, shift, relu ? 0.f : kNoFloor, out);
  });
}

class ChannelAffine {
 public:
  explicit ChannelAffine(const Attributes& attributes) : relu_(attributes.flag("relu")) {}

  void run(const Run& run) const {
    const Tensor x = run.input(0);
    const Tensor slope = run.input(1);
    const Tensor shift = run.input(2);
    require(slope.size() == x.lastDim() && shift.size() == x.lastDim(), "Each channel has a slope and a shift.");
    const Tensor out = run.output(0, x.shape());
    affineOf(Rows(x), x.data(), slope.data(), shift.data(), relu_, out.data());
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
    const Tensor gamma = run.input(1);
    const Tensor beta = run.input(2);
    const Rows shared(x);
    const int64_t channels = shared.channels;
    require(gamma.size() == channels && beta.size() == channels, "Each channel has a γ and a β.");
    std::vector<float> parts(shared.parts * 2 * channels);
    inParallel(shared.parts, [&](int64_t part) {
      float* const mean = &parts[part * 2 * channels];
      momentsOf(x.data(), shared.begin(part), shared.end(part), channels, mean, mean + channels);
    });

    const Tensor y = run.output(0, x.shape());
    const Tensor mean = run.output(1, {channels});
    const Tensor variance = run.output(2, {channels});
    const Tensor inverse = run.output(3, {channels});
    std::vector<float> slope(channels), shift(channels);
    for (int64_t c = 0; c < channels; c++) {
      // The parts' moments put together (Chan, Golub and LeVeque, 1979).
      double centre = 0, squares = 0, count = 0;
      for (int64_t part = 0; part < shared.parts; part++) {
        const double more = static_cast<double>(shared.end(part) - shared.begin(part));
        const double apart = parts[part * 2 * channels + c] - centre;
        const double total = count + more;
        squares += parts[(part * 2 + 1) * channels + c] + apart * apart * count * more / total;
        centre += apart * more / total;
        count = total;
      }
      const double spread = squares / count;
      const double scale = 1 / std::sqrt(spread + epsilon_);
      mean.data()[c] = static_cast<float>(centre);
      variance.data()[c] = static_cast<float>(spread);
      inverse.data()[c] = static_cast<float>(scale);
      slope[c] = static_cast<float>(gamma.data()[c] * scale);
      shift[c] = static_cast<float>(beta.data()[c] - centre * gamma.data()[c] * scale);
    }
    affineOf(shared, x.data(), slope.data(), shift.data(), relu_, y.data());
  }

 private:
  const float epsilon_;
  const bool relu_;
};

struct Images {
  const float* x;
  const float* y;
  const float* dy;
  int64_t channels;
};

// dy, 0 where the ReLU cut y.
template <bool relu>
DCNET_INLINE float passed(const float* y, const float* dy, int64_t c) {
  return relu && !(y[c] > 0.f) ? 0.f : dy[c];
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

// Per channel, what dx = slope·(dy − meanDy − (x − mean)·tilt) takes.
struct Line {
  const float* mean;
  const float* slope;
  const float* meanDy;
  const float* tilt;
};

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

class BatchNormalizationGradient {
 public:
  explicit BatchNormalizationGradient(const Attributes& attributes) : relu_(attributes.flag("relu")) {}

  void run(const Run& run) const {
    const Tensor x = run.input(0);
    const Tensor y = run.input(1);
    const Tensor dy = run.input(2);
    const Tensor gamma = run.input(3);
    const Tensor mean = run.input(4);
    const Tensor inverse = run.input(5);
    const Rows shared(x);
    const int64_t channels = shared.channels;
    require(y.size() == x.size() && dy.size() == x.size(), "x, y and dy are of one size.");
    const Images images{x.data(), y.data(), dy.data(), channels};
    std::vector<float> sums(shared.parts * 2 * channels);
    inParallel(shared.parts, [&](int64_t part) {
      float* const byBeta = &sums[part * 2 * channels];
      sumPart(relu_, images, shared.begin(part), shared.end(part), mean.data(), byBeta, byBeta + channels);
    });

    const Tensor dx = run.output(0, x.shape());
    const Tensor byGamma = run.output(1, {channels});
    const Tensor byBeta = run.output(2, {channels});
    std::vector<float> slope(channels), meanDy(channels), tilt(channels);
    for (int64_t c = 0; c < channels; c++) {
      double shift = 0, scale = 0;
      for (int64_t part = 0; part < shared.parts; part++) {
        shift += sums[part * 2 * channels + c];
        scale += sums[(part * 2 + 1) * channels + c];
      }
      const double oneOverSigma = inverse.data()[c];
      byBeta.data()[c] = static_cast<float>(shift);
      byGamma.data()[c] = static_cast<float>(scale * oneOverSigma);
      slope[c] = static_cast<float>(gamma.data()[c] * oneOverSigma);
      meanDy[c] = static_cast<float>(shift / shared.rows);
      tilt[c] = static_cast<float>(scale * oneOverSigma * oneOverSigma / shared.rows);
    }
    const Line line{mean.data(), slope.data(), meanDy.data(), tilt.data()};
    inParallel(shared.parts, [&](int64_t part) {
      gradientPart(relu_, images, shared.begin(part), shared.end(part), line, dx.data());
    });
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
