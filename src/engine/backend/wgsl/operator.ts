import { angularNames, magnitudeNames, squareExponent } from '../../../core/config/operatorSchema.js';
import type { OperatorFunctions } from '../../operator/decoupledProduct.js';
import { functionCodes, powerCode } from '../functionCodes.js';

const upperSnake = (name: string): string => name.replace('-', '_').toUpperCase();
const numbered = (names: readonly string[], kind: string): string =>
  names.map((name, index) => `const ${kind}_${upperSnake(name)} = ${index};`).join('\n');

/** The constants that {@link operatorCode} is compiled with. */
export function operatorConstants(functions: OperatorFunctions): Readonly<Record<string, number>> {
  const [magnitude, angular] = functionCodes(functions);
  const { alpha, beta, exponent = squareExponent } = functions;
  return { magnitude, angular, alpha, beta, exponent };
}

/**
 * WGSL of the magnitude functions and angular activations with their derivatives, as `magnitudeTerms` and
 * `angularTerms` compose them of tfjs's operations. WGSL promises little of its own tanh, asin and log near 0, where the
 * angles of most patches lie: these keep float32's digits there.
 */
export const operatorCode = `
override magnitude: i32;
override angular: i32;
override alpha: f32;
override beta: f32;
override exponent: f32;
${numbered(magnitudeNames, 'MAGNITUDE')}
${numbered(angularNames, 'ANGULAR')}
const ANGULAR_POWER = ${powerCode};
const HALF_PI = 1.5707963267948966;
// Cosines of float32 exceed 1, and the slope of the arccos is infinite there.
const COSINE_LIMIT = 0.9999999;

struct Magnitude {
  ratio: f32, // h(n)/n
  slope: f32, // dh/dn
  byRadius: f32,
}

struct Angular {
  value: f32, // g
  slope: f32, // dg/dc
  byK: f32,
}

// tanh(z)/z: a series near 0, else by an exponential that cannot overflow.
fn tanhRatio(z: f32) -> f32 {
  let size = abs(z);
  let square = z * z;
  if (size < 0.2) {
    return 1.0 + square * (-1.0 / 3.0 + square * (2.0 / 15.0 + square * (-17.0 / 315.0 + square * (62.0 / 2835.0))));
  }
  let fall = exp(-2.0 * size);
  return (1.0 - fall) / ((1.0 + fall) * size);
}

fn tanhOf(z: f32) -> f32 {
  return z * tanhRatio(z);
}

// ln(1 + n) for n >= 0, as 2·artanh(n/(2 + n)) near 0.
fn log1p(n: f32) -> f32 {
  if (n > 1.0) {
    return log(1.0 + n);
  }
  let s = n / (2.0 + n);
  let square = s * s;
  return 2.0 * s * (1.0 + square * (1.0 / 3.0 + square * (1.0 / 5.0 + square * (1.0 / 7.0 + square * (1.0 / 9.0
    + square * (1.0 / 11.0 + square / 13.0))))));
}

// Cephes' asinf: a polynomial up to 1/2, and beyond it by arcsin c = π/2 − 2·arcsin √((1 − c)/2).
fn arcsine(c: f32) -> f32 {
  let size = abs(c);
  let isLarge = size > 0.5;
  let square = select(c * c, 0.5 * (1.0 - size), isLarge);
  let root = select(size, sqrt(square), isLarge);
  let near = root + root * square * (1.6666752422e-1 + square * (7.4953002686e-2 + square * (4.5470025998e-2
    + square * (2.4181311049e-2 + square * 4.2163199048e-2))));
  return sign(c) * select(near, HALF_PI - 2.0 * near, isLarge);
}

fn magnitudeTerms(norm: f32, R: f32) -> Magnitude {
  let n = max(norm, 1e-30);
  switch magnitude {
    case MAGNITUDE_SPHERE: {
      return Magnitude(alpha / n, 0.0, 0.0);
    }
    case MAGNITUDE_BALL: {
      let slope = select(0.0, alpha / R, norm <= R);
      return Magnitude(alpha / max(n, R), slope, -slope * norm / R);
    }
    case MAGNITUDE_TANH: {
      let z = n / R;
      let ratio = tanhRatio(z);
      let slope = alpha / R * (1.0 - (z * ratio) * (z * ratio));
      return Magnitude(alpha / R * ratio, slope, -z * slope);
    }
    case MAGNITUDE_SEG: {
      if (norm <= R) {
        return Magnitude(alpha, alpha, 0.0);
      }
      return Magnitude(R * (alpha - beta) / n + beta, beta, alpha - beta);
    }
    case MAGNITUDE_LOG: {
      return Magnitude(alpha * log1p(n) / n, alpha / (1.0 + norm), 0.0);
    }
    case MAGNITUDE_MIX: {
      return Magnitude(alpha + beta * log1p(n) / n, alpha + beta / (1.0 + norm), 0.0);
    }
    default: { // linear
      return Magnitude(alpha, alpha, 0.0);
    }
  }
}

fn sine(c: f32) -> f32 {
  return sqrt((1.0 - c) * (1.0 + c));
}

fn angularTerms(c: f32, k: f32) -> Angular {
  switch angular {
    case ANGULAR_LINEAR: {
      let limited = clamp(c, -COSINE_LIMIT, COSINE_LIMIT);
      return Angular(arcsine(limited) / HALF_PI, 1.0 / (HALF_PI * sine(limited)), 0.0);
    }
    case ANGULAR_SQUARE_COSINE: {
      return Angular(abs(c) * c, 2.0 * abs(c), 0.0);
    }
    case ANGULAR_POWER: {
      let size = abs(c);
      let lesser = select(0.0, pow(size, exponent - 1.0), size > 0.0); // exp2 of a logarithm: undefined at 0
      return Angular(lesser * c, exponent * lesser, 0.0);
    }
    case ANGULAR_SIGMOID: {
      let limited = clamp(c, -COSINE_LIMIT, COSINE_LIMIT);
      let complement = arcsine(limited); // π/2 − θ
      let t = tanhOf(complement / (2.0 * k));
      let full = tanhOf(HALF_PI / (2.0 * k));
      let value = t / full;
      let fall = (1.0 - t * t) / (2.0 * k * full);
      let normaliser = 0.5 * HALF_PI * (1.0 - full * full) / (k * k * full);
      return Angular(value, fall / sine(limited), value * normaliser - fall * complement / k);
    }
    default: { // cosine
      return Angular(c, 1.0, 0.0);
    }
  }
}

// c = u/n; 0 at a zero patch.
fn cosineOf(projection: f32, norm: f32) -> f32 {
  return projection / max(norm, 1e-30);
}
`;
