#ifndef DCNET_PRODUCT_H_
#define DCNET_PRODUCT_H_

#include <cmath>
#include <vector>

#include "kernel.h"

// h(n)·g(θ) from the projection u = n·cos θ, and its gradients, by rows: a row is a patch, its columns are the filters.
namespace dcnet {

// The numbers of the functions, as the engine passes them.
enum Magnitude { kSphere, kBall, kTanh, kLinear, kSeg, kLog, kMix };
enum Angular { kLinearAngle, kCosine, kSquareCosine, kSigmoid, kPower };

struct Functions {
  int magnitude;
  int angular;
  float alpha;
  float beta;
  float exponent;

  explicit Functions(const Attributes& attributes)
      : magnitude(attributes.integer("magnitude")),
        angular(attributes.integer("angular")),
        alpha(attributes.real("alpha")),
        beta(attributes.real("beta")),
        exponent(attributes.real("exponent")) {
    require(magnitude >= kSphere && magnitude <= kMix, "There is no magnitude function of this number.");
    require(angular >= kLinearAngle && angular <= kPower, "There is no angular activation of this number.");
  }

  bool hasRadius() const { return magnitude == kBall || magnitude == kTanh || magnitude == kSeg; }
  bool hasK() const { return angular == kSigmoid; }
};

constexpr double kQuarterPi = 0.7853981633974483;

// R, 1/R and what the sigmoid needs of k, one value a filter each.
struct Table {
  std::vector<float> radius, inverseRadius, halfInverseK, inverseFull, byFull;
  bool sharesRadius = true;

  // The parameters are the inputs from `first` on: R where the function has one, then k.
  Table(const Run& run, int first, const Functions& functions, int64_t filters)
      : radius(filters, 1.f),
        inverseRadius(filters, 1.f),
        halfInverseK(filters, 1.f),
        inverseFull(filters, 1.f),
        byFull(filters, 1.f) {
    require(run.inputs() == first + functions.hasRadius() + functions.hasK(),
            "R and k are given where the functions have them, and nowhere else.");
    if (functions.hasRadius()) {
      const Tensor given = run.input(first);
      require(given.size() == 1 || given.size() == filters, "R is one, or one a filter.");
      sharesRadius = given.size() == 1;
      for (int64_t f = 0; f < filters; f++) {
        radius[f] = given.data()[sharesRadius ? 0 : f];
        inverseRadius[f] = 1.f / radius[f];
      }
    }
    if (functions.hasK()) {
      const Tensor given = run.input(first + functions.hasRadius());
      require(given.size() == 1 || given.size() == filters, "k is one, or one a filter.");
      for (int64_t f = 0; f < filters; f++) {
        const double k = given.data()[given.size() == 1 ? 0 : f];
        const double full = std::tanh(kQuarterPi / k);
        halfInverseK[f] = static_cast<float>(1 / (2 * k));
        inverseFull[f] = static_cast<float>(1 / full);
        byFull[f] = static_cast<float>(kQuarterPi * (1 - full * full) / (k * k * full));
      }
    }
  }
};

// What the value of rows takes; `out` is written.
struct Forward {
  const Functions& functions;
  const Table& table;
  int64_t filters;
  const float* projection;
  const float* norms;
  float* out;
};

// What the gradients of rows take; `byProjection` and `byNorms` are written.
struct Backward {
  const Functions& functions;
  const Table& table;
  int64_t filters;
  const float* projection;
  const float* norms;
  const float* dy;
  float* byProjection;
  float* byNorms;
};

// Compute the rows from `begin` to `end`.
void multiply(const Forward& rows, int64_t begin, int64_t end);

// As `multiply`; adds the rows' shares of dR and dk to `byRadius` and `byK` [filters].
void multiplyBack(const Backward& rows, int64_t begin, int64_t end, float* byRadius, float* byK);

// Write dR and dk, those that there are, as the outputs from `output` on: of the shapes of the inputs from `input` on, and
// summed over what parts of the rows gave, [parts, dR and dk, filters].
void writeParameterGradients(const Run& run, int output, int input, const Functions& functions,
                             const std::vector<float>& parts, int64_t filters);

}  // namespace dcnet

#endif  // DCNET_PRODUCT_H_
