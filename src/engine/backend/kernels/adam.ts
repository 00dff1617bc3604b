import { lanesAt, multiplyAdd, storeLanes } from './vector';

/**
 * A step of Adam of one weight: m ← β₁m + (1 − β₁)g, v ← β₂v + (1 − β₂)g², w ← w − rate·(m/correction1)/(√(v/correction2) + ε).
 * @param length values of the weight
 * @param value, first, second, gradient what they are
 * @param newValue, newFirst, newSecond what they become
 */
export function adamStep(
  length: i32,
  beta1: f32,
  beta2: f32,
  epsilon: f32,
  rate: f32,
  correction1: f32,
  correction2: f32,
  value: usize,
  first: usize,
  second: usize,
  gradient: usize,
  newValue: usize,
  newFirst: usize,
  newSecond: usize,
): void {
  const decay1 = f32x4.splat(beta1);
  const decay2 = f32x4.splat(beta2);
  const share1 = f32x4.splat(<f32>1 - beta1);
  const share2 = f32x4.splat(<f32>1 - beta2);
  for (let i = 0; i < length; i += 4) {
    const at = (<usize>i) << 2;
    const lanes = lanesAt(i, length);
    const g = v128.load(gradient + at);
    const m = multiplyAdd(v128.load(first + at), decay1, f32x4.mul(g, share1));
    const v = multiplyAdd(v128.load(second + at), decay2, f32x4.mul(f32x4.mul(g, g), share2));
    const size = f32x4.add(f32x4.sqrt(f32x4.div(v, f32x4.splat(correction2))), f32x4.splat(epsilon));
    const step = f32x4.mul(f32x4.div(f32x4.div(m, f32x4.splat(correction1)), size), f32x4.splat(rate));
    storeLanes(newFirst + at, m, lanes);
    storeLanes(newSecond + at, v, lanes);
    storeLanes(newValue + at, f32x4.sub(v128.load(value + at), step), lanes);
  }
}
