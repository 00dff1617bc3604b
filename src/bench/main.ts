import { Command, InvalidArgumentError, Option } from 'commander';
import { DcnetError } from '../core/errors.js';
import { startRuntime } from '../engine/startRuntime.js';
import { describeMachine } from '../engine/training/environment.js';
import { backendSchema } from '../protocol/engine.js';
import { checkpoints } from './checkpoints.js';
import { cnn9, sample } from './networks.js';
import {
  allOperators,
  type BenchOptions,
  type Figure,
  inspection,
  someOperators,
  throughput,
  workers,
} from './parts.js';

const parts = { throughput, workers, inspection, checkpoints };
type Part = keyof typeof parts;

const networks = { sample, small: cnn9([32, 64, 128]), large: cnn9([64, 128, 256]) };

interface Flags {
  readonly only?: readonly Part[];
  readonly networks: readonly (keyof typeof networks)[];
  readonly operators: 'some' | 'all';
  readonly backend: string;
  readonly rounds: number;
  readonly images: number;
  readonly json?: boolean;
}

function positive(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1)
    throw new InvalidArgumentError('It must be a whole number from 1.');
  return value;
}

const digits = (value: number): string => value.toLocaleString('en', { maximumSignificantDigits: 3 });

function line({ what, value, unit }: Figure): string {
  const { median, lowest, highest } = value;
  return `${what.join(' · ').padEnd(64)} ${digits(median).padStart(8)} ${unit}  (${digits(lowest)} to ${digits(highest)})`;
}

async function bench({ only, networks: names, operators, json, ...flags }: Flags): Promise<void> {
  const runtime = await startRuntime(backendSchema.parse(flags.backend));
  const options: BenchOptions = {
    ...flags,
    runtime,
    plans: names.map((name) => networks[name]),
    operators: operators === 'all' ? allOperators : someOperators,
  };
  const { name: backend, version, device } = runtime;
  const about = {
    ...describeMachine(),
    backend,
    backendVersion: version,
    device,
    date: new Date().toISOString(),
  };
  const say = (text: string): void => void (json ? process.stderr : process.stdout).write(`${text}\n`);
  say(`${about.cpu}, ${about.cores} cores; Node ${about.node}; ${backend} ${version}: ${device}`);
  say(`Medians of ${flags.rounds} rounds, lowest and highest behind.`);
  const figures: Figure[] = [];
  for (const part of only ?? (Object.keys(parts) as Part[])) {
    const found = await parts[part](options);
    for (const figure of found) say(line(figure));
    figures.push(...found);
  }
  if (json) process.stdout.write(`${JSON.stringify({ ...about, figures })}\n`);
}

const program = new Command('bench')
  .description(
    'Time what DCNet does on this machine: medians over interleaved rounds, and ratios of one run.',
  )
  .addOption(new Option('--only <parts...>', 'parts to run').choices(Object.keys(parts)))
  .addOption(
    new Option('--networks <names...>', 'sample, CNN-9 32-64-128 (small), CNN-9 64-128-256 (large)')
      .choices(Object.keys(networks))
      .default(['sample', 'small']),
  )
  .addOption(
    new Option('--operators <which>', 'operators besides the plain one')
      .choices(['some', 'all'])
      .default('some'),
  )
  .addOption(
    new Option('--backend <backend>', 'what computes').choices(backendSchema.options).default('auto'),
  )
  .option('--rounds <number>', 'rounds that count', positive, 5)
  .option('--images <number>', 'images to evaluate and inspect a round', positive, 500)
  .option('--json', 'one JSON object on stdout, text on stderr')
  .action((flags: Flags) => bench(flags));

program.parseAsync().catch((thrown: unknown) => {
  process.stderr.write(`${thrown instanceof DcnetError ? thrown.describe() : (thrown as Error).stack}\n`);
  process.exitCode = 1;
});
