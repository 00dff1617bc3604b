import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, it, vi } from 'vitest';
import { Bench } from '../../../src/bench/bench.js';
import { besideOurs, type GpuContestant, isSameCard } from '../../../src/bench/gpuThroughput.js';
import { type NetworkPlan, noise, plain } from '../../../src/bench/networks.js';
import { Pytorch, PytorchError } from '../../../src/bench/pytorch.js';
import { temporaryFolder } from '../data/tinyData.js';
import { collect } from './collect.js';

const tiny: NetworkPlan = {
  name: 'tiny',
  shape: [8, 8, 1],
  batch: 4,
  layers: [{ type: 'conv', filters: 4 }, { type: 'flatten' }, { type: 'dense', units: 10 }],
};

/** A Python that greets, and then ends without a word. */
async function endingPytorch(): Promise<Pytorch> {
  const script = path.join(await temporaryFolder(), 'standIn.mjs');
  await writeFile(script, `console.log('{"version": "2.0", "threads": 2, "device": "Card"}');`);
  return (await Pytorch.start(process.execPath, { script, args: [] })) as Pytorch;
}

it('times ours beside what can be timed, and leaves out the rest with its reason', async () => {
  const pytorch = await endingPytorch();
  const bench = new Bench('wasm', tiny, plain, noise(tiny.shape, 4));
  const disposed = vi.fn();
  const full = () => Promise.reject(new Error('out of memory'));
  const contestants: readonly GpuContestant[] = [
    { on: 'ours', training: () => bench.train(1), inference: full, dispose: disposed },
    { on: 'stock', training: full, inference: () => bench.infer(), dispose: () => bench.dispose() },
    {
      on: 'PyTorch compiled',
      training: () => pytorch.train(tiny, plain, 1),
      inference: () => pytorch.infer(tiny, plain, 1),
      dispose: disposed,
    },
    { on: 'PyTorch', training: async () => 2, inference: async () => 4, dispose: disposed },
  ];
  const onMissing = vi.fn();
  const figures = await collect(
    besideOurs(tiny, () => contestants, { operators: [plain], rounds: 2, onMissing }),
  );
  expect(figures.map(({ what, on }) => [...what, on].join(' · '))).toEqual([
    'training · tiny · plain · ours',
    'training · tiny · plain · PyTorch',
    'training · tiny · plain · ours beside PyTorch · ours',
    'inference · tiny · plain · stock',
    'inference · tiny · plain · PyTorch',
  ]);
  const [ours, theirs, ratio] = figures.map(({ value }) => value);
  expect(theirs?.median).toBe(2);
  expect(ratio?.highest).toBeCloseTo(ours!.highest / 2, 10);
  expect(onMissing.mock.calls.map(([what, { message }]) => [what, message])).toEqual([
    ['training · tiny · plain · stock', 'out of memory'],
    ['training · tiny · plain · PyTorch compiled', 'its process is over (exit code 0)'],
    ['inference · tiny · plain · ours', 'out of memory'],
    ['inference · tiny · plain · PyTorch compiled', 'its process is over (exit code 0)'],
  ]);
  expect(onMissing.mock.calls[1]?.[1]).toBeInstanceOf(PytorchError);
  expect(disposed).toHaveBeenCalledTimes(3);
});

it.each([
  ['NVIDIA H100 80GB HBM3 (nvidia hopper, 550.54.15)', 'NVIDIA H100 80GB HBM3', true],
  ['NVIDIA GeForce RTX 4070 (nvidia ada, 550.54)', 'GeForce RTX 4070', true],
  ['Intel(R) UHD Graphics 770 (intel gen-12)', 'NVIDIA GeForce RTX 4070', false],
  ['NVIDIA GeForce RTX 4070 Ti (nvidia ada)', 'NVIDIA GeForce RTX 4070', false],
])('a card is told by its name: %s, %s', (dawn, cuda, same) => {
  expect(isSameCard(dawn, cuda)).toBe(same);
});
