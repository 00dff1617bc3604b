import type { RuntimeChoice, RuntimeRecord } from '../core/run/runtime.js';
import { type BackendName, backendNameSchema, type RuntimeReport } from '../protocol/engine.js';
import type { Runtime } from './backend/backend.js';
import type { TrialOutcome } from './trial.js';

/** A runtime was named in the settings or on the command line; the others were not looked at. */
function askedFor(name: string): RuntimeChoice {
  return {
    choice: `name: ${name} was asked for`,
    others: backendNameSchema.options
      .filter((other) => other !== name)
      .map((other) => ({ name: other, why: `not looked at, since ${name} was asked for` })),
  };
}

/** What the trials of the runtimes say. */
interface JudgedTrials {
  readonly imagesPerSecond: Readonly<Partial<Record<BackendName, number>>>;
  /** Why one cannot be used. */
  readonly failures: Readonly<Partial<Record<BackendName, string>>>;
}

/** Relative; float32 sums in another order differ by some 1e-4 after the trial's steps. */
const lossTolerance = 0.01;

/** Keep the runtimes whose trial went well. `wasm`, which every test runs on, says what the loss has to be. */
export function judgeTrials(outcomes: ReadonlyMap<BackendName, TrialOutcome | Error>): JudgedTrials {
  const imagesPerSecond: Partial<Record<BackendName, number>> = {};
  const failures: Partial<Record<BackendName, string>> = {};
  const wasm = outcomes.get('wasm');
  const expected = wasm === undefined || wasm instanceof Error ? undefined : wasm.loss;
  for (const [name, outcome] of outcomes) {
    if (outcome instanceof Error) failures[name] = `its trial failed: ${outcome.message}`;
    else if (expected !== undefined && !(Math.abs(outcome.loss - expected) <= lossTolerance * expected))
      failures[name] =
        `it computes wrongly here: its trial ended at a loss of ${outcome.loss}, wasm’s at ${expected}`;
    else imagesPerSecond[name] = outcome.imagesPerSecond;
  }
  return { imagesPerSecond, failures };
}

/**
 * `auto` took a runtime of those that were looked at.
 * @param trials left out where there was no choice to make
 */
export function autoChose(
  name: BackendName,
  reports: readonly RuntimeReport[],
  { imagesPerSecond, failures }: JudgedTrials = { imagesPerSecond: {}, failures: {} },
): RuntimeChoice {
  const own = imagesPerSecond[name];
  const others = reports.filter((report) => report.name !== name);
  const why = ({ name: other, available, reason, simulated }: RuntimeReport): string => {
    if (!available) return reason ?? 'it does not run here';
    const failure = failures[other];
    if (failure !== undefined) return failure;
    if (simulated) return 'it runs here, but on a GPU that the CPU simulates';
    const speed = imagesPerSecond[other];
    return speed === undefined || own === undefined
      ? 'it runs here, as the reference for tests: some hundred times slower'
      : `it runs here, at ${(speed / own).toFixed(2)} × the speed of ${name} in the trial`;
  };
  const rivals = others.flatMap((report) => {
    const speed = imagesPerSecond[report.name];
    return speed === undefined || own === undefined ? [] : [`${(own / speed).toFixed(1)} × ${report.name}`];
  });
  return {
    choice:
      rivals.length === 0
        ? 'auto: nothing faster runs here'
        : `auto: ${rivals.join(' and ')} in a trial on this machine`,
    others: others.map((report) => ({ name: report.name, why: why(report) })),
  };
}

/** A runtime as records keep it. */
export function recordOf({ name, version, device, why = askedFor(name) }: Runtime): RuntimeRecord {
  return { name, version, device, ...why };
}
