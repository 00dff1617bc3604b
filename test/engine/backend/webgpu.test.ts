import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, expect, test, vi } from 'vitest';
import { angularNames, type MagnitudeName } from '../../../src/core/config/operatorSchema.js';
import { resolveOperator } from '../../../src/core/operator/operator.js';
import { startBackend } from '../../../src/engine/backend/backend.js';
import { DawnBackend } from '../../../src/engine/backend/dawnBackend.js';
import type { TrafficCount } from '../../../src/engine/backend/traffic.js';
import { Tuner } from '../../../src/engine/backend/tuning.js';
import { DecoupledConv2D } from '../../../src/engine/layers/decoupledConv2dLayer.js';
import { updateRunningAverages } from '../../../src/engine/layers/runningAverage.js';
import { batchNormalize } from '../../../src/engine/operator/batchNorm.js';
import {
  type DecoupledConv2dOptions,
  decoupledConv2d,
} from '../../../src/engine/operator/decoupledConv2d.js';
import { createOptimizer } from '../../../src/engine/training/optimizer.js';
import { describeOn } from '../backends.js';
import { expectClose, randomValues, sizeOf, tensorOf } from '../tensors.js';

/** A function of tensors with its gradients, each as values. */
type Values = readonly Float64Array[];

interface Input {
  readonly shape: readonly number[];
  readonly low: number;
  readonly high: number;
}

/** y and the gradients to each input, on one backend. */
async function evaluate(
  backend: 'webgpu' | 'cpu',
  inputs: readonly Input[],
  f: (...given: tf.Tensor[]) => tf.Tensor,
): Promise<Values> {
  await startBackend(backend);
  const results: Float64Array[] = [];
  tf.tidy(() => {
    const given = inputs.map(({ shape, low, high }, index) =>
      tensorOf(randomValues(index + 1, sizeOf(shape), low, high), shape),
    );
    const y = f(...given);
    const dy = tensorOf(randomValues(99, y.size), y.shape);
    for (const tensor of [y, ...tf.grads(f)(given, dy)])
      results.push(Float64Array.from(tensor.dataSync<'float32'>()));
  });
  return results;
}

/** webgpu's results agree with those of the reference backend. */
async function checkParity(
  inputs: readonly Input[],
  f: (...given: tf.Tensor[]) => tf.Tensor,
  tolerance: number,
): Promise<void> {
  const expected = await evaluate('cpu', inputs, f);
  const actual = await evaluate('webgpu', inputs, f);
  for (const [index, values] of actual.entries())
    expectClose(tf.tensor1d(Float32Array.from(values)), expected[index]!, tolerance, `result ${index}`);
}

const both = (shape: readonly number[]): Input => ({ shape, low: -1, high: 1 });

