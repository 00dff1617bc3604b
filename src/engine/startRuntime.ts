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
import { probeRuntimes, proveBackend, type Runtime, startBackend } from './backend/backend.js';
import {
  failureMs,
  forgetFatal,
  readFatal,
  readFatalLoad,
  whileMarked,
  writeIfPossible,
} from './backend/crashMarks.js';
import { defaultThreads } from './backend/wasm.js';
import { probeWebgpu } from './backend/webgpu.js';
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
  /** When it was measured, or a runtime failed since: Unix time, ms. */
  changedAt: z.number(),
});
type Trials = z.infer<typeof trialsSchema>;

/**
 * Choose and start the tensor runtime of this process. `auto` is the fastest of those that work: where there are
 * several, each takes a few training steps of a decoupled CNN-9 ({@link takeTrial}), once for a machine and its versions. One
 * that fails there or when it is started, takes its process down, already when it loads, or computes something else than the
 * others drops out for a day, is told of, and the next fastest takes its place. In fp16 only webgpu computes.
 * @param threads that compute, on wasm
 * @throws DcnetError `backend` where the choice does not run here
 */
export async function startRuntime(
  choice: BackendChoice,
  precision: Precision = 'fp32',
  threads = defaultThreads(),
): Promise<Runtime> {
  if (choice !== 'auto') return startBackend(choice, precision, threads);
  if (precision === 'fp16') return startHalfPrecision();
  const reports = await probeRuntimes();
  const candidates = candidatesOf(reports);
  if (candidates.length < 2) {
    const runtime = await startBackend(candidates[0]?.name ?? 'wasm', precision, threads);
    return { ...runtime, why: autoChose(runtime.name, reports) };
  }
  const { runtime, trials } = await startFastest(await trialsOf(candidates), threads);
  return { ...runtime, why: autoChose(runtime.name, reports, trials) };
}

/** @throws DcnetError `backend` where none is left */
async function startFastest(
  measured: Trials,
  threads: number,
): Promise<{ readonly runtime: Runtime; readonly trials: Trials }> {
  let trials = measured;
  for (let name = fastest(trials); name !== undefined; name = fastest(trials)) {
    try {
      return { runtime: await startMarked(name, 'fp32', threads), trials };
    } catch (thrown) {
      trials = await noteFailure(trials, name, asDcnetError(thrown).message);
    }
  }
  const reasons = Object.entries(trials.failures).map(([name, why]) => `${name}: ${why}`);
  throw new DcnetError({
    code: 'backend',
    message: `No runtime works here: ${reasons.join('; ')}.`,
    remedy: 'Look at `dcnet doctor`, or name a runtime (setting dcnet.backend, --backend) to see its error.',
  });
}

/** Start a runtime and have it compute, while a file tells of it. */
function startMarked(name: BackendName, precision: Precision, threads: number): Promise<Runtime> {
  return whileMarked('start', name, async () => {
    const runtime = await startBackend(name, precision, threads);
    await proveBackend();
    return runtime;
  });
}

/** @throws DcnetError `backend` where webgpu does not run here, its GPU is simulated, or a process ended in its loading or start less than a day ago */
async function startHalfPrecision(): Promise<Runtime> {
  const fatal = (await readFatalLoad('webgpu')) ?? (await readFatalStart());
  if (fatal !== undefined)
    throw new DcnetError({
      code: 'backend',
      message: `In fp16 only webgpu computes: ${fatal}`,
      remedy: 'Or use --precision fp32 (setting dcnet.precision).',
    });
  const webgpu = await probeWebgpu();
  if (webgpu.simulated === true)
    throw new DcnetError({
      code: 'backend',
      message: `In fp16 only webgpu computes, which has no GPU here: ${webgpu.device}.`,
      remedy:
        'Use --precision fp32 (setting dcnet.precision), or name webgpu all the same (setting dcnet.backend, --backend webgpu).',
    });
  return startMarked('webgpu', 'fp16', 1);
}

async function readFatalStart(): Promise<string | undefined> {
  if ((await readFatal('start', 'webgpu')) === undefined) return undefined;
  return `its start failed less than a day ago: ${endedInIt}. Name it (setting dcnet.backend, --backend webgpu) to try it at once.`;
}

