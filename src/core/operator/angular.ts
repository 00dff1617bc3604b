import { type AngularName, squareExponent } from '../config/operatorSchema.js';

/**
 * Angular activation g(θ) in float64 (Decoupled Networks, section 3.4; SphereNet for linear and sigmoid).
 * g(0) = 1, g(π/2) = 0, g(π) = −1.
 * @param theta angle between filter and patch, radians in [0, π]
 * @param k temperature of the sigmoid
 * @param exponent B of the square cosine, sign(cos θ)·|cos θ|^B
 */
export function angularValue(name: AngularName, theta: number, k: number, exponent = squareExponent): number {
  switch (name) {
    case 'linear':
      return 1 - (2 * theta) / Math.PI;
    case 'cosine':
      return Math.cos(theta);
    case 'square-cosine': {
      const cosine = Math.cos(theta);
      return Math.sign(cosine) * Math.abs(cosine) ** exponent;
    }
    case 'sigmoid':
      return Math.tanh((Math.PI / 2 - theta) / (2 * k)) / Math.tanh(Math.PI / (4 * k));
  }
}
