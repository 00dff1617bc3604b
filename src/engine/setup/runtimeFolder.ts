import path from 'node:path';
import envPaths from 'env-paths';

/** Where this program keeps what it made for a user: one place for the editor and the command line. */
export function userDataFolder(): string {
  return envPaths('dcnet-inspector', { suffix: '' }).data;
}

/** Where the TensorFlow runtime that `setUpTensorflow` installs lies. `DCNET_RUNTIME` overrides it. */
export function tensorflowRuntimeFolder(): string {
  return path.resolve(process.env.DCNET_RUNTIME ?? path.join(userDataFolder(), 'tensorflow'));
}

/** Whether somebody said where it lies: then it goes before others. */
export function isRuntimeNamed(): boolean {
  return process.env.DCNET_RUNTIME !== undefined;
}

/** Say where it lies, also to the processes that this one starts. */
export function nameTensorflowFolder(folder: string): void {
  process.env.DCNET_RUNTIME = path.resolve(folder);
}

/** Where Dawn lies that `setUpWebgpu` installs. `DCNET_WEBGPU` overrides it. */
export function webgpuRuntimeFolder(): string {
  return path.resolve(process.env.DCNET_WEBGPU ?? path.join(userDataFolder(), 'webgpu'));
}

/** Which variants of WebGPU kernels are fastest on the GPUs of this user. */
export function tunedKernelsFile(): string {
  return path.join(userDataFolder(), 'webgpu-kernels.json');
}
