import os from 'node:os';
import { Command, InvalidArgumentError, Option } from 'commander';
import { describeMachine } from '../engine/machine.js';
import { type BackendName, backendNameSchema } from '../protocol/engine.js';
import { activation } from './activation.js';
import { checkpoints } from './checkpoints.js';
import { endurance, residentWhileTraining } from './endurance.js';
import { traffic } from './gpuTraffic.js';
import { digits, figureLine, markdownTable } from './markdown.js';
import { memory, peakMemory } from './memory.js';
import { Missing } from './missing.js';
import type { NamedOperator, NetworkPlan } from './networks.js';
import {
  allOperators,
  type BenchOptions,
  type Figure,
  inspection,
  someOperators,
  stepsOfRound,
  throughput,
  workers,
} from './parts.js';
import { Pytorch } from './pytorch.js';
import { type BenchRuntimes, startRuntimes } from './runtimes.js';
import { start } from './start.js';

const parts = { throughput, workers, inspection, traffic, start, activation, memory, endurance, checkpoints };
type Part = keyof typeof parts;
/** Without those that take many minutes. */
const usualParts = (Object.keys(parts) as Part[]).filter((part) => part !== 'endurance');

interface Flags {
  readonly only?: readonly Part[];
  readonly networks: readonly string[];
  readonly operators: readonly string[];
  /** Left out: each network's own. */
  readonly batch?: number;
  readonly backends?: readonly BackendName[];
  readonly python: string;
  /** Of a child of ours: the network and the operator whose training's peak memory it prints. */
  readonly peakOf?: readonly [plan: string, operator: string];
  /** Of a child of ours: it prints the memory that it holds while it trains. */
  readonly endure?: boolean;
  readonly steps: number;
  readonly rounds: number;
  readonly images: number;
  readonly json?: boolean;
  readonly markdown?: boolean;
}

function positive(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1)
    throw new InvalidArgumentError('It must be a whole number from 1.');
  return value;
}

type Networks = Readonly<Record<string, NetworkPlan>>;

/** An operator on the command line: `tanh-cosine`. */
function flagOf({ name }: NamedOperator): string {
  return name.replace(' · ', '-');
}

/** In the order of all, so that the plain one, which others are compared with, comes first. */
function operatorsNamed(flags: readonly string[]): readonly NamedOperator[] {
  if (flags.includes('all')) return allOperators;
  return allOperators.filter(
    (operator) =>
      flags.includes(flagOf(operator)) || (flags.includes('some') && someOperators.includes(operator)),
  );
}

function withBatch(plan: NetworkPlan, { batch }: Flags): NetworkPlan {
  return batch === undefined ? plan : { ...plan, batch };
}

/** What a child of ours is asked for: it prints that, and nothing else. */
async function answerParent(flags: Flags, networks: Networks): Promise<void> {
  const { peakOf, backends, steps } = flags;
  const backend = backends?.[0] ?? 'wasm';
  if (peakOf === undefined) {
    process.stdout.write(`${JSON.stringify(await residentWhileTraining(backend, steps))}\n`);
    return;
  }
  const [planName, operatorName] = peakOf;
  const plan = Object.values(networks).find(({ name }) => name === planName)!;
  const operator = allOperators.find(({ name }) => name === operatorName)!;
  process.stdout.write(`${await peakMemory(backend, withBatch(plan, flags), operator)}\n`);
}

async function bench(flags: Flags, networks: Networks): Promise<void> {
  if (flags.peakOf !== undefined || flags.endure) return answerParent(flags, networks);
  const { only = usualParts, json, markdown } = flags;
  const found = await startRuntimes(flags.backends);
  const pytorch = await Pytorch.start(flags.python);
  const say = (text: string): void =>
    void (json || markdown ? process.stderr : process.stdout).write(`${text}\n`);
  const plans = flags.networks.map((name) => withBatch(networks[name]!, flags));
  const about = describeRun(found, pytorch, plans, flags);
  const heads = headsOf(about, flags.rounds);
  for (const head of heads) say(head);
  const figures: Figure[] = [];
  const missing = new Missing(say);
  const options: BenchOptions = {
    ...flags,
    onMissing: missing.add,
    runtimes: found.runtimes,
    pytorch: typeof pytorch === 'string' ? undefined : pytorch,
    plans,
    operators: operatorsNamed(flags.operators),
  };
  /** What is measured up to now. */
  const write = (): void => {
    const { texts } = missing;
    if (markdown) process.stdout.write(`${[...heads, ...texts].join('  \n')}\n\n${markdownTable(figures)}\n`);
    if (json) process.stdout.write(`${JSON.stringify({ ...about, figures, missing: texts })}\n`);
  };
  const interrupted = (): void => {
    missing.add('the rest', 'the bench was interrupted');
    write();
    process.exit(130);
  };
  process.once('SIGINT', interrupted);
  for (const part of only)
    try {
      for await (const figure of parts[part](options)) {
        say(figureLine(figure));
        figures.push(figure);
      }
    } catch (thrown) {
      missing.add(part, thrown);
    }
  process.off('SIGINT', interrupted);
  options.pytorch?.end();
  write();
  if (missing.hasDefect) process.exitCode = 1;
}

