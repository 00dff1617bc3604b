import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { withStock } from '../../../src/bench/stock.js';
import '../../../src/engine/backend/webgpu.js';
import { registerWebgpuKernels } from '../../../src/engine/backend/webgpuKernels.js';

test('what is timed as tfjs’s own has every kernel of tfjs’s and none of ours', async () => {
  const kernels = () =>
    new Map(tf.getKernelsForBackend('webgpu').map(({ kernelName, kernelFunc }) => [kernelName, kernelFunc]));
  const stock = kernels();
  registerWebgpuKernels();
  const ours = kernels();
  const timed = await withStock(async () => kernels());
  expect([...timed.keys()].sort()).toEqual([...stock.keys()].sort());
  expect([...ours].filter(([name, ofOurs]) => timed.get(name) !== ofOurs).map(([name]) => name)).toEqual(
    expect.arrayContaining(['Conv2DBackpropFilter', 'RunningAverages']),
  );
  expect(kernels()).toEqual(ours);
});
