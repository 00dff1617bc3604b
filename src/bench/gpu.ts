import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import * as tf from '@tensorflow/tfjs-core';
import { Command, Option } from 'commander';
import { DcnetError } from '../core/errors.js';
import { startBackend } from '../engine/backend/backend.js';
import type { DawnBackend } from '../engine/backend/dawnBackend.js';
import { probeWebgpu } from '../engine/backend/webgpu.js';
import { describeMachine } from '../engine/machine.js';
import type { Precision } from '../protocol/engine.js';
import { Bench } from './bench.js';
import { type ReferenceKind, referenceCases, referenceKinds } from './gpuCases.js';
import { compareWithReference, type Deviation, isRight } from './gpuReference.js';
import { besideOurs, type GpuContestant, isSameCard } from './gpuThroughput.js';
import { compareTraffic, type TrafficRatio } from './gpuTraffic.js';
import { digits, figureLine } from './markdown.js';
import { Missing } from './missing.js';
import { cnn9, type NamedOperator, type NetworkPlan, noise, sample } from './networks.js';
import { type BenchOptions, type Figure, someOperators } from './parts.js';
import { Pytorch } from './pytorch.js';
import { withStock } from './stock.js';

/**
 * The bench that is carried to a machine with a GPU: what computes, whether it computes right, what it moves and, on
 * a real GPU, how fast it is beside tfjs's own kernels and PyTorch.
 */

const stepsARound = 10;
const networks = { sample, small: cnn9([32, 64, 128]), large: cnn9([64, 128, 256]) };

interface Flags {
  readonly rounds: number;
  readonly images: number;
  readonly quick: boolean;
  readonly checks: readonly ReferenceKind[];
  readonly networks: readonly (keyof typeof networks)[];
  readonly python: string;
  readonly out: string;
}

const pytorchModes = {
  'PyTorch eager fp32': [],
  'PyTorch eager tf32': ['--tf32'],
  'PyTorch compiled fp32': ['--compiled'],
  'PyTorch compiled tf32': ['--compiled', '--tf32'],
} as const;

interface StartedPytorch {
  readonly mode: string;
  readonly pytorch: Pytorch;
}

/** PyTorch in each mode, as far as it is there. */
async function startPytorches(
  python: string,
  onMissing: (mode: string, why: string) => void,
): Promise<readonly StartedPytorch[]> {
  const script = fileURLToPath(new URL('pytorch.py', import.meta.url));
  const started: StartedPytorch[] = [];
  for (const [mode, args] of Object.entries(pytorchModes)) {
    const found = await Pytorch.start(python, { script, args: ['--device', 'cuda', ...args] });
    if (typeof found === 'string') onMissing(mode, found);
    else started.push({ mode, pytorch: found });
  }
  return started;
}

/** Ours, tfjs's own kernels and PyTorch; ours in 16 bits where the device has them. */
function contestantsOf(
  plan: NetworkPlan,
  operator: NamedOperator,
  images: number,
  pytorches: readonly StartedPytorch[],
): readonly GpuContestant[] {
  const data = noise(plan.shape, images);
  const onDawn = (
    on: string,
    precision: Precision,
    within: typeof withStock = (work) => work(),
  ): GpuContestant => {
    const bench = new Bench('webgpu', plan, operator, data, { precision });
    return {
      on,
      training: () => within(() => bench.train(stepsARound)),
      inference: () => within(() => bench.infer()),
      dispose: () => bench.dispose(),
    };
  };
  return [
    onDawn('ours', 'fp32'),
    ...(hasHalf() ? [onDawn('ours fp16', 'fp16')] : []),
    onDawn('stock', 'fp32', withStock),
    ...pytorches.map(({ mode, pytorch }) => ({
      on: mode,
      training: () => pytorch.train(plan, operator, stepsARound),
      inference: () => pytorch.infer(plan, operator, images),
      dispose: async () => {},
    })),
  ];
}

function hasHalf(): boolean {
  return (tf.backend() as DawnBackend).device.features.has('shader-f16');
}

const noHalf = 'the device has no 16-bit floats (shader-f16)';

function deviationLine(deviation: Deviation): string {
  const { what, precision, largest, of } = deviation;
  const off = largest === null ? 'not a number' : `off by ${largest.toExponential(1)} of the largest value`;
  return `${isRight(deviation) ? 'ok   ' : 'WRONG'} ${precision} ${what}: ${of} ${off}`;
}

function trafficLine({ what, radius, dispatches, plainDispatches, bytes }: TrafficRatio): string {
  return `${what}, ${radius}: ${dispatches} dispatches (plain ${plainDispatches}), ${digits(bytes)} × the bytes of a plain convolution`;
}

function pytorchLine(
  mode: string,
  { version, device, isSameCard }: Result['pytorch'][string],
  dawn: string,
): string {
  const other = isSameCard ? '' : `: NOT the card of Dawn (${dawn}), a ratio compares the two cards`;
  return `${mode}: PyTorch ${version} on ${device}${other}`;
}

/** What the file says; each part is there once it is known. */
interface Result {
  readonly date: string;
  readonly device: string;
  readonly dawn: string;
  readonly isSimulated: boolean;
  readonly machine: ReturnType<typeof describeMachine>;
  deviations: readonly Deviation[];
  isRight: boolean;
  traffic: readonly TrafficRatio[];
  /** By mode; the card as PyTorch names it, and whether Dawn's is of that name. */
  readonly pytorch: Record<
    string,
    { readonly version: string; readonly device: string; readonly isSameCard: boolean }
  >;
  readonly figures: Figure[];
  readonly skipped: readonly string[];
}

const say = (text: string): void => void process.stdout.write(`${text}\n`);