/** Machine, runtimes, sizes and moment. */
function describeRun(
  { runtimes, absent }: BenchRuntimes,
  pytorch: Pytorch | string,
  plans: readonly NetworkPlan[],
  { images }: Flags,
) {
  return {
    ...describeMachine(),
    networks: plans.map(({ name, batch }) => ({ name, batch, steps: stepsOfRound(images, batch) })),
    images,
    runtimes: [
      ...runtimes.map(({ name, label, version, device }) => ({ name, label, version, device })),
      ...absent,
    ],
    pytorch:
      typeof pytorch === 'string'
        ? { skipped: pytorch }
        : { version: pytorch.version, device: pytorch.device, threads: pytorch.threads },
    load: os.loadavg()[0] ?? 0,
    date: new Date().toISOString(),
  };
}

function headsOf(
  {
    cpu,
    cores,
    platform,
    node,
    date,
    runtimes,
    pytorch,
    load,
    networks,
    images,
  }: ReturnType<typeof describeRun>,
  rounds: number,
): readonly string[] {
  return [
    `${cpu}, ${cores} cores; ${platform}; Node ${node}; ${date.slice(0, 10)}`,
    ...runtimes.map((runtime) =>
      'skipped' in runtime
        ? `${runtime.name}: skipped, ${runtime.skipped}`
        : `${runtime.label} ${runtime.version}: ${runtime.device}`,
    ),
    'skipped' in pytorch
      ? `PyTorch: skipped, ${pytorch.skipped}`
      : `PyTorch ${pytorch.version}: ${pytorch.device}, eager, ${pytorch.threads} threads`,
    `Load of the minute before: ${digits(load)}. What else runs slows PyTorch’s two threads most of all: compare only on a quiet machine.`,
    ...networks.map(({ name, batch, steps }) => `${name}: a round trains ${steps} batches of ${batch}`),
    `An evaluation or inspection has ${images} images.`,
    `Medians of ${rounds} interleaved rounds, lowest and highest behind.`,
  ];
}

/**
 * The program.
 * @param networks that can be chosen, by name
 */
export function benchCommand(networks: Networks): Command {
  return new Command('bench')
    .description(
      'Time what DCNet does on this machine: medians over interleaved rounds, and ratios of one run.',
    )
    .addOption(
      new Option('--only <parts...>', 'parts to run; default all but endurance').choices(Object.keys(parts)),
    )
    .addOption(
      new Option(
        '--networks <names...>',
        'sample, CNN-9 32-64-128 (small), CNN-9 64-128-256 (large), ResNet-32 96-192-384 (resnet)',
      )
        .choices(Object.keys(networks))
        .default(['sample', 'small']),
    )
    .addOption(
      new Option(
        '--operators <names...>',
        'operators of the networks, the first of which the others are compared with; some: the plain one and two',
      )
        .choices(['some', 'all', ...allOperators.map(flagOf)])
        .default(['some']),
    )
    .addOption(
      new Option('--backends <backends...>', 'what computes; default all that run here').choices(
        backendNameSchema.options,
      ),
    )
    .addOption(
      new Option('--python <program>', 'a Python with torch, to compare with')
        .env('DCNET_PYTHON')
        .default('python3'),
    )
    .addOption(new Option('--peak-of <plan-and-operator...>').hideHelp())
    .addOption(new Option('--endure').hideHelp())
    .option('--steps <number>', 'steps of endurance', positive, 10_000)
    .option('--rounds <number>', 'rounds that count', positive, 5)
    .option(
      '--images <number>',
      'images to evaluate and inspect a round, and some to train, in 1 to 5 batches',
      positive,
      500,
    )
    .option('--batch <number>', 'images of a training step; default each network’s own', positive)
    .option('--json', 'one JSON object on stdout, text on stderr')
    .option('--markdown', 'a table on stdout, text on stderr')
    .action((flags: Flags) => bench(flags, networks));
}