/** Shapes of more than one tile, share and workgroup in each direction, none of them filled. */
describeOn('webgpu', 'kernels of our own on webgpu, beyond one workgroup', () => {
  beforeAll(async () => {
    await startBackend('webgpu');
  });

  test.each([
    { x: [3, 17, 19, 9], w: [3, 3, 9, 37], stride: 1, padding: 'same' },
    { x: [2, 21, 18, 5], w: [2, 2, 5, 70], stride: 2, padding: 'valid' },
    { x: [1, 40, 40, 1], w: [5, 5, 1, 3], stride: 1, padding: 'same' },
  ] as const)('convolution of $x with $w, stride $stride, $padding', async ({ x, w, stride, padding }) => {
    await checkParity(
      [both(x), both(w)],
      (image, filters) => tf.conv2d(image as tf.Tensor4D, filters as tf.Tensor4D, stride, padding),
      2e-5,
    );
  });

  test.each([
    { magnitude: 'tanh', angular: 'sigmoid', shared: 20 },
    { magnitude: 'seg', angular: 'linear', shared: 20 },
    { magnitude: 'ball', angular: 'cosine', shared: 1 },
  ] as const)('$magnitude × $angular, R and k of $shared', async ({ magnitude, angular, shared }) => {
    const options: DecoupledConv2dOptions = {
      ...{ magnitude, angular, alpha: 1.3, beta: 0.4, stride: 1, padding: 'same' },
    };
    const inputs: Input[] = [both([3, 13, 14, 5]), both([3, 3, 5, 20]), { shape: [shared], low: 2, high: 5 }];
    if (angular === 'sigmoid') inputs.push({ shape: [shared], low: 0.2, high: 0.8 });
    await checkParity(
      inputs,
      (x, w, radius, k) =>
        decoupledConv2d(x as tf.Tensor4D, w as tf.Tensor4D, {
          ...options,
          radius: radius as tf.Tensor1D,
          k: k as tf.Tensor1D,
        }),
      5e-5,
    );
  });

  /** Chooses the gradient's variant that has its slopes from `source`, and else what is usual. */
  const choosing = (source: 'computed' | 'stored') =>
    vi
      .spyOn(DawnBackend.prototype, 'choose')
      .mockImplementation(
        (_, candidates) =>
          candidates.find((each) => (each as { source?: string }).source === source) ?? candidates[0],
      );

  /** An operator that has a radius, on a layer; checked with a fixed or an adaptive R against the reference. */
  interface Checked extends Pick<DecoupledConv2dOptions, 'magnitude' | 'angular' | 'stride' | 'padding'> {
    readonly source: 'computed' | 'stored';
    readonly x: readonly [number, number, number, number];
    /** K, and F. */
    readonly filters: readonly [size: number, count: number];
    /** Values of ρ, and of k. */
    readonly parameters: number;
    readonly adaptive: boolean;
  }
  const checkRadius = async ({ source, x, filters, parameters, adaptive, ...options }: Checked) => {
    const choose = choosing(source);
    const means: number[] = [];
    const [size, count] = filters;
    const inputs = [both(x), both([size, size, x[3], count]), { shape: [parameters], low: 0.5, high: 2 }];
    if (options.angular === 'sigmoid') inputs.push({ shape: [parameters], low: 0.2, high: 0.8 });
    const onMean = (mean: tf.Scalar) => void means.push(mean.dataSync()[0]!);
    try {
      await checkParity(
        inputs,
        (image, w, rho, k) =>
          decoupledConv2d(image as tf.Tensor4D, w as tf.Tensor4D, {
            ...{ ...options, alpha: 1.3, beta: 0.4 },
            radius: adaptive ? { rho: rho as tf.Tensor1D, onMean } : (rho as tf.Tensor1D),
            k: k as tf.Tensor1D | undefined,
          }),
        5e-5,
      );
      expect(choose.mock.results.map(({ value }) => value)).toContainEqual({ source });
      // The reference's passes, then ours.
      const half = means.length / 2;
      expect(half > 0).toBe(adaptive);
      expectClose(tf.tensor1d(means.slice(half)), Float64Array.from(means.slice(0, half)), 1e-6, 'E‖x‖');
    } finally {
      choose.mockRestore();
    }
  };
  const small = { x: [2, 9, 11, 5], filters: [3, 20], parameters: 20 } as const;

  test.each([
    ['stored', 'same', 1, false],
    ['stored', 'valid', 2, true],
    ['computed', 'same', 2, true],
    ['computed', 'valid', 1, false],
  ] as const)('%s slopes, %s, stride %i, adaptive R: %s', async (source, padding, stride, adaptive) => {
    const functions = { magnitude: 'tanh', angular: 'square-cosine' } as const;
    await checkRadius({ ...small, ...functions, source, padding, stride, adaptive });
  });

  // Each function with slopes that are stored and such as are computed, with one ρ and with one of each filter.
  const operators = ['ball', 'tanh', 'seg'].flatMap((magnitude, i) =>
    angularNames.map((angular, j) => ({
      ...{ magnitude: magnitude as MagnitudeName, angular },
      source: (i + j) % 2 === 0 ? ('stored' as const) : ('computed' as const),
      parameters: (i + Math.floor(j / 2)) % 2 === 0 ? 1 : small.parameters,
    })),
  );
  test.each(operators)(
    'adaptive R: $magnitude × $angular, $source slopes, $parameters ρ',
    async (operator) => {
      await checkRadius({ ...small, ...operator, padding: 'same', stride: 1, adaptive: true });
    },
  );

  test.each(
    (['stored', 'computed'] as const).flatMap((source) => [
      // More patches than the workgroups that add up their norms take at once, and more sums than one adds up at once.
      { source, x: [17, 31, 33, 1], filters: [2, 3], parameters: 3, stride: 1, padding: 'same' } as const,
      // More than one tile of channels, of filters and of weights.
      { source, x: [2, 7, 9, 37], filters: [3, 70], parameters: 70, stride: 2, padding: 'same' } as const,
    ]),
  )('adaptive R of $x by $filters, $source slopes', async (layer) => {
    await checkRadius({ ...layer, magnitude: 'tanh', angular: 'cosine', adaptive: true });
  });

  test('adaptive R where a kernel may have eight tensors only', async () => {
    await startBackend('webgpu');
    const { limits } = (tf.backend() as DawnBackend).device;
    const most = vi.spyOn(limits, 'maxStorageBuffersPerShaderStage', 'get').mockReturnValue(8);
    try {
      const functions = { magnitude: 'tanh', angular: 'sigmoid', padding: 'same', stride: 2 } as const;
      await checkRadius({ ...small, ...functions, source: 'stored', adaptive: true });
      expect(most).toHaveBeenCalled();
    } finally {
      most.mockRestore();
    }
  });

  /** Tensors of a decoupled layer, and the layer as a function of them. */
  const layerOf = (
    shape: readonly [batch: number, side: number, channels: number, filters: number],
    functions: Pick<DecoupledConv2dOptions, 'magnitude' | 'angular'>,
    adaptive = false,
  ) => {
    const [batch, side, channels, filters] = shape;
    const shapes = [[batch, side, side, channels], [3, 3, channels, filters], [filters], [filters]];
    const ranges = [
      [-1, 1],
      [-1, 1],
      [2, 5],
      [0.3, 0.8],
    ] as const;
    const [x, w, radius, k] = shapes.map((of, index) =>
      tensorOf(randomValues(index + 1, sizeOf(of), ...ranges[index]!), of),
    ) as [tf.Tensor4D, tf.Tensor4D, tf.Tensor1D, tf.Tensor1D];
    const inputs = [
      ...[x, w],
      ...(functions.magnitude === 'tanh' ? [radius] : []),
      ...(functions.angular === 'sigmoid' ? [k] : []),
    ];
    const apply = (...given: tf.Tensor[]): tf.Tensor =>
      decoupledConv2d(given[0] as tf.Tensor4D, given[1] as tf.Tensor4D, {
        ...{ ...functions, alpha: 1, beta: 1, stride: 1, padding: 'same' },
        radius: adaptive
          ? { rho: given[2] as tf.Tensor1D, onMean: () => {} }
          : (given[2] as tf.Tensor1D | undefined),
        k: given[3] as tf.Tensor1D | undefined,
      });
    return { inputs, apply, dy: tf.ones([batch, side, side, filters]) };
  };
  /** y and all gradients. */
  const resultsOf = ({ inputs, apply, dy }: ReturnType<typeof layerOf>): Float64Array[] => {
    const tensors = tf.tidy(() => [apply(...inputs), ...tf.grads(apply)(inputs, dy)]);
    const values = tensors.map((tensor) => Float64Array.from(tensor.dataSync<'float32'>()));
    tf.dispose(tensors);
    return values;
  };
  const backend = (): DawnBackend => tf.backend() as DawnBackend;
  const bytes = ({ readBytes, writtenBytes }: TrafficCount): number => readBytes + writtenBytes;

  test.each([
    [[2, 9, 3, 6], 'sphere', 'cosine', false],
    [[2, 9, 3, 6], 'tanh', 'cosine', false],
    [[2, 12, 32, 32], 'tanh', 'sigmoid', false],
    [[2, 12, 16, 64], 'linear', 'square-cosine', false],
    [[2, 20, 3, 32], 'tanh', 'cosine', true],
    [[2, 12, 32, 32], 'tanh', 'sigmoid', true],
  ] as const)(
    '%j, %s × %s, adaptive R: %s: one dispatch or two forward, two or three back, few bytes more than a plain convolution',
    async (shape, magnitude, angular, adaptive) => {
      await startBackend('webgpu');
      tf.tidy(() => {
        const { inputs, apply, dy } = layerOf(shape, { magnitude, angular }, adaptive);
        const { traffic } = backend();
        const [batch, side, channels, filters] = shape;
        // What no convolution can do without: x and w are read, y is written.
        const least = 4 * (batch * side * side * (channels + filters) + 9 * channels * filters);
        traffic.take();
        apply(...inputs);
        const inference = traffic.take();
        const [ofX, ofY] = [channels, filters].map((values) => 4 * batch * side * side * values) as [
          number,
          number,
        ];
        // R depends on all of x, so x is read before; the slopes by it are read before dx is written, or x and dx after.
        const before = adaptive ? ofX : 0;
        const inBetween = adaptive ? Math.min(2 * ofY, 3 * ofX) : 0;
        expect(inference.dispatches).toBe(adaptive ? 2 : 1);
        expect((bytes(inference) - before) / least).toBeLessThan(1.1);
        /** What the passes of a training step move. */
        const trained = (layer: typeof apply, given: tf.Tensor[]) => {
          let forward = traffic.take();
          tf.grads((...values) => {
            const y = layer(...values);
            forward = traffic.take();
            return y;
          })(given, dy);
          return { forward, backward: traffic.take() };
        };
        const { forward, backward } = trained(apply, inputs);
        const plain = trained(
          (x, w) => tf.conv2d(x as tf.Tensor4D, w as tf.Tensor4D, 1, 'same'),
          inputs.slice(0, 2),
        );
        expect(bytes(plain.forward)).toBeGreaterThanOrEqual(least);
        // dx and dw are written, w, x and, by a kernel for each, dy are read.
        expect(bytes(plain.backward)).toBeGreaterThanOrEqual(2 * least);
        expect(forward.dispatches).toBe(adaptive ? 2 : 1);
        expect(backward.dispatches).toBe(adaptive ? 3 : 2);
        expect((bytes(forward) - before) / bytes(plain.forward)).toBeLessThan(1.1);
        expect((bytes(backward) - inBetween) / bytes(plain.backward)).toBeLessThan(1.3);
      });
    },
  );

  test('an adaptive radius takes a pass over the norms, and a step of their average, in training only', async () => {
    await startBackend('webgpu');
    const layer = new DecoupledConv2D({
      ...{ filters: 3, kernelSize: 3, strides: 1, padding: 'same', averageDecay: 0.9, seed: 5 },
      operator: resolveOperator({ magnitude: 'tanh', radius: 'adaptive' }),
    });
    layer.build([null, 5, 5, 2]);
    const dispatch = vi.spyOn(DawnBackend.prototype, 'dispatch');
    const kernels = (training: boolean): string[] => {
      dispatch.mockClear();
      tf.tidy(() => void layer.call(tf.ones([2, 5, 5, 2]), { training }));
      return dispatch.mock.calls.map(([{ kernel }]) => kernel.name.split(' ', 1)[0]!);
    };
    try {
      expect(kernels(false)).toEqual(['forward']);
      expect(kernels(true)).toEqual(['patch', 'forward', 'running']);
    } finally {
      dispatch.mockRestore();
    }
  });

  test.each([false, true])('a smaller batch compiles nothing, adaptive R: %s', async (adaptive) => {
    await startBackend('webgpu');
    const train = (batch: number): void =>
      tf.tidy(() => {
        const functions = { magnitude: 'tanh', angular: 'sigmoid' } as const;
        const { inputs, apply, dy } = layerOf([batch, 7, 3, 5], functions, adaptive);
        tf.grads((...given) => {
          const [gamma, beta] = [tf.ones([5]), tf.zeros([5])] as tf.Tensor1D[];
          return batchNormalize(apply(...given), gamma!, beta!, true, () => undefined);
        })(inputs, dy);
      });
    train(19);
    backend().traffic.take();
    train(4);
    expect(backend().traffic.take().pipelines).toBe(0);
    train(1);
    expect(backend().traffic.take().pipelines).toBe(0);
  });

  test.each([
    ['tanh', 'cosine', false],
    ['tanh', 'sigmoid', false],
    ['tanh', 'sigmoid', true],
  ] as const)('%s × %s, adaptive R: %s, in 16 bits is close to 32', async (magnitude, angular, adaptive) => {
    await startBackend('webgpu');
    const evaluated = (storage: DawnBackend['storage']): Float64Array[] => {
      backend().storage = storage;
      return resultsOf(layerOf([2, 9, 20, 24], { magnitude, angular }, adaptive));
    };
    try {
      const expected = evaluated('float32');
      const actual = evaluated('float16-simulated');
      let differs = false;
      for (const [index, values] of actual.entries()) {
        const scale = Math.max(...expected[index]!.map(Math.abs));
        const off = Math.max(...values.map((value, i) => Math.abs(value - expected[index]![i]!))) / scale;
        expect(off, `result ${index}`).toBeLessThan(5e-3);
        differs ||= off > 1e-6;
      }
      expect(differs).toBe(true);
    } finally {
      backend().storage = 'float32';
    }
  });

  test.each([
    { rows: 8, columns: 2 },
    { rows: 2, columns: 4 },
  ])('tiles of $rows × $columns give the same as the usual ones', async (tile) => {
    await startBackend('webgpu');
    const shape = [3, 13, 9, 40] as const;
    const functions = { magnitude: 'tanh', angular: 'cosine' } as const;
    const expected = resultsOf(layerOf(shape, functions));
    const choose = vi
      .spyOn(backend(), 'choose')
      .mockImplementation((_, [usual]) => Object.assign({}, usual, tile));
    const actual = resultsOf(layerOf(shape, functions));
    choose.mockRestore();
    for (const [index, values] of actual.entries())
      expectClose(tf.tensor1d(Float32Array.from(values)), expected[index]!, 2e-5, `result ${index}`);
  });

  test('what a tuner chooses by is seconds', async () => {
    await startBackend('webgpu');
    const taken: number[] = [];
    const choose = vi.spyOn(Tuner.prototype, 'choose').mockImplementation((_, [usual], seconds) => {
      taken.push(seconds(usual));
      return usual;
    });
    const { inputs, apply } = layerOf([2, 9, 3, 6], { magnitude: 'sphere', angular: 'cosine' });
    tf.tidy(() => void apply(...inputs));
    choose.mockRestore();
    expect(taken).toHaveLength(1);
    expect(taken[0]).toBeGreaterThan(0);
    expect(taken[0]).toBeLessThan(60);
  });

  test.each([true, false])('batch normalisation of many rows, relu %s', async (relu) => {
    await checkParity(
      [{ shape: [9000, 19], low: -1, high: 3 }, both([19]), both([19])],
      (x, gamma, beta) => batchNormalize(x, gamma as tf.Tensor1D, beta as tf.Tensor1D, relu, () => undefined),
      1e-4,
    );
  });

  test('the running averages of a layer take one dispatch', async () => {
    await startBackend('webgpu');
    // More values than a workgroup has threads, and another number of them.
    const lengths = [300, 7];
    const steps = [0, 1, 2].map((step) =>
      lengths.map((length, n) => randomValues(10 * step + n, length, -2, 3)),
    );
    const [averages, weight] = [
      lengths.map((length) => tf.variable(tf.fill([length], 5))),
      tf.variable(tf.scalar(0)),
    ];
    const taken = steps.map((values) => {
      const given = values.map((of, n) => tensorOf(of, [lengths[n]!]));
      backend().traffic.take();
      updateRunningAverages(averages, weight, given, 0.9);
      tf.dispose(given);
      return backend().traffic.take().dispatches;
    });
    expect(taken).toEqual([1, 1, 1]);
    // Written out: Σ 0.9^(2 − t)·v_t / Σ 0.9^(2 − t).
    for (const [n, average] of averages.entries()) {
      const expected = steps[0]![n]!.map(
        (first, i) => (0.81 * first + 0.9 * steps[1]![n]![i]! + steps[2]![n]![i]!) / 2.71,
      );
      expectClose(average, Float64Array.from(expected), 1e-6, `average ${n}`);
    }
    expectClose(weight, Float64Array.of(1 - 0.9 ** 3), 1e-6, 'weight');
    tf.dispose([...averages, weight]);
  });

  test.each([
    ['corrected', 'its own limit'],
    ['raw', 'its own limit'],
    ['raw', 8],
  ] as const)(
    'Adam, ε on the %s moment, takes a dispatch for as many weights as the device’s tensors allow: %s',
    async (epsilonOn, allowed) => {
      await startBackend('webgpu');
      const { limits } = backend().device;
      const most = allowed === 8 ? allowed : limits.maxStorageBuffersPerShaderStage;
      const limit = vi.spyOn(limits, 'maxStorageBuffersPerShaderStage', 'get').mockReturnValue(most);
      // Fewer and more values than a workgroup has threads; the last weight is alone on most devices.
      const shapes = [[1], [300], [3, 3, 5, 7], [259], [2, 5]];
      const [beta1, beta2, epsilon] = [0.8, 0.95, 0.02];
      const rates = [0.1, 0.05, 0.2];
      const starts = shapes.map((shape, n) => randomValues(n + 1, sizeOf(shape)));
      const gradients = rates.map((_, step) =>
        shapes.map((shape, n) => randomValues(10 * (step + 1) + n, sizeOf(shape), -0.3, 0.3)),
      );
      const weights = starts.map((values, n) => ({
        name: `weight ${n}`,
        variable: tf.tidy(() => tf.variable(tensorOf(values, shapes[n]!))),
      }));
      const optimizer = createOptimizer(
        { type: 'adam', learningRate: 1, beta1, beta2, epsilon, epsilonOn },
        weights,
      );
      try {
        const taken = rates.map((rate, step) => {
          const given = gradients[step]!.map((values, n) => tensorOf(values, shapes[n]!));
          backend().traffic.take();
          optimizer.apply(given, rate);
          tf.dispose(given);
          // As a checkpoint does: what was read must not stay what there is.
          const { dispatches } = backend().traffic.take();
          for (const tensor of optimizer.state().values()) tensor.dataSync();
          return dispatches;
        });
        // Five tensors each, and one of rates; before the first step the moments are filled with zeros.
        const kernels = Math.ceil(shapes.length / Math.floor((most - 1) / 5));
        expect(taken).toEqual([kernels + 2 * shapes.length, kernels, kernels]);
        expect(limit).toHaveBeenCalled();
        // Kingma and Ba's algorithm 1, and its ε̂ before their section 2.1.
        for (const [n, { name, variable }] of weights.entries()) {
          const [w, m, v] = [starts[n]!.slice(), starts[n]!.map(() => 0), starts[n]!.map(() => 0)];
          for (const [step, rate] of rates.entries())
            for (const [i, g] of gradients[step]![n]!.entries()) {
              const [left1, left2] = [1 - beta1 ** (step + 1), 1 - beta2 ** (step + 1)];
              m[i] = beta1 * m[i]! + (1 - beta1) * g;
              v[i] = beta2 * v[i]! + (1 - beta2) * g * g;
              w[i]! -=
                epsilonOn === 'raw'
                  ? (rate * (Math.sqrt(left2) / left1) * m[i]!) / (Math.sqrt(v[i]!) + epsilon)
                  : ((rate / left1) * m[i]!) / (Math.sqrt(v[i]! / left2) + epsilon);
            }
          expectClose(variable, w, 2e-6, name);
          expectClose(optimizer.state().get(`optimizer/m/${name}`)!, m, 2e-6, `m of ${name}`);
          expectClose(optimizer.state().get(`optimizer/v/${name}`)!, v, 2e-6, `v of ${name}`);
        }
      } finally {
        limit.mockRestore();
        optimizer.dispose();
        for (const { variable } of weights) variable.dispose();
      }
    },
  );

  test('a read that waits leaves hardly a turn of the event loop behind', async () => {
    await startBackend('webgpu');
    const turns = (): number =>
      process.getActiveResourcesInfo().filter((resource) => resource === 'Immediate').length;
    const before = turns();
    for (let i = 0; i < 20; i++) tf.tidy(() => void tf.square(tf.fill([100_000], i)).dataSync());
    expect(turns()).toBeLessThanOrEqual(before + 1);
  });

  test('what the device refuses is told where values are read', async () => {
    await startBackend('webgpu');
    const { device } = tf.backend() as unknown as { device: GPUDevice };
    device.createBuffer({ size: 4, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.STORAGE });
    const read = (): unknown => tf.tidy(() => tf.square(tf.ones([5000])).dataSync());
    expect(read).toThrow('The GPU refused a computation');
    expect(read).not.toThrow();
  });

  test('what does not fit is told as a lack of memory', async () => {
    await startBackend('webgpu');
    const { device } = tf.backend() as unknown as { device: GPUDevice };
    const read = (): unknown => tf.tidy(() => tf.square(tf.ones([5000])).dataSync());
    const error = new GPUOutOfMemoryError('vkAllocateMemory failed');
    for (const refuse of [
      () => device.dispatchEvent(new GPUUncapturedErrorEvent('uncapturederror', { error })),
      () => device.createBuffer({ size: 2 * device.limits.maxBufferSize, usage: GPUBufferUsage.STORAGE }),
    ]) {
      refuse();
      expect(read).toThrow(expect.objectContaining({ details: expect.objectContaining({ code: 'memory' }) }));
      expect(read).not.toThrow();
    }
  });
});