/** Without a device nothing is checked: that is told, in the file too, and is no success. */
const noDeviceExitCode = 2;

async function bench(flags: Flags): Promise<void> {
  const { available, reason } = await probeWebgpu();
  if (available) return benchDevice(flags);
  const skipped = `all of it: left out, no WebGPU device: ${reason}`;
  const result = {
    date: new Date().toISOString(),
    machine: describeMachine(),
    isRight: false,
    skipped: [skipped],
  };
  say(skipped);
  writeFileSync(flags.out, `${JSON.stringify(result, null, 1)}\n`);
  say(`Written: ${flags.out}`);
  process.exitCode = noDeviceExitCode;
}

async function benchDevice(flags: Flags): Promise<void> {
  const runtime = await startBackend('webgpu');
  const missing = new Missing(say);
  const result: Result = {
    date: new Date().toISOString(),
    device: runtime.device,
    dawn: runtime.version,
    isSimulated: (await probeWebgpu()).simulated === true,
    machine: describeMachine(),
    deviations: [],
    isRight: false,
    traffic: [],
    pytorch: {},
    figures: [],
    skipped: missing.texts,
  };
  const { cpu, cores, platform, node } = result.machine;
  say(`${result.date.slice(0, 10)}; ${cpu}, ${cores} cores; ${platform}; Node ${node}`);
  say(`Device: ${runtime.device}; Dawn ${runtime.version}`);
  const parts: Readonly<Record<string, () => void | Promise<void>>> = {
    correctness: () => check(result, flags, missing.add),
    traffic: () => count(result, flags),
    ...(result.isSimulated
      ? { throughput: () => missing.add('throughput', 'only a program on the CPU stands in for a GPU here') }
      : Object.fromEntries(
          flags.networks.map((name) => [
            networks[name].name,
            () => time(networks[name], result, flags, missing.add),
          ]),
        )),
  };
  for (const [name, part] of Object.entries(parts)) {
    try {
      await part();
    } catch (thrown) {
      missing.add(name, thrown);
    }
    // What comes next may end the process.
    writeFileSync(flags.out, `${JSON.stringify(result, null, 1)}\n`);
  }
  say(`Written: ${flags.out}`);
  if (!result.isRight || missing.hasDefect) process.exitCode = 1;
}

async function check(
  result: Result,
  { quick, checks }: Flags,
  onMissing: BenchOptions['onMissing'],
): Promise<void> {
  await startBackend('webgpu');
  const precisions: readonly Precision[] = hasHalf() ? ['fp32', 'fp16'] : ['fp32'];
  if (!hasHalf()) onMissing('correctness of fp16', noHalf);
  const cases = referenceCases(quick).filter(({ kind }) => checks.includes(kind));
  const deviations: Deviation[] = [];
  for await (const deviation of compareWithReference('webgpu', cases, precisions)) {
    deviations.push(deviation);
    say(deviationLine(deviation));
  }
  result.deviations = deviations;
  result.isRight = deviations.length > 0 && deviations.every(isRight);
  say(
    `Correctness ${result.isRight ? 'ok' : 'FAILED'}: ${deviations.length} comparisons with the reference backend.`,
  );
}

async function count(result: Result, { quick }: Flags): Promise<void> {
  await startBackend('webgpu');
  result.traffic = compareTraffic(quick);
  for (const ratio of result.traffic) say(trafficLine(ratio));
}

async function time(
  plan: NetworkPlan,
  { pytorch, figures, device }: Result,
  { python, images, rounds }: Flags,
  onMissing: BenchOptions['onMissing'],
): Promise<void> {
  await startBackend('webgpu');
  if (!hasHalf()) onMissing(`${plan.name} · ours fp16`, noHalf);
  const pytorches = await startPytorches(python, (mode, why) => onMissing(`${plan.name} · ${mode}`, why));
  for (const { mode, pytorch: started } of pytorches) {
    const isKnown = mode in pytorch;
    const { version, device: card } = started;
    pytorch[mode] = { version, device: card, isSameCard: isSameCard(device, card) };
    if (!isKnown) say(pytorchLine(mode, pytorch[mode], device));
  }
  try {
    const timed = besideOurs(plan, (operator) => contestantsOf(plan, operator, images, pytorches), {
      operators: someOperators,
      rounds,
      onMissing,
    });
    for await (const figure of timed) {
      figures.push(figure);
      say(figureLine(figure));
    }
  } finally {
    for (const { pytorch: started } of pytorches) started.end();
  }
}

new Command('bench-gpu')
  .description('Check and time DCNet’s WebGPU kernels on this machine’s GPU.')
  .addOption(
    new Option('--networks <names...>', 'networks to time')
      .choices(Object.keys(networks))
      .default(['sample', 'small']),
  )
  .option('--rounds <number>', 'rounds that count', Number, 5)
  .option('--images <number>', 'images to evaluate a round', Number, 2000)
  .option('--quick', 'check a few of each kind and count bytes of few layers, as for a simulated GPU', false)
  .addOption(
    new Option('--checks <kinds...>', 'what is compared with the reference backend')
      .choices(referenceKinds)
      .default(referenceKinds, 'all'),
  )
  .option('--python <program>', 'a Python with torch and CUDA, to compare with', 'python3')
  .option('--out <file>', 'where the JSON goes', 'dcnet-bench-gpu.json')
  .action((flags: Flags) => bench(flags))
  .parseAsync()
  .then(() => process.stdout.write('', () => process.exit()))
  .catch((thrown: unknown) => {
    process.stderr.write(`${thrown instanceof DcnetError ? thrown.describe() : (thrown as Error).stack}\n`);
    process.exit(1);
  });
