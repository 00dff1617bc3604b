import os from 'node:os';
import { version } from '../../package.json';
import type { Environment } from '../core/run/run.js';

/** Our version. */
const dcnetVersion = version;

/** This machine and program, as `environment.json` and `dcnet doctor` tell it. */
export function describeMachine(): Pick<Environment, 'dcnetVersion' | 'node' | 'platform' | 'cpu' | 'cores'> {
  return {
    dcnetVersion,
    node: process.version,
    platform: `${os.platform()} ${os.release()} ${os.arch()}`,
    cpu: os.cpus()[0]?.model.trim() ?? 'unknown',
    cores: os.availableParallelism(),
  };
}
