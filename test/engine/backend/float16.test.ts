import { createRequire } from 'node:module';
import type * as tf from '@tensorflow/tfjs-core';
import { afterAll, describe, expect, test } from 'vitest';
import type { DawnBackend } from '../../../src/engine/backend/dawnBackend.js';
import { decoupledConvolution } from '../../../src/engine/backend/wgsl/convolution.js';
import { decoupledConvolutionGradient } from '../../../src/engine/backend/wgsl/gradient.js';
import { type Dispatch, type Storage, shaderOf } from '../../../src/engine/backend/wgsl/kernel.js';

interface Dawn {
  create(flags: readonly string[]): GPU;
  readonly globals: object;
}

/** Dawn ends with its last GPU object, also when devices of it are still used. */
let gpu: GPU | undefined;

/** Dawn's null device compiles for everything there is, and runs nothing. */
async function nullDevice(): Promise<GPUDevice | undefined> {
  const require = createRequire(import.meta.url);
  const architecture = process.platform === 'darwin' ? 'universal' : process.arch;
  try {
    const dawn = require(`webgpu/dist/${process.platform}-${architecture}/dawn.node`) as Dawn;
    Object.assign(globalThis, dawn.globals);
    gpu = dawn.create(['backend=null']);
    const adapter = await gpu.requestAdapter();
    const { maxStorageBuffersPerShaderStage } = adapter!.limits;
    return await adapter!.requestDevice({
      requiredFeatures: ['shader-f16'],
      requiredLimits: { maxStorageBuffersPerShaderStage },
    });
  } catch {
    return undefined;
  }
}

/** What a backend would dispatch for a decoupled layer, forward and back. */
function dispatchesOf(
  storage: Storage,
  device: Pick<GPUDevice, 'limits'>,
  radius: 'radius' | 'rho',
): readonly Dispatch[] {
  const dispatches: Dispatch[] = [];
  const output = (shape: readonly number[]): tf.TensorInfo => ({
    dataId: {},
    shape: [...shape],
    dtype: 'float32',
  });
  const backend = {
    ...{ storage, device, output, disposeData: () => true },
    dispatch: (dispatch: Dispatch) => dispatches.push(dispatch),
    choose: <T>(_: string, candidates: readonly [T, ...T[]], run: (candidate: T) => unknown): T => {
      for (const candidate of candidates) run(candidate);
      return candidates[0];
    },
  } as unknown as DawnBackend;
  const [x, w, parameter, dy] = [[2, 16, 16, 40], [3, 3, 40, 48], [48], [2, 16, 16, 48]].map(output) as [
    tf.TensorInfo,
    tf.TensorInfo,
    tf.TensorInfo,
    tf.TensorInfo,
  ];
  const attributes = {
    ...({ magnitude: 'tanh', angular: 'sigmoid', alpha: 1, beta: 1 } as const),
    ...({ stride: 1, padding: 'same', epsilon: 1e-4, traced: true } as const),
  };
  const [y, filterNorms, patchNorms] = decoupledConvolution(
    backend,
    { x, w, [radius]: parameter, k: parameter },
    attributes,
  ) as [tf.TensorInfo, tf.TensorInfo, tf.TensorInfo];
  decoupledConvolutionGradient(
    backend,
    { x, w, [radius]: parameter, k: parameter, y, filterNorms, patchNorms, dy },
    attributes,
  );
  return dispatches;
}

const device = await nullDevice();

afterAll(() => {
  device?.destroy();
  gpu = undefined;
});

describe.skipIf(device === undefined)('kernels in 16 bits', () => {
  test.each([
    ['float16', 'radius'],
    ['float16', 'rho'],
    ['float32', 'radius'],
    ['float32', 'rho'],
  ] as const)('every variant of %s, given %s, compiles', async (storage, radius) => {
    const dispatches = dispatchesOf(storage, device!, radius);
    expect(dispatches.length).toBeGreaterThan(10);
    for (const dispatch of dispatches) {
      const code = shaderOf(dispatch);
      device!.pushErrorScope('validation');
      const module = device!.createShaderModule({ code });
      const { constants = {} } = dispatch;
      device!.createComputePipeline({ layout: 'auto', compute: { module, entryPoint: 'main', constants } });
      expect((await device!.popErrorScope())?.message, dispatch.kernel.name).toBeUndefined();
    }
  });

  test('activations and weights are kept in 16 bits, sums and gradients in 32', () => {
    const codes = dispatchesOf('float16', device!, 'radius').map(shaderOf);
    const forward = codes[0]!;
    expect(forward).toMatch(/^enable f16;/);
    expect(forward).toContain('alias Left = Stored;');
    expect(forward).toMatch(/var sums: array<array<f32/);
    const back = codes.find((code) => code.includes('fn patchAt'))!;
    expect(back).toContain('alias Left = f32;');
  });

  test.each([8, 10, 12])('no kernel has more than the %i tensors that a device allows', (most) => {
    const { maxComputeWorkgroupStorageSize } = device!.limits;
    const limits = {
      maxComputeWorkgroupStorageSize,
      maxStorageBuffersPerShaderStage: most,
    } as GPUSupportedLimits;
    const counts = (['radius', 'rho'] as const)
      .flatMap((radius) => dispatchesOf('float32', { limits }, radius))
      .map(({ inputs, outputs, updated }) => Object.keys({ ...inputs, ...outputs, ...updated }).length);
    expect(Math.max(...counts)).toBeLessThanOrEqual(most);
  });
});
