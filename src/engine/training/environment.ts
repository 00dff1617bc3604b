import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import type { Environment } from '../../core/run/run.js';
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
    backend: runtime.name,
    backendVersion: runtime.version,
    device: runtime.device,
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
