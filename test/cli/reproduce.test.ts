import { mkdir, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import {
  type MetricsRecord,
  type RunState,
  runFiles,
  runStateSchema,
  type Summary,
} from '../../src/core/run/run.js';
import { checkpointSha256 } from '../../src/engine/checkpoint/checkpoint.js';
import { robustnessReportSchema } from '../../src/protocol/robustness.js';
import { withHeader } from '../engine/checkpoint/header.js';
import { writeTinyCifar } from '../engine/data/tinyCifar.js';
import { temporaryFolder, writeTinyData } from '../engine/data/tinyData.js';
import { mediaDirectory } from '../engine/training/support.js';
import { start } from './command.js';

/** A folder with tiny data, where the same experiment can be started again and again. */
class TinyReproduction {
  private constructor(
    readonly directory: string,
    private readonly args: readonly string[],
  ) {}

  static async create(...args: string[]): Promise<TinyReproduction> {
    const directory = await temporaryFolder();
    const data = path.join(directory, 'data');
    await mkdir(data);
    await writeTinyData(data, { train: 128, test: 40 });
    return new TinyReproduction(directory, args);
  }

  /** @param more options, besides those that it has anyway */
  start(...more: readonly string[]): ReturnType<typeof start> {
    const flags = ['--data', 'data', '--out', 'out', '--parallel', '1', '--json'];
    const engine = ['--backend', 'wasm', '--media', mediaDirectory];
    return start(['reproduce', ...this.args, ...flags, ...engine, ...more], { directory: this.directory });
  }

  file(...parts: string[]): string {
    return path.join(this.directory, 'out', ...parts);
  }

  read(...parts: string[]): Promise<string> {
    return readFile(this.file(...parts), 'utf8');
  }

  /** Its state, once it trains. */
  async training(run: string, experiment = 'table2-small'): Promise<RunState> {
    for (;;) {
      const text = await readFile(this.file(experiment, 'runs', run, runFiles.state), 'utf8').catch(
        () => undefined,
      );
      const state = text === undefined ? undefined : runStateSchema.parse(JSON.parse(text));
      if (state?.status === 'running') return state;
      await delay(10);
    }
  }

  async events(run: string): Promise<readonly string[]> {
    const lines = (await this.read('table2-small', 'runs', run, runFiles.metrics)).trim().split('\n');
    return lines
      .map((line) => JSON.parse(line) as MetricsRecord)
      .flatMap((record) => (record.type === 'event' ? [record.event] : []));
  }
}

const number = String.raw`\*\*\d+\.\d\d\*\*`;

describe('dcnet reproduce', () => {
  it('is interrupted with a report of what is there, goes on, and does nothing that is done again', async () => {
    const tiny = await TinyReproduction.create(
      ...['table2', '--only', 'plain', 'linear-cosine', '--steps', '40'],
    );
    const first = tiny.start();
    await tiny.training('linear-cosine-seed1');
    first.child.kill('SIGINT');
    const stopped = await first.ended;
    expect(stopped.exitCode).toBe(1);
    expect(JSON.parse(stopped.stdout)).toMatchObject({ error: { code: 'cancelled' } });
    const half = await tiny.read('table2-small', 'table2.md');
    expect(half).toContain('**Stopped before the end.**');
    expect(half).toMatch(new RegExp(String.raw`\| plain convolution \| – \| ${number} \(paper 35\.30`));
    expect(half).toContain('not run (paper 31.76)');
    expect(half).toMatch(/`runs\/linear-cosine-seed1` \| stopped \|/);

    const summary = () => tiny.read('table2-small', 'runs', 'plain-seed1', runFiles.summary);
    const done = await summary();
    const second = await tiny.start().ended;
    expect(second.exitCode).toBe(0);
    expect(second.stderr).toContain('1 of 2 runs are complete already.');
    expect(second.stderr).toContain('linear-cosine-seed1: goes on (2 of 2)');
    expect(await summary()).toBe(done);
    expect(await tiny.events('plain-seed1')).toEqual(['started', 'completed']);
    expect(await tiny.events('linear-cosine-seed1')).toEqual(['started', 'stopped', 'resumed', 'completed']);

    const third = await tiny.start().ended;
    expect(third.exitCode).toBe(0);
    expect(third.stderr).toContain('2 of 2 runs are complete already.');
    expect(third.stderr).not.toMatch(/: (training|goes on)/);
    const whole = await tiny.read('table2-small', 'table2.md');
    expect(whole).not.toContain('Stopped before the end');
    expect(whole).toMatch(
      new RegExp(String.raw`\| LinearConv \| not run \(paper 33\.39\) \| ${number} \(paper 31\.76`),
    );
    // Not chosen by --only.
    expect(whole).toContain('| TanhConv | not run (paper 32.88) | not run (paper 31.88) |');
    expect(whole).toContain('- Every training has 40 steps');
    const page = await tiny.read('table2-small', 'table2.html');
    expect(page).toContain(`default-src 'none'`);
    expect(page).toContain('<td align="right">not run (paper 31.88)</td>');
  });

  it('trains anew what is of another network than its preset gives by now, or of one that nobody can tell', async () => {
    const tiny = await TinyReproduction.create(...['table2', '--only', 'plain', '--steps', '10']);
    expect((await tiny.start().ended).exitCode).toBe(0);
    const run = (...parts: string[]) => tiny.file('table2-small', 'runs', ...parts);
    const summaryOf = (name: string) => readFile(run(name, runFiles.summary), 'utf8');
    type Metadata = Record<string, unknown>;
    const changeCheckpoints = async (change: (metadata: Metadata) => void): Promise<void> => {
      const folder = run('plain-seed1', runFiles.checkpoints);
      for (const name of await readdir(folder)) {
        const file = path.join(folder, name);
        const changed = withHeader(await readFile(file), (header) => change(header.__metadata__!));
        await writeFile(file, changed);
      }
    };
    // As they were written when the preset's dense layer had a ReLU.
    const rectified = (metadata: Metadata): void => {
      const network = JSON.parse(metadata.network as string) as { layers: { activation?: string }[] };
      network.layers.at(-2)!.activation = 'relu';
      metadata.network = JSON.stringify(network);
    };
    const untold = (metadata: Metadata): void => void delete metadata.network;
    const cases = [
      [rectified, 'The preset cnn-9 stood for other layers when it was trained. It is trained anew', '001'],
      [untold, 'the network is not kept with it. It is trained anew', '002'],
    ] as const;
    for (const [change, why, number] of cases) {
      await changeCheckpoints(change);
      const before = await summaryOf('plain-seed1');
      const { exitCode, stderr } = await tiny.start().ended;
      expect(exitCode).toBe(0);
      expect(stderr).toContain('plain-seed1: ');
      expect(stderr).toContain(why);
      expect(stderr).toContain(`the earlier run is ${run(`plain-seed1-before-${number}`)} now.`);
      expect(stderr).toContain('plain-seed1: training (1 of 1)');
      expect(await summaryOf('plain-seed1')).not.toBe(before);
      expect(await summaryOf(`plain-seed1-before-${number}`)).toBe(before);
    }
    expect(await tiny.events('plain-seed1')).toEqual(['started', 'completed']);

    // One that diverged has a result without a checkpoint.
    const failure = {
      ...{ status: 'failed', checkpoint: undefined },
      error: { code: 'diverged', message: 'The loss is NaN.', remedy: 'Lower the learning rate.' },
    };
    for (const file of [runFiles.summary, runFiles.state]) {
      const kept = JSON.parse(await readFile(run('plain-seed1', file), 'utf8')) as object;
      await writeFile(run('plain-seed1', file), JSON.stringify({ ...kept, ...failure }));
    }
    await rm(run('plain-seed1', runFiles.checkpoints), { recursive: true });
    const again = await tiny.start().ended;
    expect(again.stderr).toContain('plain-seed1: it diverged before its first checkpoint');
    expect(JSON.parse(await summaryOf('plain-seed1'))).toMatchObject({ status: 'completed', steps: 10 });
    const last = await tiny.start().ended;
    expect(last.stderr).toContain('1 of 1 runs are complete already.');
  });

  it('reports a cell whose training was killed, trains the others, and mends it the next time', async () => {
    const tiny = await TinyReproduction.create(
      ...['table2', '--only', 'plain', 'linear-cosine', '--steps', '30'],
    );
    const first = tiny.start();
    const { pid } = await tiny.training('plain-seed1');
    process.kill(pid!, 'SIGKILL');
    const killed = await first.ended;
    expect(killed.exitCode).toBe(1);
    const report = await tiny.read('table2-small', 'table2.md');
    expect(report).toContain('| plain convolution | – | **failed** (paper 35.30) | – |');
    expect(report).toMatch(
      /## Warnings\n\n- plain convolution · cosine, seed 1 failed: The training of plain/,
    );
    expect(report).toMatch(
      /`runs\/plain-seed1` \| failed: The training of plain-seed1 ended with SIGKILL.*\. Most probably the operating system ended it for lack of memory\./,
    );
    expect(report).toMatch(new RegExp(String.raw`\| LinearConv \| .* \| ${number} \(paper 31\.76`));
    expect(JSON.parse(killed.stdout)).toMatchObject({
      results: [
        { cell: { run: 'plain' }, values: [{ value: 'failed' }] },
        { cell: { run: 'linear-cosine' }, values: [{ value: expect.any(Number) }] },
      ],
    });

    const second = await tiny.start().ended;
    expect(second.exitCode).toBe(0);
    expect(await tiny.read('table2-small', 'table2.md')).not.toContain('failed');
    expect(await tiny.events('linear-cosine-seed1')).toEqual(['started', 'completed']);
  });

  it('attacks by transfer from a network of another seed, and keeps what was measured', async () => {
    const tiny = await TinyReproduction.create(...['table8', '--only', 'plain', '--steps', '30']);
    const { exitCode, stdout } = await tiny.start().ended;
    expect(exitCode).toBe(0);
    const seedOf = async (name: string): Promise<unknown> =>
      (JSON.parse(await tiny.read('tables7-8-small', `${name}.dcnet.json`)) as { seed: unknown }).seed;
    expect(await seedOf('plain-seed1')).not.toBe(await seedOf('source-seed1'));
    expect(await readdir(tiny.file('tables7-8-small', 'attacks'))).toEqual(['plain-seed1-transfer.json']);
    const shaOf = async (name: string): Promise<string> => {
      const folder = tiny.file('tables7-8-small', 'runs', name);
      const { checkpoint } = JSON.parse(
        await readFile(path.join(folder, runFiles.summary), 'utf8'),
      ) as Summary;
      return checkpointSha256(path.join(folder, checkpoint!));
    };
    const kept = await tiny.read('tables7-8-small', 'attacks', 'plain-seed1-transfer.json');
    const { measurement } = robustnessReportSchema.parse(JSON.parse(kept));
    expect(measurement).toMatchObject({
      ...{ epsilons: [4, 8, 16], steps: 10 },
      source: { run: 'source-seed1', checkpointSha256: await shaOf('source-seed1') },
      checkpointSha256: await shaOf('plain-seed1'),
    });
    const left = (attack: string): number =>
      100 *
      measurement.curves.find((curve) => curve.attack === attack && curve.access === 'transfer')!
        .accuracies[1]!;
    expect(
      (JSON.parse(stdout) as { results: { values: { value: number }[] }[] }).results.map(
        ({ values }) => values[0]!.value,
      ),
    ).toEqual([100 * measurement.accuracy, 100 * measurement.accuracy, left('fgsm'), left('bim')]);
    // With three ε and a source every check was run.
    expect(await tiny.read('tables7-8-small', 'table8.md')).not.toContain('Not checked');

    const again = await tiny.start().ended;
    expect(again.stderr).not.toContain('attacking');
    expect(await tiny.read('tables7-8-small', 'attacks', 'plain-seed1-transfer.json')).toBe(kept);

    // Of another network, however new the file is; and by attacks of before.
    for (const other of [
      { measurement: { ...measurement, checkpointSha256: '0'.repeat(64) } },
      { attacksVersion: 1 },
    ]) {
      await writeFile(
        tiny.file('tables7-8-small', 'attacks', 'plain-seed1-transfer.json'),
        JSON.stringify({ ...JSON.parse(kept), ...other }),
      );
      expect((await tiny.start().ended).stderr).toContain('plain-seed1-transfer: attacking');
    }
  });

  it('says which checks of an attack were not run', async () => {
    const tiny = await TinyReproduction.create(...['table7', '--only', 'plain', '--steps', '10']);
    const { exitCode, stdout } = await tiny.start().ended;
    expect(exitCode).toBe(0);
    const missing =
      'Not checked of the attacks: White-box attacks leave no more right than transferred ones.';
    expect((JSON.parse(stdout) as { warnings: string[] }).warnings).toContain(missing);
    expect(await tiny.read('tables7-8-small', 'table7.md')).toContain(`- ${missing}`);
  });

  it('trains and attacks in the precision and with the threads that it is told', async () => {
    const tiny = await TinyReproduction.create(...['table7', '--only', 'plain', '--steps', '10']);
    // What else shows it needs a GPU: WebAssembly refuses.
    const half = ['--precision', 'fp16'];
    const refused = /The wasm backend computes in fp32 only\./;
    const untrained = await tiny.start(...half).ended;
    expect([untrained.exitCode, untrained.stderr]).toEqual([2, expect.stringMatching(refused)]);
    expect(await readdir(tiny.file('tables7-8-small')), 'it attacks nothing').not.toContain('attacks');
    expect((await tiny.start('--workers', '3').ended).exitCode).toBe(0);
    const summary = await tiny.read('tables7-8-small', 'runs', 'plain-seed1', runFiles.summary);
    expect((JSON.parse(summary) as Summary).device).toMatch(/, 3 threads$/);
    await rm(tiny.file('tables7-8-small', 'attacks'), { recursive: true });
    const unattacked = await tiny.start(...half).ended;
    expect([unattacked.exitCode, unattacked.stderr]).toEqual([1, expect.stringMatching(refused)]);
  });

  it('draws figure 1 of the networks that are trained, also when it is interrupted', async () => {
    const tiny = await TinyReproduction.create(...['figure1', '--steps', '20']);
    // The network takes no smaller images.
    await writeTinyData(path.join(tiny.directory, 'data'), { train: 128, test: 40, side: 24 });
    const first = tiny.start();
    await tiny.training('sphere-seed1', 'figure1-small');
    first.child.kill('SIGINT');
    expect((await first.ended).exitCode).toBe(1);
    const networks = ['plain convolution', 'SphereConv', 'BallConv', 'TanhConv'];
    const titles = async (): Promise<readonly string[]> => {
      const picture = await tiny.read('figure1-small', 'figure1.svg');
      return networks.filter((title) => picture.includes(`>${title}<`));
    };
    expect(await titles()).toEqual(['plain convolution']);
    const half = await tiny.read('figure1-small', 'figure1.md');
    expect(half).toMatch(/!\[Features .*\]\(figure1\.svg\)/);
    expect(half).toContain('- **Open.** Features of');

    expect((await tiny.start().ended).exitCode).toBe(0);
    expect(await titles()).toEqual(networks);
    expect(await tiny.read('figure1-small', 'figure1.svg')).toContain('>Ankle boot<');
    const report = await tiny.read('figure1-small', 'figure1.md');
    expect(report).toMatch(/\| SphereConv \| \d+\.\d{3} \|/);
    expect(report).toMatch(
      /- \*\*(Holds|Does not hold) here\.\*\* Features of SphereConv, BallConv and TanhConv lie nearer to a ring/,
    );
  });

  it('trains each seed, and reports mean and spread of what their runs came to', async () => {
    const tiny = await TinyReproduction.create(
      ...['table2', '--only', 'plain', '--steps', '30', '--seeds', '2'],
    );
    const { exitCode, stdout } = await tiny.start().ended;
    expect(exitCode).toBe(0);
    const errors: number[] = [];
    const configs: { seed: number }[] = [];
    for (const name of ['plain-seed1', 'plain-seed2']) {
      const { testAccuracy } = JSON.parse(
        await tiny.read('table2-small', 'runs', name, runFiles.summary),
      ) as Summary;
      errors.push(100 * (1 - testAccuracy!));
      configs.push(
        JSON.parse(await tiny.read('table2-small', 'runs', name, runFiles.config)) as { seed: number },
      );
    }
    expect(configs[1]).toEqual({ ...configs[0], seed: 2 });
    expect(configs[0]!.seed).toBe(1);
    const { results } = JSON.parse(stdout) as { results: { values: unknown }[] };
    expect(results[0]!.values).toEqual(errors.map((value, i) => ({ seed: i + 1, value })));
    // Of two numbers: half their sum, and their distance over √2.
    const [a, b] = errors as [number, number];
    const spread = `**${((a + b) / 2).toFixed(2)}** ± ${(Math.abs(a - b) / Math.SQRT2).toFixed(2)} (paper 35.30`;
    const report = await tiny.read('table2-small', 'table2.md');
    expect(report).toContain(`| plain convolution | – | ${spread}`);
    expect(report).toContain('Seeds 1, 2.');
    for (const name of ['plain-seed1', 'plain-seed2'])
      expect(report).toContain(`| \`runs/${name}\` | completed | 30 |`);
  });

  it('draws figure 1 of the first seed, and gives the numbers of all', async () => {
    const tiny = await TinyReproduction.create(
      ...['figure1', '--only', 'sphere', '--steps', '20', '--seeds', '2'],
    );
    await writeTinyData(path.join(tiny.directory, 'data'), { train: 128, test: 40, side: 24 });
    expect((await tiny.start().ended).exitCode).toBe(0);
    const report = await tiny.read('figure1-small', 'figure1.md');
    const [first, second, both] = ['seed 1', 'seed 2', 'mean ± deviation'].map((what) => {
      const line = report.split('\n').find((each) => each.startsWith(`| SphereConv, ${what} |`));
      return line!
        .split('|')
        .slice(2, 5)
        .map((cell) => cell.trim());
    });
    expect(first).not.toEqual(second);
    for (const [i, cell] of both!.entries()) {
      const [mean, deviation] = cell.split(' ± ').map(Number);
      const [a, b] = [Number(first![i]), Number(second![i])];
      // As far as the numbers are rounded.
      const half = i === 2 ? 0.1 : 0.001;
      expect(Math.abs(mean! - (a + b) / 2)).toBeLessThanOrEqual(half);
      expect(Math.abs(deviation! - Math.abs(a - b) / Math.SQRT2)).toBeLessThanOrEqual(half);
    }
    expect(report).toContain('of the networks of seed 1');
    expect((await tiny.read('figure1-small', 'figure1.svg')).split('>SphereConv<')).toHaveLength(2);
  });

  it('goes the way of the full scale, on images as CIFAR has them', async () => {
    const tiny = await TinyReproduction.create(
      ...['table3', '--scale', 'full', '--only', 'plain-relu', '--steps', '10'],
    );
    await writeTinyCifar(path.join(tiny.directory, 'data'), 'cifar100');
    await truncate(path.join(tiny.directory, 'data', 'train.bin'), 4 * 3074); // four images are fewer to wait for
    const { exitCode, stdout } = await tiny.start().ended;
    expect(exitCode).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      ...{ experiment: 'table3', scale: 'full', folder: tiny.file('table3-full') },
      results: [{ cell: { run: 'plain-relu', paper: 26.01 }, values: [{ seed: 1 }] }],
    });
    const kept = async (file: string): Promise<unknown> =>
      JSON.parse(await tiny.read('table3-full', 'runs', 'plain-relu-seed1', file));
    expect(await kept(runFiles.config)).toMatchObject({
      data: { cifar100: path.join(tiny.directory, 'data'), labels: 'fine' },
      layers: { preset: 'cnn-9', widths: [64, 128, 256] },
      augmentation: { mirrorPad: 4, flip: true },
    });
    // By hand: 3×3 kernels 3·64 + 2·64² + 64·128 + 2·128² + 128·256 + 2·256², the dense layer 4·4·256·256, scores 256·100, and
    // γ and β of 3·(64 + 128 + 256) filters.
    const weights = 9 * 213_184 + 1_048_576 + 25_600 + 2 * 1344;
    const whole = { status: 'completed', steps: 10, parameters: weights };
    expect(await kept(runFiles.summary)).toMatchObject(whole);
    const report = await tiny.read('table3-full', 'table3.md');
    expect(report).toContain('Scale: full. One seed (1). Data: cifar100, 4 training and 6 test images');
    expect(report).toMatch(
      /\| plain convolution \| not run \(paper 58\.24\) \| – \| \*\*(\d+\.\d\d|n\/c)\*\* \(paper 26\.01/,
    );
    expect(report).toContain('- Every training has 10 steps');
    expect(report).toContain('64-128-256 are those of the MHE paper');
  });

  it('refuses what it does not know, and too few steps', async () => {
    const unknown = await TinyReproduction.create('table2', '--only', 'maxout');
    const { exitCode, stderr } = await unknown.start().ended;
    expect(exitCode).toBe(2);
    expect(stderr).toContain('No cell of table2 is called maxout.');
    const short = await TinyReproduction.create('table2', '--steps', '3');
    expect((await short.start().ended).exitCode).toBe(2);
  });
});
