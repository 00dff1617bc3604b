import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { startBackend } from '../../../src/engine/backend/backend.js';
import { buildModel, type DcnetModel } from '../../../src/engine/model/model.js';
import { pixelsOf, underAttack } from '../../../src/engine/verdict/attack.js';
import { type FactorLayer, factorsOf } from '../../../src/engine/verdict/factors.js';
import { transplant } from '../../../src/engine/verdict/transplant.js';
import { networkOf } from '../model/sampleNetwork.js';
import { angle, frame, magnitude } from '../operator/oracle.js';
import { expectClose, expectNoLeak, randomValues, tensorOf } from '../tensors.js';

const side = 5;
const shape = [side, side, 1] as const;
const layers = [
  {
    type: 'conv',
    filters: 3,
    batchNorm: false,
    operator: { magnitude: 'tanh', angular: 'sigmoid', radius: 'fixed', rho: 0.8 },
  },
  { type: 'conv', filters: 2, kernel: 2, stride: 2, batchNorm: false, operator: 'inner-product' },
  { type: 'flatten' },
  { type: 'dense', units: 3 },
];

/** A feature map in float64, [H][W][C]. */
type Map3 = number[][][];

/** One image's factors in float64: h and g for each patch and filter, and ‖x‖ of each patch. */
function naiveFactors(x: Map3, kernel: number[][][][], layer: FactorLayer, tanh: boolean) {
  const [size, stride] = layer.type === 'conv' ? [layer.kernel, layer.stride] : [1, 1];
  const { out, before } = frame(x.length, size, stride, 'same');
  const filters = kernel[0]![0]![0]!.length;
  const epsilon = tanh ? 1e-4 : 0;
  const patches = [];
  for (let row = 0; row < out; row++)
    for (let column = 0; column < out; column++) {
      let square = epsilon;
      const dots = new Array<number>(filters).fill(0);
      const weights = new Array<number>(filters).fill(epsilon);
      for (let i = 0; i < size; i++)
        for (let j = 0; j < size; j++) {
          const pixel = x[row * stride + i - before]?.[column * stride + j - before];
          kernel[i]![j]!.forEach((perFilter, c) => {
            const value = pixel?.[c] ?? 0;
            square += value ** 2;
            perFilter.forEach((w, f) => {
              dots[f]! += w * value;
              weights[f]! += w * w;
            });
          });
        }
      const norm = Math.sqrt(square);
      const problem = { magnitude: 'tanh', alpha: 1, beta: 0 } as Parameters<typeof magnitude>[0];
      patches.push({
        norm,
        h: weights.map((w) => (tanh ? magnitude(problem, norm, 0.8) : norm * Math.sqrt(w))),
        g: dots.map((dot, f) => {
          const cosine = norm === 0 ? 0 : dot / norm / Math.sqrt(weights[f]!);
          return tanh ? angle('sigmoid', cosine, 0.3) : cosine;
        }),
      });
    }
  return { out, patches };
}

