import { probeRuntimes, type Runtime, startBackend } from '../engine/backend/backend.js';
import { probeWebgpu } from '../engine/backend/webgpu.js';
import type { BackendName, RuntimeReport } from '../protocol/engine.js';
import { backendNameSchema } from '../protocol/engine.js';

/** A runtime whose speed is measured. */
export interface BenchRuntime extends Runtime {
  /** The name of its figures. */
  readonly label: string;
}

/** A runtime whose speed is not, and why. */
export interface AbsentRuntime {
  readonly name: BackendName;
  readonly skipped: string;
}

export interface BenchRuntimes {
  readonly runtimes: readonly BenchRuntime[];
  readonly absent: readonly AbsentRuntime[];
}

/**
 * Start what is to be measured.
 * @param names left out: all that run here, but the reference and what only simulates a GPU
 * @throws DcnetError `backend` where one that is named does not run here
 */
export async function startRuntimes(names: readonly BackendName[] | undefined): Promise<BenchRuntimes> {
  return names === undefined ? startAll(await probeRuntimes()) : startNamed(names);
}

async function startNamed(names: readonly BackendName[]): Promise<BenchRuntimes> {
  const runtimes: BenchRuntime[] = [];
  for (const name of backendNameSchema.options.filter((option) => names.includes(option)))
    runtimes.push(await labelled(await startBackend(name)));
  return { runtimes, absent: [] };
}

async function labelled(runtime: Runtime): Promise<BenchRuntime> {
  const { name } = runtime;
  const isSimulated = name === 'webgpu' && (await probeWebgpu()).simulated === true;
  return { ...runtime, label: isSimulated ? `${name} (simulated: its times say nothing)` : name };
}

/** @param reports of all that there are */
export async function startAll(
  reports: readonly RuntimeReport[],
  start: typeof startBackend = startBackend,
): Promise<BenchRuntimes> {
  const runtimes: BenchRuntime[] = [];
  const absent: AbsentRuntime[] = [];
  for (const report of reports) {
    const { name } = report;
    const skipped = whyNot(report);
    if (skipped !== undefined) absent.push({ name, skipped });
    else
      try {
        runtimes.push({ ...(await start(name)), label: name });
      } catch (thrown) {
        absent.push({ name, skipped: (thrown as Error).message });
      }
  }
  return { runtimes, absent };
}

function whyNot({ name, available, reason, simulated, device }: RuntimeReport): string | undefined {
  if (!available) return reason ?? 'it does not run here.';
  if (name === 'cpu') return 'it is the reference for tests; --backends cpu measures it.';
  if (simulated)
    return `its times would say nothing of a GPU: ${device ?? 'it is simulated'}; --backends webgpu measures it.`;
  return undefined;
}
