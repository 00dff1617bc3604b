import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { Bench } from '../../../src/bench/bench.js';
import { spreadOf } from '../../../src/bench/measure.js';
import { memory } from '../../../src/bench/memory.js';
import { Missing } from '../../../src/bench/missing.js';
import { decoupled, noise, plain, sample } from '../../../src/bench/networks.js';
import { PytorchError } from '../../../src/bench/pytorch.js';
import { startAll } from '../../../src/bench/runtimes.js';
import { start } from '../../../src/bench/start.js';
import { DcnetError } from '../../../src/core/errors.js';
import type { startBackend } from '../../../src/engine/backend/backend.js';
import type { RuntimeReport } from '../../../src/protocol/engine.js';
import { temporaryFolder } from '../data/tinyData.js';
import { collect } from './collect.js';

const wasm = { name: 'wasm', label: 'wasm', version: '1', device: 'CPU' } as const;

/** A program in the place of one of ours. */
async function standIn(script: string): Promise<string> {
  const file = path.join(await temporaryFolder(), 'standIn.mjs');
  await writeFile(file, script);
  return file;
}

describe('what could not be measured', () => {
  it('is told with its reason, and is a defect where nothing explains it', () => {
    const said: string[] = [];
    const written = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
    const missing = new Missing((text) => said.push(text));
    missing.add('activation', 'no VS Code is there');
    missing.add('a', new PytorchError('its process is over'));
    missing.add('b', new Error('The wasm backend is out of memory (it cannot allocate 8 bytes more).\nat 1'));
    expect(missing.hasDefect).toBe(false);
    expect(written).not.toHaveBeenCalled();
    missing.add('c', new Error('x is not a function'));
    expect(missing.hasDefect).toBe(true);
    expect(written.mock.calls[0]?.[0]).toMatch(/x is not a function\n +at /);
    written.mockRestore();
    expect(said).toEqual([
      'activation: left out, no VS Code is there',
      'a: left out, its process is over',
      'b: left out, it does not fit into memory (The wasm backend is out of memory (it cannot allocate 8 bytes more).)',
      'c: left out, x is not a function',
    ]);
    expect(missing.texts).toEqual(said);
  });
});

describe('the runtimes of a bench', () => {
  it('are those that run here and start; each of the others is there with its reason', async () => {
    const reports: readonly RuntimeReport[] = [
      { name: 'tensorflow', available: false, reason: 'it is not installed.' },
      { name: 'webgpu', available: true, version: '1', device: 'CPU (SwiftShader)', simulated: true },
      { name: 'wasm', available: true, version: '1', device: 'CPU' },
      { name: 'cpu', available: true, version: '1', device: 'CPU' },
    ];
    const startOne = vi.fn(async (name) => ({ ...wasm, name })) satisfies typeof startBackend;
    expect(await startAll(reports, startOne)).toEqual({
      runtimes: [wasm],
      absent: [
        { name: 'tensorflow', skipped: 'it is not installed.' },
        {
          name: 'webgpu',
          skipped: expect.stringMatching(/nothing of a GPU: CPU \(SwiftShader\); --backends webgpu/),
        },
        { name: 'cpu', skipped: expect.stringContaining('reference') },
      ],
    });
    expect(startOne.mock.calls).toEqual([['wasm']]);
    const failing = () => Promise.reject(new Error('no room'));
    const { runtimes, absent } = await startAll(reports, failing);
    expect(runtimes).toEqual([]);
    expect(absent).toContainEqual({ name: 'wasm', skipped: 'no room' });
  });
});

describe('a part of the bench goes on without what fails', () => {
  it('in a process for each network', async () => {
    const program = await standIn(`
      if (process.argv[4] === 'plain') process.kill(process.pid, 'SIGKILL');
      if (process.argv[4] === 'linear · cosine') throw new Error('no such operator');
      console.log(123);`);
    const onMissing = vi.fn();
    const operators = [plain, decoupled('linear', 'cosine'), decoupled('tanh', 'cosine')];
    const figures = await collect(
      memory({ runtimes: [wasm], plans: [sample], operators, onMissing }, program),
    );
    expect(figures).toEqual([
      {
        what: ['peak memory of training', 'sample', 'tanh · cosine'],
        on: 'wasm',
        value: spreadOf([123]),
        unit: 'MB',
      },
    ]);
    const [killed, failed] = onMissing.mock.calls as [string, Error][];
    expect(killed?.[0]).toBe('peak memory of training · sample · plain · wasm');
    expect(killed?.[1]).toBeInstanceOf(DcnetError);
    expect(killed?.[1]).toMatchObject({
      details: { code: 'memory', message: expect.stringContaining('SIGKILL') },
    });
    expect(failed?.[0]).toContain('linear · cosine');
    expect(failed?.[1].message).toMatch(/^its process ended with exit code 1: .*no such operator/);
  });

  it('in a process that trains batches of the same size', async () => {
    const program = await standIn("console.log(process.argv.at(process.argv.indexOf('--batch') + 1));");
    const plans = [{ ...sample, batch: 16 }];
    const figures = await collect(
      memory({ runtimes: [wasm], plans, operators: [plain], onMissing: vi.fn() }, program),
    );
    expect(figures.map(({ value }) => value.median)).toEqual([16]);
  });

  it('in an engine that ends before it listens', async () => {
    const program = await standIn(`console.error('no backend'); process.exitCode = 4;`);
    const onMissing = vi.fn();
    const options = { runtimes: [wasm], backends: ['wasm'], rounds: 1, onMissing } as const;
    expect(await collect(start(options, program))).toEqual([]);
    expect(onMissing.mock.calls).toEqual([['start · wasm', expect.any(Error)]]);
    expect(onMissing.mock.calls[0]![1].message).toBe('the engine ended with exit code 4: no backend');
  });
});

it.skipIf(process.platform !== 'linux')(
  'an engine started by auto knows nothing, and then what it found',
  async () => {
    const program = await standIn(`
    import { existsSync, mkdirSync } from 'node:fs';
    const { XDG_DATA_HOME: home, DCNET_RUNTIME: tensorflow } = process.env;
    console.error(...process.argv.slice(-2), existsSync(home) ? 'knows' : 'knows nothing', tensorflow);
    mkdirSync(home, { recursive: true });
    process.exitCode = 1;`);
    const onMissing = vi.fn();
    vi.stubEnv('DCNET_RUNTIME', '/opt/tensorflow');
    await collect(start({ runtimes: [], rounds: 1, onMissing }, program));
    vi.unstubAllEnvs();
    const how = 'the engine ended with exit code 1: --backend auto';
    expect(onMissing.mock.calls.map(([what, { message }]) => [what, message])).toEqual([
      ['start · auto, first start', `${how} knows nothing /opt/tensorflow`],
      ['start · auto, next start', `${how} knows /opt/tensorflow`],
    ]);
  },
);

it('computes in the precision that is asked for', async () => {
  const bench = new Bench('wasm', sample, plain, noise(sample.shape, 1), { precision: 'fp16' });
  await expect(bench.infer()).rejects.toThrow('fp32 only');
});
