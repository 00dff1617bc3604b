import * as z from 'zod';
import { DcnetError } from '../../core/errors.js';
import type { WorkProgress } from '../../protocol/engine.js';
import { forgetFatal } from '../backend/crashMarks.js';
import { dawnBinding, dawnPackage } from '../backend/dawn.js';
import { runCommand } from './command.js';
import { inPartialFolder } from './partialFolder.js';
import { webgpuRuntimeFolder } from './runtimeFolder.js';
import { findNpm } from './tools.js';

export interface SetUpWebgpuOptions {
  readonly signal: AbortSignal;
  readonly report: (progress: WorkProgress) => void;
  /** Default: `webgpuRuntimeFolder()`. */
  readonly folder?: string;
}

const proofSchema = z.object({
  /** The GPU's name; `null` where Dawn finds none. */
  device: z.string().nullable(),
});

/**
 * Install Dawn, the WebGPU runtime, from npm into a folder of the user's.
 *
 * All happens in a folder beside the final one, which is moved into place only after a process of its own has loaded the
 * library; a failure or a cancel leaves what was there before, and nothing else, and what a killed process left goes with the
 * next set-up. That no GPU is found is no failure.
 * @throws DcnetError `backend` with what is missing, or the failed step's last lines; `cancelled`
 */
export async function setUpWebgpu({
  signal,
  report,
  folder = webgpuRuntimeFolder(),
}: SetUpWebgpuOptions): Promise<{
  readonly folder: string;
  readonly version: string;
  readonly device: string | null;
}> {
  const npm = await findNpm();
  if (!npm.available) {
    throw new DcnetError({ code: 'backend', message: 'npm is missing.', remedy: npm.reason ?? '' });
  }
  const tell = (activity: string, done: number): void => report({ activity, done, total: 2 });
  const device = await inPartialFolder(folder, async ({ work, env }) => {
    const activity = 'Install Dawn from npm';
    tell(activity, 0);
    const what = `${dawnPackage.name}@${dawnPackage.version}`;
    await runCommand('npm', ['install', '--no-audit', '--no-fund', '--ignore-scripts', what], {
      cwd: work,
      env,
      signal,
      onLine: (line) => tell(`${activity} (${line.slice(0, 80)})`, 0),
      purpose: 'Installing from npm',
      remedy: 'Check the network or npm’s proxy settings, then try again.',
    });
    tell('Try it', 1);
    const output = await runCommand(process.execPath, ['-e', proof], {
      cwd: work,
      signal,
      env: { ...env, ELECTRON_RUN_AS_NODE: '1' },
      purpose: 'Trying Dawn',
      remedy: 'It is made for Linux with glibc 2.34 or newer, macOS and Windows, on x64 and arm64.',
    });
    return proofSchema.parse(JSON.parse(output.trim().split('\n').at(-1)!)).device;
  });
  await forgetFatal('webgpu');
  tell('Done', 2);
  return { folder, version: dawnPackage.version, device };
}

const proof = `
  const dawn = require('./node_modules/${dawnBinding}');
  Object.assign(globalThis, dawn.globals);
  globalThis.gpu = dawn.create([]); // Dawn ends with it
  gpu.requestAdapter({ powerPreference: 'high-performance' }).then((adapter) => {
    const device = adapter && (adapter.info.device || adapter.info.description);
    process.stdout.write(JSON.stringify({ device }) + '\\n', () => process.exit(0));
  });
`;
