import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import * as z from 'zod';
import { asDcnetError, DcnetError } from '../core/errors.js';
import {
  type BackendChoice,
  type BackendName,
  backendNameSchema,
  type Precision,
  type RuntimeReport,
} from '../protocol/engine.js';
import { probeRuntimes, type Runtime, startBackend } from './backend/backend.js';
import { failureMs, readFatal, readFatalLoad, whileMarked, writeIfPossible } from './backend/crashMarks.js';
import { describeMachine } from './machine.js';
import { autoChose, judgeTrials } from './runtimeChoice.js';
import { userDataFolder } from './setup/runtimeFolder.js';
import { type TrialOutcome, takeTrial, trialVersion } from './trial.js';

const trialsSchema = z.object({
  version: z.literal(trialVersion),
  /** Of this machine and these versions: speeds of others are measured anew. */
  machine: z.string(),
  /** Training images a second of the trial network, by runtime. */
  imagesPerSecond: z.partialRecord(backendNameSchema, z.number()),
  /** Why a runtime that is there cannot be used, by runtime. */
  failures: z.partialRecord(backendNameSchema, z.string()),
  /** Unix time, ms. */
  measuredAt: z.number(),
});
type Trials = z.infer<typeof trialsSchema>;

/**
 * Choose and start the tensor runtime of this process. `auto` is the fastest of those that work: where there are
 * several, each takes a few training steps of a decoupled CNN-9 ({@link takeTrial}), once for a machine and its versions. One
 * that fails, takes its process down, already when it loads, or computes something else than the others drops out for a day,
 * and is told of. In fp16 only webgpu computes.
 * @throws DcnetError `backend` where the choice does not run here
 */
export async function startRuntime(choice: BackendChoice, precision: Precision = 'fp32'): Promise<Runtime> {
  if (choice !== 'auto') return startBackend(choice, precision);
  if (precision === 'fp16') return startHalfPrecision();
  const reports = await probeRuntimes();
  const candidates = candidatesOf(reports);
  const trials = candidates.length < 2 ? undefined : await trialsOf(candidates);
  const name = trials === undefined ? candidates[0]?.name : fastest(trials);
  const runtime = await startBackend(name ?? 'wasm');
  return { ...runtime, why: autoChose(runtime.name, reports, trials) };
}

/** @throws DcnetError `backend` where webgpu does not run here, or took down the process that loaded it last */
async function startHalfPrecision(): Promise<Runtime> {
  const fatal = await readFatalLoad('webgpu');
  if (fatal === undefined) return startBackend('webgpu', 'fp16');
  throw new DcnetError({
    code: 'backend',
    message: `In fp16 only webgpu computes: ${fatal}`,
    remedy: 'Or use --precision fp32 (setting dcnet.precision).',
  });
}

/** The runtime that `auto` takes here, and the speeds it was chosen by; nothing is measured for it. */
export async function describeChoice(reports: readonly RuntimeReport[]): Promise<{
  readonly chosen: string | undefined;
  /** Why, where it has chosen. */
  readonly choice: string | undefined;
  readonly imagesPerSecond: Readonly<Record<string, number>>;
}> {
  const candidates = candidatesOf(reports);
  const trials = candidates.length < 2 ? undefined : await readTrials(machineKey(candidates));
  const chosen = candidates.length < 2 ? candidates[0]?.name : trials && fastest(trials);
  const choice = chosen === undefined ? undefined : autoChose(chosen, reports, trials).choice;
  return { chosen, choice, imagesPerSecond: trials?.imagesPerSecond ?? {} };
}

/** Neither the reference backend nor a simulated device is ever the fastest. */
function candidatesOf(reports: readonly RuntimeReport[]): readonly RuntimeReport[] {
  return reports.filter(
    ({ name, available, simulated }) => available && name !== 'cpu' && simulated !== true,
  );
}

function fastest({ imagesPerSecond }: Trials): BackendName | undefined {
  const sorted = Object.entries(imagesPerSecond).sort(([, a], [, b]) => b - a);
  return sorted[0]?.[0] as BackendName | undefined;
}

function machineKey(candidates: readonly RuntimeReport[]): string {
  const parts = [
    trialVersion,
    describeMachine(),
    candidates.map(({ name, version, device }) => [name, version, device]),
  ];
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex');
}

async function trialsOf(candidates: readonly RuntimeReport[]): Promise<Trials> {
  const machine = machineKey(candidates);
  const known = await readTrials(machine);
  if (known !== undefined) return known;
  const outcomes = new Map<BackendName, TrialOutcome | Error>();
  for (const { name } of candidates) outcomes.set(name, await outcomeOf(name));
  const trials: Trials = { version: trialVersion, machine, measuredAt: Date.now(), ...judgeTrials(outcomes) };
  await writeIfPossible(speedsFile(), trials);
  return trials;
}

/** What becomes of a runtime's trial; one that a process ended in, which cannot be caught, is not made again. */
async function outcomeOf(name: BackendName): Promise<TrialOutcome | Error> {
  if ((await readFatal('trial', name)) !== undefined)
    return new Error('a process ended in it (it crashed, or was killed)');
  try {
    return await whileMarked('trial', name, async () => {
      await startBackend(name);
      return takeTrial(name);
    });
  } catch (thrown) {
    return asDcnetError(thrown);
  }
}

function speedsFile(): string {
  return path.join(userDataFolder(), 'runtime-speeds.json');
}

async function readTrials(machine: string): Promise<Trials | undefined> {
  try {
    const trials = trialsSchema.parse(JSON.parse(await readFile(speedsFile(), 'utf8')));
    const isOver =
      Object.keys(trials.failures).length > 0 && Math.abs(Date.now() - trials.measuredAt) > failureMs;
    return trials.machine === machine && !isOver ? trials : undefined;
  } catch {
    return undefined; // not measured yet, or half a file: it is measured
  }
}
