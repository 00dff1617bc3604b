import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { conv2DBackpropFilterConfig } from '@tensorflow/tfjs-backend-webgpu/dist/kernels/Conv2DBackpropFilter';
import * as tf from '@tensorflow/tfjs-core';
import { Command, Option } from 'commander';
import { DcnetError } from '../core/errors.js';
import { probeRuntimes, startBackend } from '../engine/backend/backend.js';
import type { DawnBackend } from '../engine/backend/dawnBackend.js';
import { describeMachine } from '../engine/machine.js';
import { Bench } from './bench.js';
import { compareWithReference, type Deviation } from './gpuReference.js';
import { compareTraffic, type TrafficRatio } from './gpuTraffic.js';
import { digits } from './markdown.js';
import { interleave, ratioOf, spreadOf } from './measure.js';
import { cnn9, type NetworkPlan, noise, sample } from './networks.js';
import { type Figure, someOperators } from './parts.js';
import { Pytorch } from './pytorch.js';

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
  readonly networks: readonly (keyof typeof networks)[];
  readonly python: string;
  readonly out: string;
}

/** Relative to a result's largest value. */
const tolerance = 1e-3;

const ours = [
  'DecoupledConvolution',
  'DecoupledConvolutionGradient',
  'DecoupledProduct',
  'DecoupledProductGradient',
  'PatchNorms',
  'PatchNormsGradient',
  'BatchNormalization',
  'BatchNormalizationGradient',
  'ChannelAffine',
  'Conv2DBackpropFilter',
].map((name) => [name, 'webgpu'] as const);

/** Do work with tfjs's own kernels in the places of ours. */
async function withStock<T>(work: () => Promise<T>): Promise<T> {
  const kernels = ours.map(([name, backend]) => tf.getKernel(name, backend));
  for (const [name, backend] of ours) tf.unregisterKernel(name, backend);
  tf.registerKernel(conv2DBackpropFilterConfig);
  try {
    return await work();
  } finally {
    tf.unregisterKernel('Conv2DBackpropFilter', 'webgpu');
    for (const kernel of kernels) if (kernel !== undefined) tf.registerKernel(kernel);
  }
}

async function withHalf<T>(work: () => Promise<T>): Promise<T> {
  const backend = tf.backend() as DawnBackend;
  backend.storage = 'float16';
  try {
    return await work();
  } finally {
    backend.storage = 'float32';
  }
}

const pytorchModes = {
  'PyTorch eager fp32': [],
  'PyTorch eager tf32': ['--tf32'],
  'PyTorch compiled fp32': ['--compiled'],
  'PyTorch compiled tf32': ['--compiled', '--tf32'],
} as const;

async function throughput(
  plan: NetworkPlan,
  { rounds, images, python }: Flags,
  skip: (why: string) => void,
): Promise<Figure[]> {
  const data = noise(plan.shape, images);
  const figures: Figure[] = [];
  const { device } = tf.backend() as DawnBackend;
  const pytorches: (readonly [name: string, pytorch: Pytorch])[] = [];
  for (const [name, args] of Object.entries(pytorchModes)) {
    const script = fileURLToPath(new URL('pytorch.py', import.meta.url));
    const found = await Pytorch.start(python, { script, args: ['--device', 'cuda', ...args] });
    if (typeof found === 'string') skip(`${name}: ${found}`);
    else pytorches.push([name, found]);
  }
  try {
    for (const operator of someOperators) {
      const bench = new Bench('webgpu', plan, operator, data);
      for (const activity of ['training', 'inference'] as const) {
        const run = (): Promise<number> =>
          activity === 'training' ? bench.train(stepsARound) : bench.infer();
        const speeds = await interleave<string>(
          {
            ours: run,
            ...(device.features.has('shader-f16') && { 'ours fp16': () => withHalf(run) }),
            stock: () => withStock(run),
            ...Object.fromEntries(
              pytorches.map(([name, pytorch]) => [
                name,
                () => pytorch.measure(plan, operator, activity, stepsARound),
              ]),
            ),
          },
          rounds,
        );
        const what = [activity, plan.name, operator.name];
        for (const [on, values] of Object.entries(speeds)) {
          figures.push({ what, on, value: spreadOf(values!), unit: 'images/s' });
          if (on !== 'ours')
            figures.push({
              what: [...what, `ours beside ${on}`],
              on: 'ours',
              value: ratioOf(speeds.ours!, values!),
              unit: '×',
            });
        }
      }
      await bench.dispose();
    }
  } finally {
    for (const [, pytorch] of pytorches) pytorch.end();
  }
  return figures;
}

