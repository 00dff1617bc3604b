import { spawnSync } from 'node:child_process';
import { chmod, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { Bench } from '../../../src/bench/bench.js';
import { benchCommand } from '../../../src/bench/command.js';
import type { NetworkPlan } from '../../../src/bench/networks.js';
import { type Figure, stepsOfRound } from '../../../src/bench/parts.js';
import { startBackend } from '../../../src/engine/backend/backend.js';
import { temporaryFolder } from '../data/tinyData.js';
import { takeMemory } from '../wasmMemory.js';

interface Answer {
  readonly runtimes: readonly object[];
  readonly pytorch: object;
  readonly networks: readonly object[];
  readonly images: number;
  readonly figures: readonly Figure[];
  readonly missing: readonly string[];
}

const nameOf = ({ what, on }: Figure): string => [...what, on].join(' · ');

/** A program in Python's place that measures 100 images a second of anything, but for what it does not fit. */
async function standInPython(): Promise<string> {
  const file = path.join(await temporaryFolder(), 'python');
  await writeFile(
    file,
    `#!${process.execPath}
    console.log('{"version": "2.0", "threads": 2, "device": "CPU"}');
    require('node:readline').createInterface({ input: process.stdin }).on('line', (line) => {
      if (process.env.DCNET_TEST_REQUESTS) require('node:fs').appendFileSync(process.env.DCNET_TEST_REQUESTS, line + '\\n');
      const fits = !JSON.parse(line).key.includes('tanh');
      console.log(fits ? '{"imagesPerSecond": 100}' : '{"failed": "MemoryError"}');
    });`,
  );
  await chmod(file, 0o755);
  return file;
}

it.each([
  { images: 500, batch: 64, steps: 5 },
  { images: 200, batch: 64, steps: 3 },
  { images: 24, batch: 16, steps: 2 }, // a half is rounded up
  { images: 16, batch: 16, steps: 1 },
  { images: 1, batch: 64, steps: 1 },
  { images: 100_000, batch: 1, steps: 5 },
])('a round trains $steps steps of $batch for $images images', ({ images, batch, steps }) => {
  expect(stepsOfRound(images, batch)).toBe(steps);
});

describe.skipIf(process.platform === 'win32')('npm run bench', () => {
  it('measures the sample network beside PyTorch, each part of it, and prints one JSON object', async () => {
    const python = await standInPython();
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      [
        'dist/bench.js',
        ...['--only', 'throughput', 'workers', 'inspection', 'start', 'memory', '--networks', 'sample'],
        ...['--backends', 'wasm', '--rounds', '1', '--images', '5', '--python', python, '--json'],
      ],
      { encoding: 'utf8' },
    );
    expect(status, stderr).toBe(0);
    const { runtimes, pytorch, figures, missing } = JSON.parse(stdout) as Answer;
    expect(runtimes).toEqual([
      expect.objectContaining({ name: 'wasm', device: expect.stringMatching(/^CPU/) }),
    ]);
    expect(pytorch).toEqual({ version: '2.0', device: 'CPU', threads: 2 });
    expect(missing).toEqual([
      'training · sample · PyTorch, tanh · cosine: left out, MemoryError',
      'inference · sample · PyTorch, tanh · cosine: left out, MemoryError',
      'training · sample · tanh · cosine · PyTorch: left out, MemoryError',
    ]);
    const found = new Map(figures.map((figure) => [nameOf(figure), figure]));
    for (const operator of ['plain', 'linear · cosine', 'tanh · cosine'])
      expect([...found.keys()]).toEqual(
        expect.arrayContaining([
          `training · sample · ${operator} · wasm`,
          `inference · sample · ${operator} · wasm`,
          `training · sample · ${operator} · two threads: speed of one · wasm`,
          `training · sample · ${operator} · one thread: speed of inference · wasm`,
          `inspection · sample · ${operator} · speed of inference · wasm`,
          `peak memory of training · sample · ${operator} · wasm`,
        ]),
      );
    expect([...found.keys()]).toEqual(
      expect.arrayContaining([
        'training · sample · tanh · cosine · time of plain · wasm',
        'start · engine listens · wasm',
        'start · first training step reported (a report comes every 0.25 s) · wasm',
      ]),
    );
    const speed = found.get('training · sample · plain · wasm')!.value.median;
    const beside = found.get('training · sample · plain · speed of PyTorch · wasm')!;
    expect(beside.value.median).toBeCloseTo(speed / 100, 10);
    const shared = found.get('training · sample · plain · two threads · wasm')!.value.median;
    const sharedBeside = found.get('training · sample · plain · two threads: speed of PyTorch · wasm')!;
    expect(sharedBeside.value.median).toBeCloseTo(shared / 100, 10);
    for (const { value } of figures) expect(value.lowest).toBeGreaterThan(0);
    expect(stderr).toContain('training · sample · plain · two threads · wasm');
  }, 180_000);

  const networkOf = (name: string, filters: number, batch: number): NetworkPlan => ({
    name,
    shape: [12, 12, 1],
    batch,
    layers: [{ type: 'conv', filters }, { type: 'global-average-pool' }, { type: 'dense', units: 10 }],
  });

  it('trains and evaluates what it is asked for, in PyTorch, too', async () => {
    await startBackend('wasm');
    const log = path.join(await temporaryFolder(), 'requests');
    vi.stubEnv('DCNET_TEST_REQUESTS', log);
    const trained = vi.spyOn(Bench.prototype, 'train');
    const written = vi.spyOn(process.stdout, 'write').mockReturnValue(true);
    const told = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
    try {
      await benchCommand({ tiny: networkOf('tiny', 4, 64) }).parseAsync(
        [
          ...['--only', 'throughput', 'workers', '--networks', 'tiny', '--backends', 'wasm', '--rounds', '1'],
          ...['--operators', 'linear-cosine', 'plain', '--batch', '6', '--images', '13'],
          ...['--python', await standInPython(), '--json'],
        ],
        { from: 'user' },
      );
      expect(new Set(trained.mock.calls.flat())).toEqual(new Set([2]));
      expect(String(told.mock.calls.flat())).toContain('tiny: a round trains 2 batches of 6');
      const { figures, networks, images } = JSON.parse(String(written.mock.lastCall?.[0])) as Answer;
      expect({ networks, images }).toEqual({ networks: [{ name: 'tiny', batch: 6, steps: 2 }], images: 13 });
      expect(new Set(figures.map(({ what }) => what[2]))).toEqual(new Set(['plain', 'linear · cosine']));
      expect(figures.map(nameOf)).toContain('training · tiny · linear · cosine · time of plain · wasm');
    } finally {
      vi.restoreAllMocks();
      vi.unstubAllEnvs();
    }
    const requests = (await readFile(log, 'utf8'))
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    const training = requests.filter(({ activity }) => activity === 'training');
    const inference = requests.filter(({ activity }) => activity === 'inference');
    // Two operators, each in a round that warms up and one that counts; the trainings once more beside two threads.
    expect([training.length, inference.length]).toEqual([8, 4]);
    for (const request of training) expect(request).toMatchObject({ batch: 6, steps: 2 });
    for (const request of inference) expect(request).toMatchObject({ images: 13 });
  });

  it('refuses an operator that there is none of, and a batch of none', async () => {
    for (const [flag, value] of [
      ['--operators', 'cubic'],
      ['--batch', '0'],
    ] as const) {
      const command = benchCommand({ tiny: networkOf('tiny', 4, 4) })
        .exitOverride()
        .configureOutput({ writeErr: () => undefined });
      await expect(command.parseAsync([flag, value], { from: 'user' })).rejects.toThrow(flag);
    }
  });

  it('prints the rest where a network does not fit, and tells of it', async () => {
    await startBackend('wasm');
    const giveBack = takeMemory(4 * 2 ** 20);
    const written = vi.spyOn(process.stdout, 'write').mockReturnValue(true);
    const told = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
    try {
      // 4.7 MB for the output of the wide one's convolution alone.
      await benchCommand({ wide: networkOf('wide', 256, 32), tiny: networkOf('tiny', 4, 4) }).parseAsync(
        [
          ...['--only', 'throughput', 'workers', 'inspection', '--networks', 'wide', 'tiny'],
          ...['--backends', 'wasm', '--rounds', '1', '--images', '4', '--python', 'no-such-python', '--json'],
        ],
        { from: 'user' },
      );
    } finally {
      giveBack();
      vi.restoreAllMocks();
    }
    const { pytorch, figures, missing } = JSON.parse(String(written.mock.lastCall?.[0])) as Answer;
    expect(pytorch).toEqual({ skipped: expect.stringContaining('no-such-python cannot be run') });
    const names = figures.map(nameOf);
    const operators = ['plain', 'linear · cosine', 'tanh · cosine'];
    for (const operator of operators) {
      expect(names).toEqual(
        expect.arrayContaining([
          `training · tiny · ${operator} · wasm`,
          `inference · wide · ${operator} · wasm`, // of few images
          `inspection · wide · ${operator} · wasm`,
        ]),
      );
      expect(names).not.toContain(`training · wide · ${operator} · wasm`);
      expect(names).not.toContain(`training · wide · ${operator} · two threads · wasm`);
    }
    const why = /: left out, it does not fit into memory \(The wasm backend is out of memory/;
    expect(missing.map((text) => text.replace(why, ''))).toHaveLength(9);
    for (const text of missing) expect(text).toMatch(why);
    expect(missing.map((text) => text.split(':', 1)[0])).toEqual([
      ...operators.map((operator) => `training · wide · wasm, ${operator}`),
      ...operators.flatMap((operator) =>
        ['one thread', 'two threads'].map((threads) => `training · wide · ${operator} · ${threads}`),
      ),
    ]);
    expect(process.exitCode).toBeUndefined();
    expect(String(told.mock.calls.flat())).toContain(missing[0]);
  });
});
