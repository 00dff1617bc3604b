#include <algorithm>
#include <cmath>

#include "kernel.h"
#include "operations.h"
#include "parallel.h"
#include "product.h"
#include "vector_math.h"

namespace dcnet {
namespace {

constexpr float kTiny = 1e-30f;
constexpr float kCosineLimit = 1.f - 1e-7f;
constexpr float kTwoOverPi = 0.6366197723675814f;

// h(n)/n, h′(n) and ∂h/∂R.
struct Terms {
  float ratio;
  float slope;
  float byRadius;
};

// g, its slope in c, and ∂g/∂k.
struct Angle {
  float value;
  float slope;
  float byK;
};

// A magnitude function without a radius, or whose radius is one for all filters: it is computed once a patch.
constexpr int kOncePerPatch = -1;

DCNET_INLINE Terms termsOf(int magnitude, float n, float radius, float inverseRadius, float alpha, float beta) {
  switch (magnitude) {
    case kSphere:
      return {alpha / n, 0.f, 0.f};
    case kBall: {
      const float slope = n <= radius ? alpha * inverseRadius : 0.f;
      return {alpha / (n < radius ? radius : n), slope, -slope * n * inverseRadius};
    }
    case kTanh: {
      const float z = n * inverseRadius;
      const float t = tanhOfPositive(z);
      const float slope = alpha * inverseRadius * (1.f - t * t);
      return {t * (alpha / n), slope, -z * slope};
    }
    case kSeg: {
      const float byRadius = n > radius ? alpha - beta : 0.f;
      return {n > radius ? (alpha - beta) * radius / n + beta : alpha, alpha - byRadius, byRadius};
    }
    case kLog:
      return {alpha * std::log1p(n) / n, alpha / (1.f + n), 0.f};
    case kMix:
      return {alpha + beta * std::log1p(n) / n, alpha + beta / (1.f + n), 0.f};
    default:
      return {alpha, alpha, 0.f};
  }
}

template <int angular>
DCNET_INLINE Angle angleOf(float c, float exponent, float halfInverseK, float inverseFull, float byFull) {
  if (angular == kCosine) return {c, 1.f, 0.f};
  if (angular == kSquareCosine) {
    const float size = std::fabs(c);
    return {size * c, 2.f * size, 0.f};
  }
  if (angular == kPower) {
    const float lesser = std::pow(std::fabs(c), exponent - 1.f);
    return {lesser * c, exponent * lesser, 0.f};
  }
  const float capped = kCosineLimit < c ? kCosineLimit : c;
  const float clamped = capped < -kCosineLimit ? -kCosineLimit : capped;
  const float complement = asinOf(clamped);  // A = π/2 − θ
  const float sine = std::sqrt((1.f - clamped) * (1.f + clamped));
  if (angular == kLinearAngle) return {kTwoOverPi * complement, kTwoOverPi / sine, 0.f};
  const float t = tanhOf(complement * halfInverseK);
  const float value = t * inverseFull;
  const float fall = (1.f - t * t) * halfInverseK * inverseFull;  // dg/dA
  return {value, fall / sine, value * byFull - fall * 2.f * halfInverseK * complement};
}

template <int perFilter, int angular>
DCNET_INLINE void forwardRows(const Forward& p, int64_t begin, int64_t end) {
  const float alpha = p.functions.alpha;
  const float beta = p.functions.beta;
  const float* const radius = p.table.radius.data();
  const float* const inverseRadius = p.table.inverseRadius.data();
  const float* const halfInverseK = p.table.halfInverseK.data();
  const float* const inverseFull = p.table.inverseFull.data();
  const int64_t filters = p.filters;
  for (int64_t row = begin; row < end; row++) {
    const float n = p.norms[row] < kTiny ? kTiny : p.norms[row];
    const float inverse = 1.f / n;
    const float* const u = p.projection + row * filters;
    float* const out = p.out + row * filters;
    const Terms once = perFilter == kOncePerPatch
                           ? termsOf(p.functions.magnitude, n, radius[0], inverseRadius[0], alpha, beta)
                           : Terms{};
#pragma omp simd
    for (int64_t f = 0; f < filters; f++) {
      const Terms h = perFilter == kOncePerPatch ? once
                                                 : termsOf(perFilter, n, radius[f], inverseRadius[f], alpha, beta);
      if (angular == kCosine) {
        out[f] = u[f] * h.ratio;
      } else {
        const Angle g = angleOf<angular>(u[f] * inverse, p.functions.exponent, halfInverseK[f], inverseFull[f], 0.f);
        out[f] = h.ratio * n * g.value;
      }
    }
  }
}

// Adds the rows' shares of dR and dk to `byRadius` and `byK` [filters].
template <int perFilter, int angular>
DCNET_INLINE void backwardRows(const Backward& p, int64_t begin, int64_t end, float* byRadius, float* byK) {
  const float alpha = p.functions.alpha;
  const float beta = p.functions.beta;
  const float* const radius = p.table.radius.data();
  const float* const inverseRadius = p.table.inverseRadius.data();
  const float* const halfInverseK = p.table.halfInverseK.data();
  const float* const inverseFull = p.table.inverseFull.data();
  const float* const byFull = p.table.byFull.data();
  const int64_t filters = p.filters;
  for (int64_t row = begin; row < end; row++) {
    const float n = p.norms[row] < kTiny ? kTiny : p.norms[row];
    const float inverse = 1.f / n;
    const float* const u = p.projection + row * filters;
    const float* const dy = p.dy + row * filters;
    float* const du = p.byProjection + row * filters;
    const Terms once = perFilter == kOncePerPatch
                           ? termsOf(p.functions.magnitude, n, radius[0], inverseRadius[0], alpha, beta)
                           : Terms{};
    float byNorm = 0;
#pragma omp simd reduction(+ : byNorm)
    for (int64_t f = 0; f < filters; f++) {
      const Terms h = perFilter == kOncePerPatch ? once
                                                 : termsOf(perFilter, n, radius[f], inverseRadius[f], alpha, beta);
      const float c = u[f] * inverse;
      const Angle g = angleOf<angular>(c, p.functions.exponent, halfInverseK[f], inverseFull[f], byFull[f]);
      const float byValue = dy[f] * g.value;
      const float byCosine = dy[f] * h.ratio * g.slope;
      du[f] = byCosine;
      byNorm += byValue * h.slope - byCosine * c;
      byRadius[f] += byValue * h.byRadius;
      if (angular == kSigmoid) byK[f] += dy[f] * h.ratio * n * g.byK;
    }
    p.byNorms[row] = byNorm;
  }
}

// Call `rows` for g and, where R differs by filter, the magnitude function: a loop of its own for each pair.
#define DCNET_BY_ANGULAR(rows, perFilter, ...)                    \
  switch (p.functions.angular) {                                  \
    case kLinearAngle:                                            \
      return rows<perFilter, kLinearAngle>(__VA_ARGS__);          \
    case kCosine:                                                 \
      return rows<perFilter, kCosine>(__VA_ARGS__);               \
    case kSquareCosine:                                           \
      return rows<perFilter, kSquareCosine>(__VA_ARGS__);         \
    case kPower:                                                  \
      return rows<perFilter, kPower>(__VA_ARGS__);                \
    default:                                                      \
      return rows<perFilter, kSigmoid>(__VA_ARGS__);              \
  }

#define DCNET_BY_FUNCTIONS(rows, ...)                                       \
  switch (p.table.sharesRadius ? kOncePerPatch : p.functions.magnitude) {   \
    case kBall:                                                             \
      DCNET_BY_ANGULAR(rows, kBall, __VA_ARGS__)                            \
    case kTanh:                                                             \
      DCNET_BY_ANGULAR(rows, kTanh, __VA_ARGS__)                            \
    case kSeg:                                                              \
      DCNET_BY_ANGULAR(rows, kSeg, __VA_ARGS__)                             \
    default:                                                                \
      DCNET_BY_ANGULAR(rows, kOncePerPatch, __VA_ARGS__)                    \
  }

DCNET_VECTORISED void forwardPart(const Forward& p, int64_t begin, int64_t end) {
  DCNET_BY_FUNCTIONS(forwardRows, p, begin, end)
}

DCNET_VECTORISED void backwardPart(const Backward& p, int64_t begin, int64_t end, float* byRadius, float* byK) {
  DCNET_BY_FUNCTIONS(backwardRows, p, begin, end, byRadius, byK)
}

}  // namespace

void multiply(const Forward& rows, int64_t begin, int64_t end) { forwardPart(rows, begin, end); }

void multiplyBack(const Backward& rows, int64_t begin, int64_t end, float* byRadius, float* byK) {
  backwardPart(rows, begin, end, byRadius, byK);
}

void writeParameterGradients(const Run& run, int output, int input, const Functions& functions,
                             const std::vector<float>& parts, int64_t filters) {
  const auto write = [&](int64_t offset) {
    const Tensor out = run.output(output++, run.input(input++).shape());
    std::vector<double> totals(out.size());
    for (size_t part = 0; part < parts.size(); part += 2 * filters)
      for (int64_t f = 0; f < filters; f++) totals[totals.size() == 1 ? 0 : f] += parts[part + offset + f];
    for (size_t i = 0; i < totals.size(); i++) out.data()[i] = static_cast<float>(totals[i]);
  };
  if (functions.hasRadius()) write(0);
  if (functions.hasK()) write(filters);
}

namespace {

class Product {
 public:
  explicit Product(const Attributes& attributes) : functions_(attributes) {}