function deviationLine({ what, largest }: Deviation): string {
  return `${largest <= tolerance ? 'ok   ' : 'WRONG'} ${what}: off by ${largest.toExponential(1)} of the largest value`;
}

function trafficLine({ what, dispatches, plainDispatches, bytes }: TrafficRatio): string {
  return `${what}: ${dispatches} dispatches (plain ${plainDispatches}), ${digits(bytes)} × the bytes of a plain convolution`;
}

async function bench(flags: Flags): Promise<void> {
  const say = (text: string): void => void process.stdout.write(`${text}\n`);
  const runtime = await startBackend('webgpu');
  const report = (await probeRuntimes()).find(({ name }) => name === 'webgpu');
  const isSimulated = report?.simulated === true;
  const { cpu, cores, platform, node } = describeMachine();
  const date = new Date().toISOString();
  say(`${date.slice(0, 10)}; ${cpu}, ${cores} cores; ${platform}; Node ${node}`);
  say(`Device: ${runtime.device}; Dawn ${runtime.version}`);
  const deviations = await compareWithReference(flags.quick);
  for (const deviation of deviations) say(deviationLine(deviation));
  const isRight = deviations.every(({ largest }) => largest <= tolerance);
  say(
    `Correctness ${isRight ? 'ok' : 'FAILED'}: ${deviations.length} comparisons with the reference backend.`,
  );
  await startBackend('webgpu');
  const traffic = compareTraffic(flags.quick);
  for (const ratio of traffic) say(trafficLine(ratio));
  const skipped: string[] = [];
  const figures: Figure[] = [];
  if (isSimulated) {
    skipped.push('The only adapter is a program on the CPU that stands in for a GPU: its times say nothing.');
  } else {
    for (const name of flags.networks)
      figures.push(...(await throughput(networks[name], flags, (why) => void skipped.push(why))));
  }
  for (const { what, on, value, unit } of figures)
    say(
      `${[...what, on].join(' · ').padEnd(80)} ${digits(value.median).padStart(8)} ${unit}  (${digits(value.lowest)} to ${digits(value.highest)})`,
    );
  for (const why of new Set(skipped)) say(`No throughput: ${why}`);
  const result = {
    date,
    device: runtime.device,
    dawn: runtime.version,
    isSimulated,
    machine: describeMachine(),
    deviations,
    isRight,
    traffic,
    figures,
    skipped,
  };
  writeFileSync(flags.out, `${JSON.stringify(result, null, 1)}\n`);
  say(`Written: ${flags.out}`);
  if (!isRight) process.exitCode = 1;
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
  .option('--quick', 'check each operator and count bytes on one shape only', false)
  .option('--python <program>', 'a Python with torch and CUDA, to compare with', 'python3')
  .option('--out <file>', 'where the JSON goes', 'dcnet-bench-gpu.json')
  .action((flags: Flags) => bench(flags))
  .parseAsync()
  .then(() => process.stdout.write('', () => process.exit()))
  .catch((thrown: unknown) => {
    process.stderr.write(`${thrown instanceof DcnetError ? thrown.describe() : (thrown as Error).stack}\n`);
    process.exit(1);
  });
