import { spawnSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { activation } from '../../../src/bench/activation.js';
import { residentWhileTraining, slopeOf } from '../../../src/bench/endurance.js';
import { markdownTable } from '../../../src/bench/markdown.js';
import { interleave, spreadOf } from '../../../src/bench/measure.js';
import { cnn9, decoupled, resnet32, resolve } from '../../../src/bench/networks.js';
import { benchLayers, Pytorch, PytorchError } from '../../../src/bench/pytorch.js';
import { networkSummary } from '../../../src/core/config/summary.js';
import { normals } from '../../../src/core/random.js';
import { startBackend } from '../../../src/engine/backend/backend.js';
import { decoupledConv2d } from '../../../src/engine/operator/decoupledConv2d.js';
import { temporaryFolder } from '../data/tinyData.js';
import { collect } from './collect.js';

describe('the bench’s table', () => {
  it('has what was measured in rows and what it was measured on in columns', () => {
    const table = markdownTable([
      { what: ['training', 'net'], on: 'wasm', value: spreadOf([1200, 1000, 1100]), unit: 'images/s' },
      { what: ['training', 'net'], on: 'PyTorch', value: spreadOf([4]), unit: 'images/s' },
      { what: ['start'], on: 'wasm', value: spreadOf([0.5]), unit: 's' },
    ]);
    expect(table.split('\n')).toEqual([
      '|  | wasm | PyTorch |',
      '| --- | ---: | ---: |',
      '| training · net, images/s | 1,100 (1,000–1,200) | 4 |',
      '| start, s | 0.5 |  |',
    ]);
  });
});

describe('what is measured in turn', () => {
  it('goes on without what cannot be measured, whose reason is given', async () => {
    const left: unknown[] = [];
    let calls = 0;
    const figures = await interleave(
      {
        small: () => ++calls,
        large: () => Promise.reject(new Error('out of memory')),
      },
      2,
      (name, thrown) => left.push([name, (thrown as Error).message]),
    );
    expect(figures).toEqual({ small: [2, 3] });
    expect(left).toEqual([['large', 'out of memory']]);
  });

  it('ends with the first failure where none is left out', async () => {
    await expect(interleave({ one: () => Promise.reject(new Error('no')) }, 1)).rejects.toThrow('no');
  });
});

describe('memory over many steps', () => {
  it('grows by the slope of the line of least squares', () => {
    expect(slopeOf([1, 3, 5, 7])).toBeCloseTo(2, 12);
    expect(slopeOf([5, 5, 5])).toBe(0);
    expect(slopeOf([0, 1, 0, 1])).toBeCloseTo(0.2, 12); // by numpy.polyfit
  });

  it('is sampled a hundred times, and all tensors are given back', async () => {
    await startBackend('wasm');
    const { numTensors } = tf.memory();
    expect((await residentWhileTraining('wasm', 100)).length).toBe(100);
    expect(tf.memory().numTensors).toBe(numTensors);
  });
});

describe('activation', () => {
  const clock = { what: ['activation', 'clock'], on: 'this machine', unit: 's' };

  it('is what the suite in VS Code took down, of one start a round, also where that was too slow', async () => {
    const folder = await temporaryFolder();
    const [result, script] = ['activation.json', 'suite.mjs'].map((name) => path.join(folder, name)) as [
      string,
      string,
    ];
    await writeFile(
      script,
      `import { existsSync, readFileSync, writeFileSync } from 'node:fs';
      const before = existsSync(process.argv[2]) ? JSON.parse(readFileSync(process.argv[2])).activationMs : 0;
      writeFileSync(process.argv[2], JSON.stringify({ activationMs: before + 10, activationCpuMs: 70 }));
      process.exitCode = 1;`,
    );
    const onMissing = vi.fn();
    const figures = await collect(
      activation({ rounds: 3, onMissing }, { needs: folder, args: [script, result], result }),
    );
    expect(onMissing).not.toHaveBeenCalled();
    expect(figures).toEqual([
      { ...clock, value: { median: 0.02, lowest: 0.01, highest: 0.03, rounds: 3 } },
      { ...clock, what: ['activation', 'processor'], value: spreadOf([0.07, 0.07, 0.07]) },
    ]);
  });

  it.for([
    { exists: false, told: 'npm test -- --only host installs a VS Code first' },
    { exists: true, told: 'left no figure (no Chromium)' },
  ])('is skipped with the reason: $told', async ({ exists, told }) => {
    const folder = await temporaryFolder();
    const onMissing = vi.fn();
    const suite = {
      needs: exists ? folder : path.join(folder, 'nowhere'),
      args: ['-e', "process.stderr.write('no Chromium\\n'); process.exitCode = 1"],
      result: path.join(folder, 'activation.json'),
    };
    const figures = await collect(activation({ rounds: 3, onMissing }, suite));
    expect(figures).toEqual([]);
    expect(onMissing.mock.calls).toEqual([['activation', expect.stringContaining(told)]]);
  });
});

describe('PyTorch beside us', () => {
  const plan = cnn9([3, 4, 5]);
  const operator = decoupled('tanh', 'cosine');

  /** A program in Python's place that greets, and then does what `script` says. */
  const standIn = async (script: string): Promise<Pytorch | string> => {
    const file = path.join(await temporaryFolder(), 'standIn.mjs');
    await writeFile(file, script);
    return Pytorch.start(process.execPath, { script: file, args: [] });
  };
  const greeting = `console.log('{"version": "2.0", "threads": 2, "device": "Card"}');`;

  it.each([
    { does: `${greeting} process.exit(3);`, told: /^its process is over \(exit code 3\)$/ },
    { does: `${greeting} process.kill(process.pid, 'SIGKILL');`, told: /is over \(ended by SIGKILL\)/ },
    {
      does: `${greeting} process.stdin.on('data', () => console.log('{"failed": "OutOfMemoryError: 2 GiB"}'));`,
      told: /^OutOfMemoryError: 2 GiB$/,
    },
    {
      does: `${greeting} process.stdin.on('data', () => console.log('warning: slow'));`,
      told: /^it answers warning: slow$/,
    },
  ])('that fails says why, and is asked again: $told', async ({ does, told }) => {
    const pytorch = (await standIn(does)) as Pytorch;
    expect(pytorch).toMatchObject({ version: '2.0', device: 'Card' });
    try {
      for (let times = 0; times < 2; times++) {
        const thrown = await pytorch.train(plan, operator, 1).catch((error: unknown) => error);
        expect(thrown).toBeInstanceOf(PytorchError);
        expect((thrown as Error).message).toMatch(told);
      }
    } finally {
      pytorch.end();
    }
  });

  it('is skipped with the reason where the program is another', async () => {
    expect(await standIn(`console.log('Python 3.9');`)).toMatch(/does not greet .* \(Python 3\.9\)$/);
    expect(await standIn('process.exitCode = 9;')).toMatch(/ended without a word \(exit code 9\)$/);
  });

  it('is skipped with the reason where there is no Python', async () => {
    expect(await Pytorch.start('no-such-python')).toMatch(/^no-such-python cannot be run \(.*ENOENT/);
  });

  describe('in the bench’s formulation', () => {
    const python = process.env.DCNET_PYTHON ?? 'python3';
    const hasTorch = spawnSync(python, ['-c', 'import torch']).status === 0;

    beforeAll(() => startBackend('cpu'));

    it.for([cnn9([3, 4, 5]), resnet32([3, 4, 5])])('builds our $name, and trains it', (plan, { skip }) => {
      if (!hasTorch) skip(`${python} has no torch`);
      const script = path.resolve('src/bench/pytorch.py');
      const program = `
import importlib.util, json, sys
spec = importlib.util.spec_from_file_location("bench", ${JSON.stringify(script)})
bench = importlib.util.module_from_spec(spec); spec.loader.exec_module(bench)
network = bench.Network(json.loads(sys.argv[1]), [32, 32, 3])
print(sum(parameter.numel() for parameter in network.parameters()))`;
      const { network } = resolve(plan, decoupled('tanh', 'cosine'));
      const layers = benchLayers(network);
      const built = spawnSync(python, ['-c', program, JSON.stringify(layers)], { encoding: 'utf8' });
      expect(built.stderr).toBe('');
      expect(Number(built.stdout)).toBe(networkSummary(network).total.parameters);
      const request = { key: 'a', layers, shape: plan.shape, batch: 4, evaluationBatch: 4 };
      const works = [
        { activity: 'training', steps: 1 },
        { activity: 'inference', images: 5 },
      ];
      const input = works.map((work) => `${JSON.stringify({ ...request, ...work })}\n`);
      // One that fails in between, as by a lack of memory, and is none of the next one's concern.
      input.splice(
        1,
        0,
        `${JSON.stringify({ ...request, ...works[0], key: 'b', layers: [{ type: 'none', name: 'none' }] })}\n`,
      );
      const answers = spawnSync(python, [script], { encoding: 'utf8', input: input.join('') }).stdout;
      const [greeting, ...answered] = answers.trim().split('\n');
      expect(JSON.parse(greeting!)).toMatchObject({ device: 'CPU', threads: 2 });
      expect(answered).toEqual([
        expect.stringContaining('imagesPerSecond'),
        '{"failed": "ValueError: a layer of type none is not in the PyTorch bench"}',
        expect.stringContaining('imagesPerSecond'),
      ]);
    });

    it('evaluates as many images as it is asked for, and trains batches', ({ skip }) => {
      if (!hasTorch) skip(`${python} has no torch`);
      const { network } = resolve(cnn9([3, 4, 5]), decoupled('tanh', 'cosine'));
      const request = { layers: benchLayers(network), shape: [32, 32, 3], batch: 6, evaluationBatch: 4 };
      const program = `
import importlib.util, json, sys
spec = importlib.util.spec_from_file_location("bench", ${JSON.stringify(path.resolve('src/bench/pytorch.py'))})
bench = importlib.util.module_from_spec(spec); spec.loader.exec_module(bench)
contestant = bench.Contestant(json.loads(sys.argv[1]), "cpu", False)
seen = []
contestant.model.register_forward_pre_hook(lambda module, given: seen.append(len(given[0])))
print(json.dumps([contestant.train(2), contestant.infer(10), contestant.infer(3), seen]))`;
      const ran = spawnSync(python, ['-c', program, JSON.stringify(request)], { encoding: 'utf8' });
      expect(ran.stderr).toBe('');
      expect(JSON.parse(ran.stdout)).toEqual([12, 10, 3, [6, 6, 4, 4, 2, 3]]);
    });

    it.for(['tanh', 'linear'] as const)('computes our operator: %s · cosine', async (magnitude, { skip }) => {
      if (!hasTorch) skip(`${python} has no torch`);
      const [images, side, inputs, filters] = [2, 6, 3, 4];
      const x = normals(images * side * side * inputs, 1, 1, 'x');
      const w = normals(9 * inputs * filters, 0.3, 1, 'w');
      const program = `
import importlib.util, json, torch
spec = importlib.util.spec_from_file_location("bench", ${JSON.stringify(path.resolve('src/bench/pytorch.py'))})
bench = importlib.util.module_from_spec(spec); spec.loader.exec_module(bench)
layer = {"kernel": 3, "stride": 1, "padding": "same", "filters": ${filters}, "operator": {"magnitude": "${magnitude}"}}
conv = bench.DecoupledConv2d(${inputs}, layer).eval()
conv.kernel.data = torch.tensor(${JSON.stringify([...w])}).reshape(3, 3, ${inputs}, ${filters}).permute(3, 2, 0, 1)
x = torch.tensor(${JSON.stringify([...x])}).reshape(${images}, ${side}, ${side}, ${inputs}).permute(0, 3, 1, 2)
print(json.dumps(conv(x).permute(0, 2, 3, 1).flatten().tolist()))
dense = bench.DecoupledLinear({**layer, "units": ${filters}, "inputs": ${9 * inputs}}).eval()
dense.kernel.data = conv.kernel.data.permute(0, 2, 3, 1).flatten(1)
patches = x[:, :, :3, :3].permute(0, 2, 3, 1).flatten(1)
print(json.dumps(dense(patches).flatten().tolist()))`;
      const { stdout, stderr } = spawnSync(python, ['-c', program], { encoding: 'utf8' });
      expect(stderr).toBe('');
      const [theirs, theirDense] = stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as number[]);
      const ours = decoupledConv2d(
        tf.tensor4d(x, [images, side, side, inputs]),
        tf.tensor4d(w, [3, 3, inputs, filters]),
        // R = ρ·E‖x‖ with ρ = 1 + 1e-4 and an average of 1, as the module starts.
        {
          magnitude,
          angular: 'cosine',
          alpha: 1,
          beta: 1,
          stride: 1,
          padding: 'same',
          radius: tf.tensor1d([1.0001]),
        },
      );
      // The dense layer sees the patch around (1, 1) as a list of features.
      const ourDense = tf.slice(ours, [0, 1, 1, 0], [images, 1, 1, filters]);
      for (const [mine, other] of [[ours, theirs!] as const, [ourDense, theirDense!] as const]) {
        expect(mine.size).toBe(other.length);
        mine.dataSync().forEach((value, i) => {
          expect(Math.abs(value - other[i]!)).toBeLessThan(1e-4);
        });
      }
    });
  });
});
