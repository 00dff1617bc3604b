import path from 'node:path';
import envPaths from 'env-paths';

/** Where this program keeps what it made for a user: one place for the editor and the command line. */
export function userDataFolder(): string {
  return envPaths('dcnet-inspector', { suffix: '' }).data;
}

/** Where the TensorFlow runtime that `setUpTensorflow` installs lies. `DCNET_RUNTIME` overrides it. */
export function tensorflowRuntimeFolder(): string {
  return process.env.DCNET_RUNTIME ?? path.join(userDataFolder(), 'tensorflow');
}

/** Where a user's own install of Dawn is looked for. */
export function webgpuRuntimeFolder(): string {
  return path.join(userDataFolder(), 'webgpu');
}
