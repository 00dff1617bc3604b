import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { setImmediate } from 'node:timers';
import { webgpuRuntimeFolder } from '../setup/runtimeFolder.js';
import { readFatalLoad, whileLoading } from './crashMarks.js';

/** Dawn, Chromium's WebGPU, as a library for Node; the version that was tried: others need a newer glibc. */
export const dawnPackage = { name: 'webgpu', version: '0.6.2' } as const;
const packageName = dawnPackage.name;
/**
 * What `require` loads for this machine. It is past the package's entry, which is an ES module and remembers each buffer
 * ever made.
 */
export const dawnBinding = `${packageName}/dist/${process.platform}-${process.platform === 'darwin' ? 'universal' : process.arch}/dawn.node`;

interface DawnLibrary {
  create(flags: readonly string[]): GPU;
  readonly globals: object;
}

export type Dawn =
  | { readonly available: true; readonly version: string; readonly adapter: GPUAdapter }
  | { readonly available: false; readonly reason: string };

/** `require`, or what stands in for it in a test. */
type Load = (name: string) => unknown;

let opened: Promise<Dawn> | undefined;

/** Load Dawn and ask it for the fastest adapter; once a process. */
export function openDawn(): Promise<Dawn> {
  const places = [
    createRequire(import.meta.url), // the project's own install
    createRequire(path.join(webgpuRuntimeFolder(), 'package.json')),
  ];
  opened ??= whileLoading({ name: 'webgpu', file: dawnBinding, places }, () => tryDawn(places));
  return opened;
}

/** As {@link openDawn}, but what took down the process that loaded it last is not loaded. */
export async function probeDawn(): Promise<Dawn> {
  const fatal = opened === undefined ? await readFatalLoad('webgpu') : undefined;
  return fatal === undefined ? openDawn() : { available: false, reason: fatal };
}

/** As {@link openDawn}, each time anew: the first place where it is installed counts. */
export async function tryDawn(places: readonly Load[]): Promise<Dawn> {
  // Electron forbids buffers outside V8's own memory, which is what Dawn maps a device's buffers to.
  if (process.versions.electron !== undefined)
    return unavailable(
      'Dawn does not run in VS Code’s own Node (Electron): name a Node.js program in dcnet.nodePath',
    );
  for (const load of places) {
    const library = loadFrom(load);
    if (library === undefined) continue;
    if ('reason' in library) return unavailable(library.reason);
    return withAdapter(library.version, library.dawn);
  }
  return unavailable(
    `the package ${packageName} is not installed: run DCNet: Set Up WebGPU Runtime (dcnet setup webgpu)`,
  );
}

function unavailable(reason: string): Dawn {
  return { available: false, reason: `${reason}.` };
}

type Loaded = { readonly version: string; readonly dawn: DawnLibrary } | { readonly reason: string };

/** `undefined` where it is not installed. */
function loadFrom(load: Load): Loaded | undefined {
  try {
    const { version } = load(`${packageName}/package.json`) as { version: string };
    return { version, dawn: load(dawnBinding) as DawnLibrary };
  } catch (thrown) {
    const message = thrown instanceof Error ? thrown.message : String(thrown);
    const { code } = thrown as { code?: string };
    if (code === 'MODULE_NOT_FOUND' && message.includes(`${packageName}/package.json`)) return undefined;
    return {
      reason: `the package ${packageName} is installed but does not load (${message.split('\n', 1)[0]}): it is made for Linux with glibc 2.34 or newer, macOS and Windows, on x64 and arm64`,
    };
  }
}

async function withAdapter(version: string, dawn: DawnLibrary): Promise<Dawn> {
  Object.assign(globalThis, dawn.globals);
  const gpu = withEvents(() => dawn.create([]));
  const adapter = await withEvents(() => gpu.requestAdapter({ powerPreference: 'high-performance' }));
  if (adapter === null) return unavailable(`no GPU was found: ${whyNoAdapter()}`);
  announce(gpu);
  return { available: true, version, adapter };
}

/** tfjs asks `navigator.gpu` whether there is WebGPU. */
function announce(gpu: GPU): void {
  const { navigator } = globalThis as { navigator?: object };
  if (navigator === undefined)
    Object.defineProperty(globalThis, 'navigator', { value: { gpu }, configurable: true });
  else Object.defineProperty(navigator, 'gpu', { value: gpu, configurable: true });
}

function whyNoAdapter(): string {
  if (process.platform !== 'linux') return 'install the GPU’s driver';
  if (!hasVulkanLoader()) return 'Vulkan’s loader is missing: install libvulkan1 (vulkan-loader)';
  return 'Vulkan found no driver: install NVIDIA’s driver, or mesa-vulkan-drivers for AMD and Intel';
}

/** Whether the system finds Vulkan's library: loading what is no addon fails in another way than what is not there. */
function hasVulkanLoader(): boolean {
  try {
    process.dlopen({ exports: {} }, 'libvulkan.so.1', os.constants.dlopen.RTLD_LAZY);
  } catch (thrown) {
    return !String(thrown).includes('No such file');
  }
  return true;
}

type Callback = (...parameters: unknown[]) => void;

/** Looks at what the device has done that Dawn has scheduled and that are still to come. */
const scheduled = new Set<Callback>();
let waitsForTurn = false;

/**
 * Call Dawn, and keep hold of the event loop's turns that it takes: it looks at what its device has done in
 * `setImmediate`, and a synchronous read cannot wait for that. Everything that gives a promise goes through this.
 */
export function withEvents<T>(call: () => T): T {
  const original = globalThis.setImmediate;
  const capture = (callback: Callback): void => {
    scheduled.add(callback);
    // One turn for all: a read that waits looks thousands of times, and what it left for a turn would stay until there is one.
    if (!waitsForTurn) setImmediate(takeAll);
    waitsForTurn = true;
  };
  globalThis.setImmediate = capture as typeof globalThis.setImmediate;
  try {
    return call();
  } finally {
    globalThis.setImmediate = original;
  }
}

function take(callback: Callback): void {
  if (scheduled.delete(callback)) withEvents(callback);
}

function takeAll(): void {
  waitsForTurn = false;
  for (const callback of [...scheduled]) take(callback);
}

/**
 * Block until a buffer's content can be read.
 * @throws Error where the device is lost
 */
export function mapNow(buffer: GPUBuffer): ArrayBuffer {
  // That it failed is seen below.
  withEvents(() => buffer.mapAsync(GPUMapMode.READ)).catch(() => undefined);
  while (buffer.mapState === 'pending' && scheduled.size > 0)
    for (const callback of [...scheduled]) take(callback);
  if (buffer.mapState !== 'mapped') throw new Error('the GPU gives no data any more');
  return buffer.getMappedRange();
}