  void run(const Run& run) const {
    const Tensor projection = run.input(0);
    const Tensor norms = run.input(1);
    const int64_t filters = projection.lastDim();
    const int64_t rows = norms.size();
    require(projection.size() == rows * filters, "Each patch has one norm.");
    const Table table(run, 2, functions_, filters);
    const Tensor out = run.output(0, projection.shape());
    const Forward forward{functions_, table, filters, projection.data(), norms.data(), out.data()};
    const int64_t perPart = rowsOfPart(filters);
    inParallel(partsOf(rows, perPart), [&](int64_t part) {
      forwardPart(forward, part * perPart, std::min(rows, (part + 1) * perPart));
    });
  }

 private:
  const Functions functions_;
};

class ProductGradient {
 public:
  explicit ProductGradient(const Attributes& attributes) : functions_(attributes) {}

  void run(const Run& run) const {
    const Tensor projection = run.input(0);
    const Tensor norms = run.input(1);
    const Tensor dy = run.input(2);
    const int64_t filters = projection.lastDim();
    const int64_t rows = norms.size();
    require(projection.size() == rows * filters && dy.size() == projection.size(), "Each patch has one norm.");
    const Table table(run, 3, functions_, filters);
    const Tensor byProjection = run.output(0, projection.shape());
    const Tensor byNorms = run.output(1, norms.shape());
    const Backward backward{functions_, table,     filters, projection.data(),
                            norms.data(), dy.data(), byProjection.data(), byNorms.data()};
    const int64_t perPart = rowsOfPart(filters);
    const int64_t parts = partsOf(rows, perPart);
    std::vector<float> sums(parts * 2 * filters);
    inParallel(parts, [&](int64_t part) {
      float* const byRadius = &sums[part * 2 * filters];
      backwardPart(backward, part * perPart, std::min(rows, (part + 1) * perPart), byRadius, byRadius + filters);
    });
    writeParameterGradients(run, 2, 3, functions_, sums, filters);
  }

 private:
  const Functions functions_;
};

}  // namespace

void registerProduct() {
  const std::vector<const char*> attributes{"magnitude: int", "angular: int", "alpha: float", "beta: float",
                                            "exponent: float", "count: int >= 0"};
  registerKernel<Product>({"DcnetProduct",
                           {"projection: float", "norms: float", "parameters: count * float"},
                           {"product: float"},
                           attributes});
  registerKernel<ProductGradient>(
      {"DcnetProductGradient",
       {"projection: float", "norms: float", "dy: float", "parameters: count * float"},
       {"by_projection: float", "by_norms: float", "by_parameters: count * float"},
       attributes});
}

}  // namespace dcnet
