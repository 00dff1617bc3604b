import os from 'node:os';
import { Command, InvalidArgumentError, Option } from 'commander';
import { DcnetError } from '../core/errors.js';
import { probeRuntimes, type Runtime, startBackend } from '../engine/backend/backend.js';
import { describeMachine } from '../engine/machine.js';
import { backendNameSchema } from '../protocol/engine.js';
import { activation } from './activation.js';
import { checkpoints } from './checkpoints.js';
import { endurance, residentWhileTraining } from './endurance.js';
import { digits, markdownTable } from './markdown.js';
import { memory, peakMemory } from './memory.js';
import { cnn9, resnet32, sample } from './networks.js';
import {
  allOperators,
  type BenchOptions,
  type Figure,
  inspection,
  someOperators,
  throughput,
  workers,
} from './parts.js';
import { Pytorch } from './pytorch.js';
import { start } from './start.js';

const parts = { throughput, workers, inspection, start, activation, memory, endurance, checkpoints };
type Part = keyof typeof parts;
/** Without those that take many minutes. */
const usualParts = (Object.keys(parts) as Part[]).filter((part) => part !== 'endurance');

const networks = {
  sample,
  small: cnn9([32, 64, 128]),
  large: cnn9([64, 128, 256]),
  resnet: resnet32([96, 192, 384]),
};

interface Flags {
  readonly only?: readonly Part[];
  readonly networks: readonly (keyof typeof networks)[];
  readonly operators: 'some' | 'all';
  readonly backends?: readonly Runtime['name'][];
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

function line({ what, on, value, unit }: Figure): string {
  const { median, lowest, highest } = value;
  return `${[...what, on].join(' · ').padEnd(72)} ${digits(median).padStart(8)} ${unit}  (${digits(lowest)} to ${digits(highest)})`;
}

/** Those that are asked for; all that run here, but the reference, where none is. */
async function startRuntimes(names: readonly Runtime['name'][] | undefined): Promise<Runtime[]> {
  const reports = names === undefined ? await probeRuntimes() : [];
  const found = backendNameSchema.options.filter((name) =>
    names === undefined
      ? name !== 'cpu' && reports.some((report) => report.name === name && report.available)
      : names.includes(name),
  );
  const runtimes: Runtime[] = [];
  for (const name of found) runtimes.push(await startBackend(name));
  return runtimes;
}

async function bench({ only, networks: names, operators, json, markdown, ...flags }: Flags): Promise<void> {
  if (flags.peakOf !== undefined) {
    const [planName, operatorName] = flags.peakOf;
    const plan = Object.values(networks).find(({ name }) => name === planName)!;
    const operator = allOperators.find(({ name }) => name === operatorName)!;
    process.stdout.write(`${await peakMemory(flags.backends?.[0] ?? 'wasm', plan, operator)}\n`);
    return;
  }
  if (flags.endure) {
    const resident = await residentWhileTraining(flags.backends?.[0] ?? 'wasm', flags.steps);
    process.stdout.write(`${JSON.stringify(resident)}\n`);
    return;
  }
  const runtimes = await startRuntimes(flags.backends);
  const pytorch = await Pytorch.start(flags.python);
  const say = (text: string): void =>
    void (json || markdown ? process.stderr : process.stdout).write(`${text}\n`);
  const missing: string[] = [];
  const options: BenchOptions = {
    ...flags,
    onMissing: (text) => {
      say(text);
      missing.push(text);
    },
    runtimes,
    pytorch: typeof pytorch === 'string' ? undefined : pytorch,
    plans: names.map((name) => networks[name]),
    operators: operators === 'all' ? allOperators : someOperators,
  };
  const about = {
    ...describeMachine(),
    runtimes: runtimes.map(({ name, version, device }) => ({ name, version, device })),
    pytorch: typeof pytorch === 'string' ? { skipped: pytorch } : { version: pytorch.version },
    load: os.loadavg()[0] ?? 0,
    date: new Date().toISOString(),
  };
  const heads = [
    `${about.cpu}, ${about.cores} cores; ${about.platform}; Node ${about.node}; ${about.date.slice(0, 10)}`,
    ...runtimes.map(({ name, version, device }) => `${name} ${version}: ${device}`),
    typeof pytorch === 'string'
      ? `PyTorch: skipped, ${pytorch}`
      : `PyTorch ${pytorch.version}: CPU, eager, ${pytorch.threads} threads`,
    `Load of the minute before: ${digits(about.load)}. What else runs slows PyTorch’s two threads most of all: compare only on a quiet machine.`,
    `Medians of ${flags.rounds} interleaved rounds, lowest and highest behind.`,
  ];
  for (const head of heads) say(head);
  const figures: Figure[] = [];
  for (const part of only ?? usualParts) {
    const found = await parts[part](options);
    for (const figure of found) say(line(figure));
    figures.push(...found);
  }
  options.pytorch?.end();
  if (markdown) process.stdout.write(`${[...heads, ...missing].join('  \n')}\n\n${markdownTable(figures)}\n`);
  if (json) process.stdout.write(`${JSON.stringify({ ...about, figures, missing })}\n`);
}

const program = new Command('bench')
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
    new Option('--operators <which>', 'operators besides the plain one')
      .choices(['some', 'all'])
      .default('some'),
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
  .option('--images <number>', 'images to evaluate and inspect a round', positive, 500)
  .option('--json', 'one JSON object on stdout, text on stderr')
  .option('--markdown', 'a table on stdout, text on stderr')
  .action((flags: Flags) => bench(flags));

program.parseAsync().catch((thrown: unknown) => {
  process.stderr.write(`${thrown instanceof DcnetError ? thrown.describe() : (thrown as Error).stack}\n`);
  process.exitCode = 1;
});
