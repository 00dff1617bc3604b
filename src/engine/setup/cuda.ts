import { readdir, readFile, realpath } from 'node:fs/promises';
import path from 'node:path';
import { findNvidiaDriver, type Tool } from './tools.js';

/** The oldest NVIDIA driver, by CUDA's major version. */
const oldestDrivers: Readonly<Record<string, string>> =
  process.platform === 'win32'
    ? { 11: '452.39', 12: '528.33' }
    : { 11: '450.80.02', 12: '525.60.13', 13: '580.65.06' };

/** The GPU and its driver, as `nvidia-smi` names them; not available, where the driver is older than CUDA needs it. */
export async function findDriverFor(
  cuda: string,
): Promise<Tool & { readonly driver?: string; readonly gpu?: string }> {
  const tool = await findNvidiaDriver();
  if (!tool.available) return tool;
  const [driver = '', gpu = ''] = (tool.version ?? '').split(', ');
  const oldest = oldestDriverFor(cuda);
  return oldest === undefined || !isOlder(driver, oldest)
    ? { ...tool, driver, gpu }
    : {
        ...tool,
        ...{ driver, gpu, available: false },
        reason: `The NVIDIA driver here is ${driver}: CUDA ${cuda} needs ${oldest} or newer.`,
      };
}

/** What a library of TensorFlow was built with. */
interface CudaBuild {
  readonly cuda: string;
  readonly cudnn: string;
  /** Where PyPI's CUDA lies that was installed with it. */
  readonly site?: string;
}

/** What npm's prebuilt library was built with. */
const prebuilt: CudaBuild = { cuda: '11.2', cudnn: '8.1' };

/** @returns `undefined` where it has no CUDA */
async function buildOf(bindingFolder: string): Promise<CudaBuild | undefined> {
  const framework = path.join(bindingFolder, 'deps', 'lib', 'libtensorflow_framework.so.2');
  const wheel = path.dirname(await realpath(framework).catch(() => framework));
  const info = await readFile(path.join(wheel, 'python', 'platform', 'build_info.py'), 'utf8').catch(
    () => undefined, // it is no wheel's
  );
  if (info === undefined) return prebuilt;
  const [, cuda] = /'cuda_version', '([\d.]+)'/.exec(info) ?? [];
  const [, cudnn] = /'cudnn_version', '([\d.]+)'/.exec(info) ?? [];
  return cuda === undefined || cudnn === undefined ? undefined : { cuda, cudnn, site: path.dirname(wheel) };
}

/**
 * Why TensorFlow found no GPU: the driver, CUDA and cuDNN, each with the version that is here and the one that it needs.
 * @param bindingFolder of the package that was loaded
 */
export async function explainNoGpu(bindingFolder: string): Promise<string> {
  if (process.platform === 'darwin') return 'there is no CUDA for macOS';
  const build = await buildOf(bindingFolder);
  const driver = await findDriverFor(build?.cuda ?? '12');
  const parts = [
    compared('NVIDIA driver', driver.driver, `${oldestDriverFor(build?.cuda ?? '12')} or newer`),
  ];
  if (build === undefined) {
    const remedy = driver.available ? ': dcnet setup tensorflow --variant cuda12 gets one with it' : '';
    return `this TensorFlow is built without CUDA${remedy}; ${parts.join('; ')}`;
  }
  const { cuda, cudnn, site } = build;
  if (hidesCuda())
    parts.unshift(
      `CUDA_VISIBLE_DEVICES is "${process.env.CUDA_VISIBLE_DEVICES}", which hides every GPU from CUDA`,
    );
  parts.push(
    compared('CUDA', await findLibrary('cuda_runtime', 'cudart', cuda, site), cuda),
    compared('cuDNN', await findLibrary('cudnn', 'cudnn', cudnn, site), cudnn),
  );
  if (driver.available) parts.push('started with TF_CPP_MIN_LOG_LEVEL=0, TensorFlow tells more');
  return parts.join('; ');
}

/** CUDA sees the devices of the list up to the first that is none. */
function hidesCuda(): boolean {
  const devices = process.env.CUDA_VISIBLE_DEVICES;
  return devices !== undefined && /^\s*(-|,|$)/.test(devices);
}

function compared(name: string, found: string | undefined, needed: string): string {
  return `${name} ${found === undefined ? 'not found' : `${found} found`}, ${needed} needed`;
}

/** The version of a library that TensorFlow would load: of those that are there, rather one of the major that it needs. */
async function findLibrary(
  wheel: string,
  library: string,
  needed: string,
  site: string | undefined,
): Promise<string | undefined> {
  const isWindows = process.platform === 'win32';
  const onSystem = isWindows
    ? (process.env.PATH ?? '').split(path.delimiter)
    : [
        ...(process.env.LD_LIBRARY_PATH ?? '').split(path.delimiter),
        ...['/usr/local/cuda/lib64', `/usr/lib/${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu`],
        '/usr/lib64',
      ];
  const [folders, pattern] =
    site === undefined
      ? [onSystem, new RegExp(isWindows ? `^${library}64_(\\d+)\\.dll$` : `^lib${library}\\.so\\.([\\d.]+)$`)]
      : [[site], new RegExp(`^nvidia_${wheel}_cu\\d+-([\\d.]+)\\.dist-info$`)];
  const names = await Promise.all(
    folders.filter((folder) => folder !== '').map((folder) => readdir(folder).catch(() => [])),
  );
  const versions = names
    .flat()
    .flatMap((name) => pattern.exec(name)?.[1] ?? [])
    .sort((a, b) => (isOlder(a, b) ? 1 : -1));
  return versions.find((version) => majorOf(version) === majorOf(needed)) ?? versions[0];
}

function oldestDriverFor(cuda: string): string | undefined {
  return oldestDrivers[majorOf(cuda)];
}

function majorOf(version: string): string {
  return version.split('.', 1)[0]!;
}

function isOlder(version: string, than: string): boolean {
  return version.localeCompare(than, 'en', { numeric: true }) < 0;
}
