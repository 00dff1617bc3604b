// What becomes of the tests on WebGPU where they cannot be run: each is skipped, with the reason.

/** @typedef {import('./outcomes.mjs').Outcome} Outcome */

export const gpuBenchTest = 'the packed GPU bench runs by itself, and computes right';
export const webgpuTest = 'the engine on WebGPU';

/**
 * Skipped outcomes of those that this machine cannot run.
 * @param {{ available: boolean, reason?: string } | undefined} webgpu as the doctor tells it
 * @param {{ platform: string, arch: string }} machine
 * @returns {Outcome[]}
 */
export function skippedOnWebgpu(webgpu, { platform, arch }) {
  /** @type {(name: string, detail: string) => Outcome} */
  const skipped = (name, detail) => ({ name, state: 'skipped', detail });
  if (!webgpu?.available) {
    const reason = webgpu?.reason ?? 'the doctor does not know WebGPU here.';
    return [webgpuTest, gpuBenchTest].map((name) => skipped(name, reason));
  }
  return platform === 'linux' && arch === 'x64'
    ? []
    : [skipped(gpuBenchTest, `it is packed on Linux x64 only, not on ${platform} ${arch}.`)];
}
