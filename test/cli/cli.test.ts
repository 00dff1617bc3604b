import { existsSync } from 'node:fs';
import { cp, readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { behaviourComparisonSchema, weightComparisonSchema } from '../../src/core/comparison/comparison.js';
import { parseMetrics } from '../../src/core/run/metrics.js';
import { environmentSchema, runStateSchema } from '../../src/core/run/run.js';
import { inspectionSchema } from '../../src/core/statistics/inspection.js';
import { doctorReportSchema, evaluationSchema } from '../../src/protocol/engine.js';
import { reportSchema } from '../../src/protocol/report.js';
import { mediaDirectory, TinyProject } from '../engine/training/support.js';
import { dcnet, type Ended, start } from './command.js';

const engineFlags = ['--backend', 'wasm', '--media', mediaDirectory];

/** What machines read: all of stdout is one line. */
function answer({ stdout }: Ended): Record<string, unknown> {
  expect(stdout.trim().split('\n')).toHaveLength(1);
  return JSON.parse(stdout) as Record<string, unknown>;
}

describe('dcnet operator', () => {
  const point = async (...args: string[]): Promise<Record<string, unknown>> => {
    const ended = await dcnet('operator', ...args, '--json');
    expect(ended.exitCode).toBe(0);
    return answer(ended);
  };

  it('gives h, g and f = h·g as the formulas of the paper do', async () => {
    const { h, g, f } = await point(
      ...['--magnitude', 'tanh', '--angular', 'sigmoid', '--k', '0.3', '--radius', '1', '--alpha', '1'],
      ...['--beta', '0.5', '--norm', '2', '--angle', '1.0472'],
    );
    const s = Math.exp(-Math.PI / (2 * 0.3));
    // The sigmoid as the paper writes it.
    const e = Math.exp(1.0472 / 0.3 - Math.PI / (2 * 0.3));
    const expected = (((1 + s) / (1 - s)) * (1 - e)) / (1 + e);
    expect(h).toBeCloseTo(Math.tanh(2), 9);
    expect(g).toBeCloseTo(expected, 9);
    expect(f).toBeCloseTo(Math.tanh(2) * expected, 9);
  });

  it('gives both curves without a point', async () => {
    const { h, g } = (await point(
      '--magnitude',
      'ball',
      '--angular',
      'linear',
      '--radius',
      '2',
    )) as unknown as {
      h: { norm: number[]; value: number[] };
      g: { angle: number[]; value: number[] };
    };
    expect(h.value).toEqual(h.norm.map((norm) => expect.closeTo(Math.min(norm, 2) / 2, 9)));
    expect(h.norm.at(-1)).toBe(6);
    expect(g.value).toEqual(g.angle.map((angle) => expect.closeTo(1 - (2 * angle) / Math.PI, 9)));
    expect(g.angle.at(-1)).toBeCloseTo(Math.PI, 12);
    expect((await dcnet('operator', '--magnitude', 'ball', '--angular', 'linear')).stdout).toMatch(/^‖x‖ +h/);
  });

  it.each([
    [['--magnitude', 'tanh', '--angular', 'cosinus']],
    [['--magnitude', 'tanh']],
    [['--magnitude', 'tanh', '--angular', 'cosine', '--norm', 'x', '--angle', '1']],
    [['--magnitude', 'tanh', '--angular', 'cosine', '--norm', '1']],
    [['--magnitude', 'tanh', '--angular', 'cosine', '--norm', '-1', '--angle', '1']],
    [['--magnitude', 'tanh', '--angular', 'cosine', '--norm', '1', '--angle', '4']],
    [['--magnitude', 'tanh', '--angular', 'cosine', '--radius', '0']],
    [['--magnitude', 'tanh', '--angular', 'cosine', '--unknown']],
    [['--magnitude', 'ball', '--angular', 'cosine', '--weighting', 'joint-tanh']],
    [['--magnitude', 'tanh', '--angular', 'square-cosine', '--exponent', '0.5']],
  ])('refuses %j', async (args) => {
    const { exitCode, stdout, stderr } = await dcnet('operator', ...args);
    expect([exitCode, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(/^error: /);
  });
});

describe('dcnet operator, weighted', () => {
  it('gives h for ‖w‖, and g with its exponent', async () => {
    const ended = await dcnet(
      ...['operator', '--magnitude', 'tanh', '--angular', 'square-cosine', '--exponent', '3'],
      ...['--weighting', 'separate-tanh', '--weight-norm', '3', '--rho', '4', '--radius', '2'],
      ...['--norm', '2', '--angle', '1.0471975512', '--json'],
    );
    const { h, g, weighting, weightNorm } = answer(ended) as Record<string, unknown>;
    expect([weighting, weightNorm]).toEqual(['separate-tanh', 3]);
    expect(h).toBeCloseTo(Math.tanh(3 / 4) * Math.tanh(1), 9);
    expect(g).toBeCloseTo(0.125, 9);
  });
});

describe('dcnet', () => {
  it('tells its commands and exit codes', async () => {
    const { exitCode, stdout } = await dcnet('--help');
    expect(exitCode).toBe(0);
    for (const command of [
      'train',
      'evaluate',
      'predict',
      'inspect',
      'compare',
      'report',
      'operator',
      'doctor',
    ])
      expect(stdout).toMatch(new RegExp(`^ +${command} `, 'm'));
    expect(stdout).toMatch(/Exit codes/);
    expect((await dcnet('--version')).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
    expect((await dcnet('nothing')).exitCode).toBe(2);
  });

  it('examines the machine', async () => {
    const ended = await dcnet('doctor', '--json');
    const report = doctorReportSchema.parse(answer(ended));
    expect(report.runtimes.find(({ name }) => name === 'wasm')).toMatchObject({ available: true });
    for (const { available, reason } of report.runtimes) expect(available || reason !== undefined).toBe(true);
    expect(report.nodePath).toBe(process.execPath);
    const { stdout } = await dcnet('doctor');
    expect(stdout).toMatch(/✓ wasm [\d.]+: CPU \(WebAssembly [^)]*\), (one thread|\d threads) /);
    expect(stdout.split('\n')[0]).toContain(`Node ${process.version}, ${process.execPath} `);
  });
});

describe('dcnet train', () => {
  it('stops with advice where a step does not fit into memory, or halves the batch until it does', async () => {
    const project = await TinyProject.create();
    const layers = [
      { type: 'conv', filters: 400 },
      { type: 'conv', filters: 8 },
      { type: 'global-average-pool' },
      { type: 'dense', units: 4 },
    ];
    const config = await project.writeConfig({ layers, batch: 60, epochs: 1 });
    // What the WebAssembly backend may have is 32 MiB, in pages of 64 KiB; it starts with 16.
    const little = ['--wasm-max-mem-pages=512'];
    const stopped = await start(['train', config, '--json', ...engineFlags], { nodeFlags: little }).ended;
    expect(stopped.exitCode).toBe(1);
    expect(answer(stopped)).toMatchObject({ status: 'failed', error: { code: 'memory' } });
    expect(stopped.stderr).toMatch(/with 60 images at a time .*--on-memory halve/);

    const halving = ['--resume', 'tiny-001', '--on-memory', 'halve'];
    const halved = await start(['train', config, ...halving, '--json', ...engineFlags], { nodeFlags: little })
      .ended;
    expect(halved.exitCode).toBe(0);
    const { status, batch } = answer(halved) as { status: string; batch: { images: number; parts: number } };
    expect([status, batch.images]).toEqual(['completed', 60]);
    expect(batch.parts).toBeGreaterThan(1);
    if (batch.parts > 2) expect(halved.stderr).toMatch(/Going on with 4 parts of 15 images\./);
  });

  it('tells of a run whose process was killed that memory is the likely cause, and goes on in halves when asked', async () => {
    const project = await TinyProject.create();
    const config = await project.writeConfig({ epochs: 100_000 });
    const stateFile = path.join(project.runsDirectory, 'tiny-001', 'state.json');
    const killed = start(['train', config, ...engineFlags]);
    await vi.waitUntil(
      async () => {
        const state = await readFile(stateFile, 'utf8').catch(() => undefined);
        return state !== undefined && runStateSchema.parse(JSON.parse(state)).epoch > 1;
      },
      { timeout: 20_000 },
    );
    killed.child.kill('SIGKILL');
    await killed.ended;
    const state = await readFile(stateFile);
    const stopOnceRunning = async (...flags: readonly string[]): Promise<string> => {
      const resuming = ['train', config, '--resume', 'tiny-001', '--json'];
      const { child, ended } = start([...resuming, ...engineFlags, ...flags]);
      let text = '';
      child.stderr?.on('data', (more) => {
        if (!text.includes('running') && (text + more).includes('running')) child.kill('SIGTERM');
        text += more;
      });
      return (await ended).stderr;
    };
    const resume = async (...flags: readonly string[]): Promise<string> => {
      await writeFile(stateFile, state);
      return stopOnceRunning(...flags);
    };
    const told =
      'warning: The process that trained tiny-001 ended without a word: where the operating system';
    const plain = await resume();
    expect(plain).toContain(told);
    expect(plain).toContain(
      'lack of memory. --on-memory halve goes on with 2 parts of 8 images. A new run needs',
    );
    const halved = await resume('--on-memory', 'halve');
    expect(halved).toContain('lack of memory. Going on with 2 parts of 8 images. The gradients');
    expect(await stopOnceRunning(), 'stopped with a word').not.toContain('warning');
  });

  it('tells top-5 accuracy of ten classes, after each epoch and in an evaluation', async () => {
    const project = await TinyProject.create(undefined, { classes: 10 });
    const { runDirectory, summary } = await project.train({
      layers: [{ type: 'conv', filters: 4 }, { type: 'global-average-pool' }, { type: 'dense', units: 10 }],
    });
    const { records } = parseMetrics(await readFile(path.join(runDirectory, 'metrics.jsonl'), 'utf8'));
    const epochs = records.filter((record) => record.type === 'epoch');
    const checkpoint = path.join(runDirectory, summary.checkpoint!);
    const evaluated = await dcnet('evaluate', checkpoint, '--json', ...engineFlags);
    const { accuracy, top5Accuracy } = evaluationSchema.parse(answer(evaluated));
    expect(top5Accuracy).toBe(epochs.at(-1)!.testTop5Accuracy);
    expect(top5Accuracy).toBeGreaterThan(accuracy);
    expect(evaluated.stderr).toContain(`, top-5 ${(100 * top5Accuracy!).toFixed(1)} %, loss `);
  });

  it('trains to the end; its checkpoint can be evaluated, inspected and asked', async () => {
    const project = await TinyProject.create();
    const config = await project.writeConfig();
    const trained = await dcnet('train', config, '--json', ...engineFlags);
    expect(trained.exitCode).toBe(0);
    const summary = answer(trained) as {
      run: string;
      checkpoint: string;
      testAccuracy: number;
      trainSeconds: number;
      imagesPerSecond: number;
      backend: string;
    };
    expect(summary).toMatchObject({
      status: 'completed',
      backend: 'wasm',
      run: path.join(project.runsDirectory, 'tiny-001'),
    });
    expect(summary.trainSeconds).toBeGreaterThan(0);
    expect(summary.imagesPerSecond).toBeGreaterThan(0);
    expect(trained.stderr).toMatch(/epoch 3\/3/);
    expect(await readdir(path.join(summary.run, 'inspections'))).toEqual([
      'epoch-0003.test.groups.json',
      'epoch-0003.test.json',
    ]);

    const evaluated = await dcnet('evaluate', summary.checkpoint, '--json', ...engineFlags);
    expect(evaluationSchema.parse(answer(evaluated)).accuracy).toBe(summary.testAccuracy);
    expect((await dcnet('evaluate', summary.checkpoint, '--split', 'train', ...engineFlags)).stdout).toMatch(
      /^data, train: accuracy .* n = 60/,
    );

    expect(answer(evaluated)).not.toHaveProperty('top5Accuracy'); // of four classes

    const inspected = await dcnet('inspect', summary.checkpoint, '--limit', '3', '--json', ...engineFlags);
    expect(inspectionSchema.parse(answer(inspected)).sampleSize).toBe(3);
    expect((await dcnet('inspect', summary.checkpoint, ...engineFlags)).stdout).toMatch(
      /conv2 +BallConv, cosine/,
    );

    const earlier = path.join(summary.run, 'checkpoints', 'epoch-0001.dcnet.safetensors');
    const compared = answer(
      await dcnet('compare', earlier, summary.checkpoint, '--json', ...engineFlags),
    ) as { weights: unknown; behaviour: unknown };
    expect(weightComparisonSchema.parse(compared.weights).layers).toHaveLength(3);
    expect(behaviourComparisonSchema.parse(compared.behaviour).b.accuracy).toBe(summary.testAccuracy);
    expect(
      (await dcnet('compare', earlier, summary.checkpoint, '--weights-only', ...engineFlags)).stdout,
    ).toMatch(/conv2 .*° .*% /);
    const file = path.join(project.directory, 'report.html');
    const reported = answer(
      await dcnet('report', summary.checkpoint, '--out', file, '--json', ...engineFlags),
    );
    const page = await readFile(file, 'utf8');
    expect(reported).toEqual({ file, bytes: Buffer.byteLength(page) });
    const embedded = /<script type="application\/json" id="report">(.*?)<\/script>/.exec(page)?.[1] ?? '';
    const report = reportSchema.parse(JSON.parse(embedded));
    const stored = path.join(summary.run, 'inspections', 'epoch-0003.test.json');
    expect(report.inspection).toMatchObject(JSON.parse(await readFile(stored, 'utf8')));
    expect(report.configText).toBe(await readFile(config, 'utf8'));
    const nowhere = path.join(project.directory, 'no', 'report.html');
    expect(await dcnet('report', summary.checkpoint, '--out', nowhere, ...engineFlags)).toMatchObject({
      exitCode: 1,
      stderr: expect.stringMatching(
        /report\.html: The report cannot be written .*Check that its folder exists/,
      ),
    });

    const images = path.join(project.directory, 'data', 't10k-images-idx3-ubyte');
    const predicted = answer(
      await dcnet('predict', summary.checkpoint, images, '--json', ...engineFlags),
    ) as {
      labels: number[];
      logits: number[][];
    };
    const truth = (await readFile(path.join(project.directory, 'data', 't10k-labels-idx1-ubyte'))).subarray(
      8,
    );
    const right = predicted.labels.filter((label, i) => label === truth[i]).length;
    expect(right / truth.length).toBe(summary.testAccuracy);
    expect(predicted.logits[0]).toHaveLength(4);
    expect(
      (await dcnet('predict', summary.checkpoint, images, ...engineFlags)).stdout.split('\n'),
    ).toHaveLength(22);

    const wrong = path.join(project.directory, 'data', 't10k-labels-idx1-ubyte');
    const refused = await dcnet('predict', summary.checkpoint, wrong, '--json', ...engineFlags);
    expect([refused.exitCode, answer(refused).error]).toEqual([
      2,
      expect.objectContaining({ code: 'data', file: wrong }),
    ]);
  });

  it('tells what computes, on what, with how many threads, and why: the training, and what looks at it', async () => {
    const project = await TinyProject.create();
    const config = await project.writeConfig({ epochs: 1 });
    const trained = answer(
      await dcnet('train', config, '--workers', '2', '--no-inspection', '--json', ...engineFlags),
    ) as { run: string; checkpoint: string; device: string };
    const { run, checkpoint, device } = trained;
    expect(device).toMatch(/^CPU \(WebAssembly [^)]*\), 2 threads$/);
    const state = runStateSchema.parse(JSON.parse(await readFile(path.join(run, 'state.json'), 'utf8')));
    expect(state.runtime?.device).toBe(device);
    const { records } = parseMetrics(await readFile(path.join(run, 'metrics.jsonl'), 'utf8'));
    expect(records[0]).toMatchObject({ event: 'started', message: `wasm, ${device}` });
    const environment = JSON.parse(await readFile(path.join(run, 'environment.json'), 'utf8'));
    expect(environment).toMatchObject({ device, workers: 2, runtime: { device } });

    const on =
      /^On wasm [\d.]+ on CPU \(WebAssembly [^)]*\), (one thread|\d threads)\. Chosen by name: wasm was asked for\. Not tensorflow: /m;
    const images = path.join(project.directory, 'data', 't10k-images-idx3-ubyte');
    for (const args of [
      ['evaluate', checkpoint, '--workers', '2'],
      ['predict', checkpoint, images],
      ['inspect', checkpoint],
      ['compare', checkpoint, checkpoint],
      ['report', checkpoint, '--out', path.join(project.directory, 'report.html')],
      ['robustness', checkpoint, '--attacks', 'fgsm', '--epsilons', '1', '--images', '2', '--workers', '3'],
    ]) {
      const { exitCode, stdout, stderr } = await dcnet(...args, ...engineFlags);
      expect([args[0], exitCode, stderr]).toEqual([args[0], 0, expect.stringMatching(on)]);
      expect(stdout).not.toMatch(/^On /m);
      if (args[0] === 'robustness') expect(stderr).toContain(', 3 threads. Chosen');
      if (args[0] === 'evaluate') expect(stdout).toMatch(/images\/s on wasm, 2 threads$/m);
    }
  });

  it('names the program of the threads where it is missing, and what to do; one thread needs none', async () => {
    const project = await TinyProject.create();
    const config = await project.writeConfig({ epochs: 1 });
    const dist = path.join(project.directory, 'dist');
    await cp('dist/wasm', path.join(dist, 'wasm'), { recursive: true });
    const program = path.join(dist, 'cli.js');
    await cp('dist/cli.js', program);
    const withThreads = (threads: number) =>
      start(['train', config, '--workers', String(threads), '--no-inspection', '--json', ...engineFlags], {
        program,
      }).ended;
    const two = await withThreads(2);
    expect([two.exitCode, answer(two).error]).toEqual([
      2,
      {
        code: 'backend',
        message: expect.stringContaining(path.join(dist, 'kernelThread.js')),
        remedy: expect.stringMatching(/^Install the extension again, .*npm run build.*--workers 1/),
      },
    ]);
    expect((await withThreads(1)).exitCode).toBe(0);
  });

  it('goes on with another runtime: that is told, and the run’s record has both', async () => {
    const project = await TinyProject.create();
    const config = await project.writeConfig({ epochs: 1 });
    const trained = answer(
      await dcnet('train', config, '--workers', '1', '--no-inspection', '--json', ...engineFlags),
    ) as { run: string; steps: number };
    const { run, steps } = trained;
    const file = path.join(run, 'config.dcnet.json');
    const environment = async () =>
      environmentSchema.parse(JSON.parse(await readFile(path.join(run, 'environment.json'), 'utf8')));
    const started = await environment();
    expect(started).toMatchObject({ backend: 'wasm', precision: 'fp32', history: [] });

    /** As after a stop, with more to do. */
    const resume = async (epochs: number, backend: string): Promise<Ended> => {
      const state = JSON.parse(await readFile(path.join(run, 'state.json'), 'utf8'));
      await writeFile(path.join(run, 'state.json'), JSON.stringify({ ...state, status: 'stopped' }));
      await writeFile(file, (await readFile(file, 'utf8')).replace(/"epochs":\d+/, `"epochs":${epochs}`));
      const args = ['train', '--resume', run, '--no-inspection', '--json', '--backend', backend];
      const ended = await dcnet(...args, '--media', mediaDirectory);
      expect(ended.exitCode, ended.stderr).toBe(0);
      return ended;
    };
    const warning =
      /^warning: This run was trained on wasm up to here: its result will be that of no single/m;
    expect((await resume(2, 'wasm')).stderr).not.toContain('warning:');
    expect(await environment()).toEqual(started);
    expect((await resume(3, 'cpu')).stderr).toMatch(warning);
    const { backend, device, runtime, history } = await environment();
    expect({ backend, runtime: runtime?.name }).toEqual({ backend: 'cpu', runtime: 'cpu' });
    expect(device).toMatch(/^CPU \(plain JavaScript/);
    expect(history).toMatchObject([
      { backend: 'wasm', device: started.device, precision: 'fp32', fromStep: 0 },
      { backend: 'cpu', device, precision: 'fp32', fromStep: 2 * steps },
    ]);
    expect((await resume(4, 'cpu')).stderr).not.toContain('warning:');
    expect((await environment()).history).toHaveLength(2);
    const { records } = parseMetrics(await readFile(path.join(run, 'metrics.jsonl'), 'utf8'));
    const resumed = records.flatMap((record) =>
      record.type === 'event' && record.event === 'resumed' ? [record.message] : [],
    );
    expect(resumed.map((message) => /; it was started .*$/.exec(message!)?.[0])).toEqual([
      undefined,
      '; it was started on wasm',
      '; it was started on wasm',
    ]);
  });

  it.each([1, 2])('stops cleanly by Ctrl-C, pressed %i times', async (times) => {
    const project = await TinyProject.create();
    const config = await project.writeConfig({ epochs: 100_000 });
    const { child, ended } = start(['train', config, '--json', '--name', 'a', ...engineFlags]);
    const run = path.join(project.runsDirectory, 'a');
    const checkpoint = path.join(run, 'checkpoints', 'epoch-0001.dcnet.safetensors');
    while (!existsSync(checkpoint)) await new Promise((resolve) => setTimeout(resolve, 20));
    for (let i = 0; i < times; i++) child.kill('SIGINT');
    const result = await ended;
    if (times === 2) {
      // Both may arrive before the first is acted upon: then it ends at once, as asked.
      expect([0, 130]).toContain(result.exitCode);
      return;
    }
    expect(result.exitCode).toBe(0);
    expect(answer(result)).toMatchObject({ status: 'stopped' });
    const state = runStateSchema.parse(JSON.parse(await readFile(path.join(run, 'state.json'), 'utf8')));
    expect(state.status).toBe('stopped');

    await writeFile(
      path.join(run, 'config.dcnet.json'),
      (await readFile(path.join(run, 'config.dcnet.json'), 'utf8')).replace(
        '100000',
        String(state.epoch + 1),
      ),
    );
    const resumed = await dcnet('train', config, '--resume', 'a', '--json', ...engineFlags);
    expect(resumed.exitCode).toBe(0);
    expect(answer(resumed)).toMatchObject({ status: 'completed', name: 'a', epochs: state.epoch + 1 });
  });

  it('ends with 2 for what it cannot use, and says where', async () => {
    const project = await TinyProject.create();
    const config = await project.writeConfig({ epoch: 3 });
    const { exitCode, stderr, stdout } = await dcnet('train', config, ...engineFlags);
    expect([exitCode, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(/tiny\.dcnet\.json:1:\d+: epoch: There is no field epoch here\. .*epochs/);
    for (const args of [[], ['nowhere.dcnet.json'], ['--resume', 'nothing'], [config, '--backend', 'abacus']])
      expect((await dcnet('train', ...args, '--media', mediaDirectory)).exitCode).toBe(2);
    const missing = await dcnet('evaluate', 'nowhere.dcnet.safetensors', '--json', ...engineFlags);
    expect([missing.exitCode, answer(missing).error]).toEqual([
      2,
      expect.objectContaining({ code: 'checkpoint' }),
    ]);
  });

  it('ends with 1 for a run that failed, and says what to try', async () => {
    const project = await TinyProject.create();
    const config = await project.writeConfig({
      layers: [
        { type: 'conv', filters: 4, batchNorm: false, operator: 'inner-product' },
        { type: 'global-average-pool' },
        { type: 'dense', units: 4 },
      ],
      optimizer: { type: 'sgd', learningRate: 100 },
      schedule: { type: 'constant' },
      weightDecay: 1,
      epochs: 20,
    });
    const failed = await dcnet('train', config, '--json', ...engineFlags);
    expect(failed.exitCode).toBe(1);
    expect(answer(failed)).toMatchObject({ status: 'failed', error: { code: 'diverged' } });
    expect(failed.stderr).toMatch(/Training diverged at step \d+.*Try a lower learning rate/);
  });
});