describe.each(['wasm', 'cpu'] as const)('a transplant on %s', (backend) => {
  let model: DcnetModel;
  const network = networkOf(layers, {}, shape, 3);
  const values = randomValues(3, 2 * side * side);
  const kernels = (): number[][][][][] =>
    ['conv1', 'conv2'].map((name) => model.tensors.get(`${name}/kernel`)!.arraySync() as number[][][][]);
  const image = (i: number): Map3 =>
    Array.from({ length: side }, (_, y) =>
      Array.from({ length: side }, (_, x) => [values[i * side * side + y * side + x]!]),
    );
  const batch = (from: number): tf.Tensor4D =>
    tensorOf(values.slice(from * side * side, (from + 1) * side * side), [1, ...shape]);

  beforeAll(async () => {
    await startBackend(backend);
    model = buildModel(network, { seed: 5, averageDecay: 0.9 });
  });

  /** Raw output of a layer as a map, from a product of factors. */
  function toMap(out: number, product: (patch: number, filter: number) => number, filters: number): Map3 {
    return Array.from({ length: out }, (_, y) =>
      Array.from({ length: out }, (_, x) =>
        Array.from({ length: filters }, (_, f) => product(y * out + x, f)),
      ),
    );
  }
  const relu = (map: Map3): Map3 => map.map((row) => row.map((pixel) => pixel.map((v) => Math.max(0, v))));
  const scores = (map: Map3): number[] => {
    const flat = map.flat(2);
    const w = model.tensors.get('dense1/kernel')!.arraySync() as number[][];
    return [0, 1, 2].map((c) => flat.reduce((sum, v, k) => sum + v * w[k]![c]!, 0));
  };
  const second = (map: Map3) => naiveFactors(map, kernels()[1]!, network.layers[1] as FactorLayer, false);
  const first = (map: Map3) => naiveFactors(map, kernels()[0]!, network.layers[0] as FactorLayer, true);
  const whole = ({ out, patches }: ReturnType<typeof first>): Map3 =>
    toMap(out, (p, f) => patches[p]!.h[f]! * patches[p]!.g[f]!, patches[0]!.h.length);
  /** The patch of another image that has the same rank by norm. */
  const rankMate = (own: { norm: number }[], other: { norm: number }[], p: number): number => {
    const rank = own.filter(({ norm }, i) => norm < own[p]!.norm || (norm === own[p]!.norm && i < p)).length;
    return [...other.keys()].sort((a, b) => other[a]!.norm - other[b]!.norm || a - b)[rank]!;
  };
  const exchanged = (angles: ReturnType<typeof first>, magnitudes: ReturnType<typeof first>): Map3 =>
    toMap(
      angles.out,
      (p, f) =>
        magnitudes.patches[rankMate(angles.patches, magnitudes.patches, p)]!.h[f]! * angles.patches[p]!.g[f]!,
      angles.patches[0]!.h.length,
    );

  it('is that of loops in float64, in a decoupled layer and in a plain one', () => {
    const [x, donor] = [first(image(0)), first(image(1))];
    const [x2, donor2] = [second(relu(whole(x))), second(relu(whole(donor)))];
    const outcomes = transplant(model, batch(0), batch(1), new Set(['conv1', 'conv2']));
    expect(outcomes.map(({ layer }) => layer.name)).toEqual(['conv1', 'conv2']);
    const close = (actual: Float32Array, expected: number[]): void => {
      expected.forEach((value, c) => {
        expect(actual[c]).toBeCloseTo(value, 4);
      });
    };
    const onward = (raw: Map3): number[] => scores(relu(whole(second(relu(raw)))));
    close(outcomes[0]!.norm, onward(exchanged(x, donor)));
    close(outcomes[0]!.angle, onward(exchanged(donor, x)));
    close(outcomes[1]!.norm, scores(relu(exchanged(x2, donor2))));
    close(outcomes[1]!.angle, scores(relu(exchanged(donor2, x2))));
    // Both from one image is the image itself.
    const own = transplant(model, batch(0), batch(0), new Set(['conv1']));
    close(own[0]!.norm, scores(relu(whole(x2))));
  });

  it('has factors whose product is the layer’s output, and leaves no tensor', () => {
    const x = batch(0);
    const check = (): void => {
      const out = model.walk(x, (layer, input, output) => {
        if (layer.type !== 'conv' && layer.type !== 'dense') return;
        const { h, g } = factorsOf(model, layer, input);
        expectClose(tf.mul(h, g), Float64Array.from(output.dataSync()), 1e-5, layer.name);
        const again = model.runOn(layer.name, output).dataSync();
        expect([...again]).toEqual([...tf.tidy(() => model.predict(x)).dataSync()]);
      });
      out.dispose();
    };
    expect(() => model.runOn('nowhere', x)).toThrow('There is no layer nowhere.');
    const donor = batch(1);
    expectNoLeak(() => transplant(model, x, donor, new Set(['conv1', 'conv2'])));
    check();
  });

  it('of the fast gradient sign method climbs the loss where finite differences say so', async () => {
    const normalised = randomValues(9, 3 * side * side, -0.9, 0.9);
    const withNorm = buildModel(
      networkOf(
        [{ type: 'conv', filters: 4, operator: { angular: 'linear' } }, ...layers.slice(1)],
        {},
        shape,
        3,
      ),
      { seed: 2, averageDecay: 0.9 },
    );
    const labels = [0, 1, 2];
    const lossOf = (at: Float64Array): number =>
      tf.tidy(() => {
        const logits = withNorm.predict(tensorOf(at, [3, ...shape])).arraySync();
        return logits.reduce((sum, row, i) => {
          const largest = Math.max(...row);
          return (
            sum +
            Math.log(row.reduce((all, v) => all + Math.exp(v - largest), 0)) +
            largest -
            row[labels[i]!]!
          );
        }, 0);
      });
    const attack = (epsilon: number): Promise<tf.Tensor4D> =>
      underAttack(withNorm, tensorOf(normalised, [3, ...shape]), tf.tensor1d(labels, 'int32'), [0, 1, 2], {
        attack: 'fgsm',
        epsilon,
      });
    const moved = (await attack(16)).dataSync();
    let compared = 0;
    for (let i = 0; i < normalised.length; i++) {
      const at = (by: number): Float64Array => normalised.map((v, k) => (k === i ? v + by : v));
      const slope = (lossOf(at(5e-3)) - lossOf(at(-5e-3))) / 1e-2;
      if (Math.abs(slope) < 2e-3) continue; // too flat for float32's differences to tell the sign
      compared++;
      expect(moved[i]! - normalised[i]!).toBeCloseTo((Math.sign(slope) * 16) / 128, 5);
    }
    expect(compared).toBeGreaterThan(30);
    expect(lossOf(Float64Array.from(moved))).toBeGreaterThan(lossOf(normalised));
    const far = (await attack(255)).dataSync();
    expect(Math.max(...far)).toBeCloseTo(127.5 / 128, 6);
    expect(Math.min(...far)).toBeCloseTo(-127.5 / 128, 6);
    const values = tf.tensor4d([-127.5 / 128, 0, 0.5 / 128, 127.5 / 128, -2], [1, 1, 5, 1]);
    expect([...pixelsOf(values, withNorm.normalization)]).toEqual([0, 128, 128, 255, 0]);
    const colours = { mean: [121.6, 116.6, 102.7], scale: [1, 2, 4] };
    const pixel = tf.tensor4d([0.4, -50.3, 60], [1, 1, 1, 3]);
    expect([...pixelsOf(pixel, colours)]).toEqual([122, 16, 255]);
    tf.dispose([values, pixel]);
    withNorm.dispose();
  });
});
