#ifndef DCNET_VECTOR_MATH_H_
#define DCNET_VECTOR_MATH_H_

#include <cmath>

#include "parallel.h"

// Functions without branches, so that a loop over them becomes vectors. NaN stays NaN.
namespace dcnet {

// tanh(z) for z ≥ 0, of relative error 4e-7 and never above 1: z times a rational function of z² fitted to tanh(z)/z
// on [0, 9], beyond which tanh is 1 to float32. It needs no series near 0.
DCNET_INLINE float tanhOfPositive(float z) {
  const float inside = 9.f < z ? 9.f : z;
  const float v = inside * inside;
  float numerator = 1.3354671146714736e-8f;
  numerator = numerator * v + 2.0609089915524237e-5f;
  numerator = numerator * v + 0.003495588665828109f;
  numerator = numerator * v + 0.13381026685237885f;
  numerator = numerator * v + 1.f;
  float denominator = 7.77656225636747e-7f;
  denominator = denominator * v + 0.0003285635611973703f;
  denominator = denominator * v + 0.025876984000205994f;
  denominator = denominator * v + 0.4671434164047241f;
  denominator = denominator * v + 1.f;
  const float quotient = inside * numerator / denominator;
  return 1.f < quotient ? 1.f : quotient;
}

// tanh of any sign.
DCNET_INLINE float tanhOf(float z) { return std::copysign(tanhOfPositive(std::fabs(z)), z); }

// arcsin for |c| ≤ 1, of absolute error 2e-7; beyond ½ by arcsin c = π/2 − 2·arcsin √((1 − c)/2).
DCNET_INLINE float asinOf(float c) {
  const float size = std::fabs(c);
  const bool isLarge = size > .5f;
  const float square = isLarge ? (1.f - size) * .5f : size * size;
  const float root = isLarge ? std::sqrt(square) : size;
  float series = 0.0426354855298996f;
  series = series * square + 0.02385828085243702f;
  series = series * square + 0.0455501563847065f;
  series = series * square + 0.07494434714317322f;
  series = series * square + 0.1666678935289383f;
  series = series * square + 1.f;
  const float small = root * series;
  return std::copysign(isLarge ? 1.5707963267948966f - 2.f * small : small, c);
}

}  // namespace dcnet

#endif  // DCNET_VECTOR_MATH_H_
