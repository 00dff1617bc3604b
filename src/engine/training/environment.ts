import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import type { ComputedBy, Environment } from '../../core/run/run.js';
import type { Runtime } from '../backend/backend.js';
import type { DataSet } from '../data/dataSet.js';
import { describeMachine } from '../machine.js';
import { recordOf } from '../runtimeChoice.js';

/** git on a network drive may hang: a run does not wait for it. */
const gitTimeoutMs = 3_000;

/** What a run's result depends on, taken down when it starts. */
export async function describeEnvironment(
  runtime: Runtime,
  data: DataSet,
  seed: number,
  configFile: string,
): Promise<Environment> {
  const commit = await gitCommit(path.dirname(configFile));
  return {
    ...describeMachine(),
    ...computedBy(runtime),
    history: [],
    runtime: recordOf(runtime),
    workers: runtime.threads ?? 1,
    seed,
    data: {
      name: data.info.name,
      sha256: data.sha256,
      trainImages: data.info.trainImages,
      testImages: data.info.testImages,
      classNames: data.info.classNames,
    },
    ...(commit === undefined ? {} : { gitCommit: commit }),
    configFile,
    startedAt: new Date().toISOString(),
  };
}

function computedBy({ name, version, device, precision = 'fp32' }: Runtime): ComputedBy {
  return { backend: name, backendVersion: version, device, precision };
}

/**
 * The environment of a run that goes on: what computes it from here on, and what did before, where it is another.
 * @param fromStep finished steps
 */
export function goingOnWith(environment: Environment, runtime: Runtime, fromStep: number): Environment {
  const now = computedBy(runtime);
  if (changeOf(environment, now) === undefined) return environment;
  const { backend, backendVersion, device, precision, history } = environment;
  const before = history.length > 0 ? history : [{ backend, backendVersion, device, precision, fromStep: 0 }];
  return { ...environment, ...now, runtime: recordOf(runtime), history: [...before, { ...now, fromStep }] };
}

/** In what way what computes is another than at the run's start, in words; undefined where it is not. */
export function sinceStart({ history: [first], ...now }: Environment): string | undefined {
  const changed = first && changeOf(first, now);
  return changed && `it was started ${changed}`;
}

/** What to tell of a run that another runtime is to go on with; undefined where it is the same. */
export function changeWarning(environment: Environment, runtime: Runtime): string | undefined {
  const changed = changeOf(environment, computedBy(runtime));
  return (
    changed && `This run was trained ${changed} up to here: its result will be that of no single runtime.`
  );
}

/** What is before, as far as it differs from now: `on wasm`, `in fp16`. */
function changeOf(before: ComputedBy, now: ComputedBy): string | undefined {
  if (before.backend !== now.backend) return `on ${before.backend}`;
  if (before.precision !== now.precision) return `in ${before.precision}`;
  return deviceAlone(before.device) === deviceAlone(now.device) ? undefined : `on ${before.device}`;
}

/** Without remarks on it, what was measured of it, and the threads, which are told elsewhere. */
function deviceAlone(device: string): string {
  return device.replace(/(;|: a product of) .*$/, '').replace(/, (one thread|\d+ threads)$/, '');
}

/** The commit checked out where the config lies; `undefined` without git or outside a repository. */
async function gitCommit(directory: string): Promise<string | undefined> {
  try {
    const { stdout } = await promisify(execFile)('git', ['-C', directory, 'rev-parse', 'HEAD'], {
      timeout: gitTimeoutMs,
      windowsHide: true,
    });
    return stdout.trim();
  } catch {
    // No git, no repository or no commit yet: the environment then has none.
    return undefined;
  }
}