/** The runtime that `auto` takes here, and the speeds it was chosen by; nothing is measured for it. */
export async function describeChoice(reports: readonly RuntimeReport[]): Promise<{
  readonly chosen: string | undefined;
  /** Why, where it has chosen. */
  readonly choice: string | undefined;
  readonly imagesPerSecond: Trials['imagesPerSecond'];
  /** Why it leaves out what is there. */
  readonly failures: Trials['failures'];
}> {
  const candidates = candidatesOf(reports);
  const trials = candidates.length < 2 ? undefined : await knownTrials(machineKey(candidates));
  const chosen = candidates.length < 2 ? candidates[0]?.name : trials && fastest(trials);
  const choice = chosen === undefined ? undefined : autoChose(chosen, reports, trials).choice;
  const { imagesPerSecond = {}, failures = {} } = trials ?? {};
  return { chosen, choice, imagesPerSecond, failures };
}

/** Neither the reference backend nor a simulated device is ever the fastest. */
function candidatesOf(reports: readonly RuntimeReport[]): readonly RuntimeReport[] {
  return reports.filter(
    ({ name, available, simulated }) => available && name !== 'cpu' && simulated !== true,
  );
}

function fastest({ imagesPerSecond }: Trials): BackendName | undefined {
  const speed = (name: BackendName): number => imagesPerSecond[name] ?? 0;
  return namesOf(imagesPerSecond).sort((a, b) => speed(b) - speed(a))[0];
}

function namesOf(speeds: Trials['imagesPerSecond']): BackendName[] {
  return Object.keys(speeds) as BackendName[];
}

function machineKey(candidates: readonly RuntimeReport[]): string {
  const parts = [describeMachine(), candidates.map(({ name, version, device }) => [name, version, device])];
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex');
}

async function trialsOf(candidates: readonly RuntimeReport[]): Promise<Trials> {
  const machine = machineKey(candidates);
  const known = await knownTrials(machine);
  if (known !== undefined) return known;
  const outcomes = new Map<BackendName, TrialOutcome | Error>();
  for (const { name } of candidates) outcomes.set(name, await outcomeOf(name));
  const trials: Trials = { version: trialVersion, machine, changedAt: Date.now(), ...judgeTrials(outcomes) };
  await writeIfPossible(speedsFile(), trials);
  return trials;
}

/** What becomes of a runtime's trial; one that a process ended in, which cannot be caught, is not made again. */
async function outcomeOf(name: BackendName): Promise<TrialOutcome | Error> {
  if ((await readFatal('trial', name)) !== undefined) return new Error(endedInIt);
  try {
    return await whileMarked('trial', name, async () => {
      await startBackend(name, 'fp32', defaultThreads());
      return takeTrial(name);
    });
  } catch (thrown) {
    return asDcnetError(thrown);
  }
}

/** Of a trial or a start. */
const endedInIt = 'a process ended in it (it crashed, or was killed)';

/**
 * What was measured here, less the runtimes in whose start a process ended since.
 * @returns `undefined` where it has to be measured: there is nothing, or no runtime is left of it
 */
async function knownTrials(machine: string): Promise<Trials | undefined> {
  let trials = await readTrials(machine);
  if (trials === undefined) return undefined;
  for (const name of namesOf(trials.imagesPerSecond)) {
    if ((await readFatal('start', name)) === undefined) continue;
    trials = await noteFailure(trials, name, endedInIt);
    await forgetFatal(name);
  }
  return fastest(trials) === undefined ? undefined : trials;
}

/** A runtime that was measured did not start: the next starts know it, for a day. */
async function noteFailure(trials: Trials, failed: BackendName, reason: string): Promise<Trials> {
  const { [failed]: _, ...imagesPerSecond } = trials.imagesPerSecond;
  const failures = { ...trials.failures, [failed]: `its start failed: ${reason}` };
  const noted: Trials = { ...trials, imagesPerSecond, failures, changedAt: Date.now() };
  await writeIfPossible(speedsFile(), noted);
  return noted;
}

function speedsFile(): string {
  return path.join(userDataFolder(), 'runtime-speeds.json');
}

async function readTrials(machine: string): Promise<Trials | undefined> {
  try {
    const trials = trialsSchema.parse(JSON.parse(await readFile(speedsFile(), 'utf8')));
    const isOver =
      Object.keys(trials.failures).length > 0 && Math.abs(Date.now() - trials.changedAt) > failureMs;
    return trials.machine === machine && !isOver ? trials : undefined;
  } catch {
    return undefined; // not measured yet, or half a file: it is measured
  }
}
