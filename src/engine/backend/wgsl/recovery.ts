/**
 * WGSL that gives cos θ back from the operator's value h(n)·g(θ): g is one-to-one, and h > 0. So the gradient reads the
 * output, which is kept for the next layer anyway, and the forward pass writes no projection. With `operatorCode`.
 */
export const recoveryCode = `
// A series, for WGSL promises its own sin three digits only; |angle| ≤ π/2.
fn sineOf(angle: f32) -> f32 {
  let square = angle * angle;
  return angle * (1.0 + square * (-1.0 / 6.0 + square * (1.0 / 120.0 + square * (-1.0 / 5040.0
    + square * (1.0 / 362880.0 - square / 39916800.0)))));
}

fn cosineFrom(value: f32, ratio: f32, norm: f32, k: f32) -> f32 {
  let g = value / (ratio * max(norm, 1e-30));
  switch angular {
    case ANGULAR_LINEAR: {
      return sineOf(clamp(g, -1.0, 1.0) * HALF_PI);
    }
    case ANGULAR_SQUARE_COSINE: {
      return sign(g) * sqrt(abs(g));
    }
    case ANGULAR_POWER: {
      return select(0.0, sign(g) * pow(abs(g), 1.0 / exponent), g != 0.0); // pow is undefined at 0
    }
    case ANGULAR_SIGMOID: {
      let t = min(abs(g) * tanhOf(HALF_PI / (2.0 * k)), 0.9999999);
      let complement = k * log1p(2.0 * t / (1.0 - t)); // 2k·artanh t
      return sign(g) * sineOf(min(complement, HALF_PI));
    }
    default: { // cosine
      return g;
    }
  }
}
`;
