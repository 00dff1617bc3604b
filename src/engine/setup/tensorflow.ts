import { mkdir, readdir, symlink } from 'node:fs/promises';
import path from 'node:path';
import * as z from 'zod';
import { DcnetError } from '../../core/errors.js';
import type { TensorflowVariant, WorkProgress } from '../../protocol/engine.js';
import { forgetFatal } from '../backend/crashMarks.js';
import { runCommand } from './command.js';
import { explainNoGpu, findDriverFor } from './cuda.js';
import { kernelLibrary, readKernelSources } from './kernelSources.js';
import { inPartialFolder, type PartialFolder } from './partialFolder.js';
import { tensorflowRuntimeFolder } from './runtimeFolder.js';
import { findBuildTools, type Tool } from './tools.js';

/** The binding that the engine is made for. */
const bindingVersion = '4.22.0';
const bindingPackage = '@tensorflow/tfjs-node-gpu';
/** Headers of Node's stable C interface: what the binding is compiled against, for every Node from 20 on. */
const headersPackage = 'node-api-headers@1.9.0';
/** TensorFlow whose C library the binding was tried with. */
const tensorflowVersion = '2.21.0';

export interface SetUpOptions {
  /** Left out: `cuda12` with an NVIDIA driver that is new enough, else `cpu`; npm's prebuilt where PyPI's is not built (not Linux). */
  readonly variant?: TensorflowVariant | undefined;
  readonly signal: AbortSignal;
  readonly report: (progress: WorkProgress) => void;
  /** Default: `tensorflowRuntimeFolder()`. */
  readonly folder?: string;
}

export interface SetUpResult {
  readonly folder: string;
  readonly version: string;
  readonly device: string;
  /** Why it does not compute on the NVIDIA GPU that is here, a sentence; only of a variant with CUDA. */
  readonly warning?: string;
}

/**
 * Install a TensorFlow runtime for the engine into a folder of the user's.
 *
 * `npm-prebuilt`: the binding with the library that npm's package downloads (TensorFlow 2.9, CUDA 11.2).
 * `cpu`, `cuda12`: the package's own N-API binding, compiled against the library inside PyPI's `tensorflow-cpu` or
 * `tensorflow[and-cuda]` wheel, and beside it our own kernels for the CPU; Linux only.
 *
 * All happens in a folder beside the final one, which is moved into place only after a product and a gradient were
 * computed with it in a process of its own; a failure or a cancel leaves what was there before, and nothing else, and what
 * a killed process left goes with the next set-up.
 * @throws DcnetError `backend` with every missing tool, or the failed step's last lines; `cancelled`
 */
export async function setUpTensorflow(options: SetUpOptions): Promise<SetUpResult> {
  const { signal } = options;
  const variant = options.variant ?? (await fittingVariant());
  const folder = options.folder ?? tensorflowRuntimeFolder();
  const steps = variant === 'npm-prebuilt' ? prebuiltSteps : wheelSteps;
  const tools = await requireTools(variant);
  const proof = await inPartialFolder(folder, async (partial) => {
    const setUp: SetUp = { ...partial, variant, signal, tools };
    for (const [i, step] of steps.entries()) {
      const tell = (detail = ''): void =>
        options.report({ activity: `${step.activity}${detail}`, done: i, total: steps.length });
      tell();
      await step.run(setUp, (line) => tell(` (${line.slice(0, 80)})`));
    }
    return prove(setUp);
  });
  await forgetFatal('tensorflow');
  options.report({ activity: 'Done', done: steps.length, total: steps.length });
  return { folder, ...proof };
}

async function fittingVariant(): Promise<TensorflowVariant> {
  if (process.platform !== 'linux') return 'npm-prebuilt';
  return (await findDriverFor('12')).available ? 'cuda12' : 'cpu';
}

interface SetUp extends PartialFolder {
  readonly variant: TensorflowVariant;
  readonly signal: AbortSignal;
  readonly tools: ReadonlyMap<string, Tool>;
}

interface Step {
  readonly activity: string;
  readonly run: (setUp: SetUp, onLine: (line: string) => void) => Promise<void>;
}

const prebuiltSteps: readonly Step[] = [
  {
    activity: 'Install the binding and its prebuilt library from npm',
    run: (setUp, onLine) =>
      npmInstall(setUp, onLine, ['--foreground-scripts', `${bindingPackage}@${bindingVersion}`]),
  },
];

const wheelSteps: readonly Step[] = [
  {
    activity: 'Install the binding’s source from npm',
    run: (setUp, onLine) =>
      npmInstall(setUp, onLine, ['--ignore-scripts', `${bindingPackage}@${bindingVersion}`, headersPackage]),
  },
  { activity: 'Download TensorFlow from PyPI', run: downloadWheel },
  { activity: 'Link its library', run: linkLibrary },
  { activity: 'Compile the binding', run: compileBinding },
  { activity: 'Compile the kernels of decoupled layers', run: compileKernels },
];

async function requireTools(variant: TensorflowVariant): Promise<ReadonlyMap<string, Tool>> {
  if (variant !== 'npm-prebuilt' && process.platform !== 'linux') {
    throw new DcnetError({
      code: 'backend',
      message: `The binding is built from PyPI’s TensorFlow on Linux only, not on ${process.platform}.`,
      remedy: 'Choose the prebuilt runtime from npm.',
    });
  }
  const found = await findBuildTools();
  const needed = variant === 'npm-prebuilt' ? found.filter(({ name }) => name === 'npm') : [...found];
  if (variant === 'cuda12') needed.push(await findDriverFor('12'));
  const missing = needed.filter(({ available }) => !available);
  if (missing.length > 0) {
    throw new DcnetError({
      code: 'backend',
      message: `${missing.map(({ name }) => name).join(', ')} ${missing.length === 1 ? 'is' : 'are'} missing.`,
      remedy: missing.map(({ reason }) => reason).join(' '),
    });
  }
  return new Map(needed.map((tool) => [tool.name, tool]));
}

function npmInstall(
  { work, env, signal }: SetUp,
  onLine: (line: string) => void,
  args: readonly string[],
): Promise<void> {
  return runCommand('npm', ['install', '--no-audit', '--no-fund', ...args], {
    cwd: work,
    env,
    signal,
    onLine,
    purpose: 'Installing from npm',
    remedy: 'Check the network or npm’s proxy settings, then try again.',
  }).then(() => undefined);
}

async function downloadWheel(
  { work, env, variant, signal, tools }: SetUp,
  onLine: (line: string) => void,
): Promise<void> {
  const python = tools.get('Python with pip')!.command;
  const what =
    variant === 'cuda12'
      ? ['--no-cache-dir', `tensorflow[and-cuda]==${tensorflowVersion}`] // else pip keeps some 3 GB once more
      : ['--no-deps', `tensorflow-cpu==${tensorflowVersion}`];
  await runCommand(
    python,
    [
      '-m',
      'pip',
      'install',
      '--only-binary=:all:',
      '--no-compile',
      '--target',
      path.join(work, 'python'),
      ...what,
    ],
    {
      cwd: work,
      env,
      signal,
      onLine,
      purpose: 'Downloading TensorFlow from PyPI',
      remedy: `Check the network, and that ${python} is a Python for which PyPI has tensorflow ${tensorflowVersion} (3.10 to 3.13).`,
    },
  );
}

async function linkLibrary({ work, variant }: SetUp): Promise<void> {
  const python = path.join(work, 'python');
  const site = path.join(python, 'tensorflow');
  const deps = path.join(bindingFolder(work), 'deps');
  await mkdir(path.join(deps, 'lib'), { recursive: true });
  const link = (target: string, name: string): Promise<void> =>
    symlink(path.relative(path.dirname(name), target), name);
  for (const [library, name] of [
    ['libtensorflow_cc.so.2', 'libtensorflow'],
    ['libtensorflow_framework.so.2', 'libtensorflow_framework'],
  ] as const) {
    await link(path.join(site, library), path.join(deps, 'lib', library));
    await link(path.join(deps, 'lib', library), path.join(deps, 'lib', `${name}.so`));
  }
  await link(path.join(site, 'include'), path.join(deps, 'include'));
  // TensorFlow looks for CUDA in ../nvidia from where it was loaded, which is the link to it.
  if (variant === 'cuda12') await link(path.join(python, 'nvidia'), path.join(deps, 'nvidia'));
}

async function compileBinding(setUp: SetUp, onLine: (line: string) => void): Promise<void> {
  const binding = bindingFolder(setUp.work);
  await mkdir(path.join(binding, outputFolder), { recursive: true });
  const sources = (await readdir(path.join(binding, 'binding'))).filter((name) => name.endsWith('.cc'));
  await compileModule(setUp, onLine, 'Compiling the binding', 'tfjs_binding.node', [
    ...['-O2', '-DNODE_GYP_MODULE_NAME=tfjs_binding', '-I..'],
    ...sources.map((name) => path.join('binding', name)),
    ...['-Ldeps/lib', '-ltensorflow', '-ltensorflow_framework'],
  ]);
}

/** Our own operations for the CPU. Their loops become vectors; square roots of negative numbers set no errno. */
async function compileKernels(setUp: SetUp, onLine: (line: string) => void): Promise<void> {
  const { folder, files, version } = readKernelSources();
  await compileModule(setUp, onLine, 'Compiling the kernels of decoupled layers', kernelLibrary, [
    ...['-O3', '-fopenmp-simd', '-fno-math-errno', '-fno-trapping-math', '-pthread'],
    // Where a processor has AVX-512, whole vectors of it: compilers take half of them if they are not told.
    ...(process.arch === 'x64' ? ['-mprefer-vector-width=512'] : []),
    ...['-DNODE_GYP_MODULE_NAME=dcnet_ops', `-DDCNET_OPS_VERSION="${version}"`],
    ...files.map((name) => path.join(folder, name)),
    ...['-Ldeps/lib', '-ltensorflow_framework'],
  ]);
}

/** Where the binding looks for its compiled module, below its package. */
const outputFolder = path.join('lib', 'napi-v8');

/** Compile a Node module over TensorFlow's library, in the binding's folder. */
async function compileModule(
  { work, env, signal, tools }: SetUp,
  onLine: (line: string) => void,
  purpose: string,
  name: string,
  args: readonly string[],
): Promise<void> {
  await runCommand(
    tools.get('C++ compiler')!.command,
    [
      ...['-std=c++17', '-fPIC', '-shared', '-DNAPI_VERSION=8'],
      ...['-Ideps/include', `-I${path.join(work, 'node_modules', 'node-api-headers', 'include')}`],
      ...['-o', path.join(outputFolder, name)],
      ...args,
      '-Wl,-rpath,$ORIGIN/../../deps/lib',
    ],
    {
      cwd: bindingFolder(work),
      env,
      signal,
      onLine,
      purpose,
      remedy: 'Install a compiler with C++17 (g++ 9 or newer), then try again.',
    },
  );
}

function bindingFolder(work: string): string {
  return path.join(work, 'node_modules', ...bindingPackage.split('/'));
}

/** Compute a product, timed, a gradient and, where they were compiled, with a kernel of ours, in a process of its own. */
async function prove({ work, env, variant, signal }: SetUp): Promise<Omit<SetUpResult, 'folder'>> {
  const script = `
    const util = require('util');
    util.isNullOrUndefined ??= (value) => value === null || value === undefined;
    util.isArray ??= Array.isArray;
    const tf = require('${bindingPackage}');
    const gradient = tf.grad((x) => tf.matMul(x, x).sum())(tf.tensor2d([[1, 2], [3, 4]])).arraySync();
    if (JSON.stringify(gradient) !== '[[7,11],[9,13]]') throw new Error('The gradient is wrong: ' + JSON.stringify(gradient));
    ${variant === 'npm-prebuilt' ? '' : kernelProof}
    const binding = require('${bindingPackage}/package.json').version;
    const library = tf.backend().binding.TF_Version;
    const a = tf.fill([1024, 1024], 2);
    const timed = () => {
      const startedAt = performance.now();
      const product = tf.matMul(a, a).slice([0, 0], [1, 1]).dataSync()[0];
      if (product !== 4096) throw new Error('A product is wrong: ' + product);
      return performance.now() - startedAt;
    };
    timed(); // warms up
    const ms = Math.min(timed(), timed(), timed());
    console.log(JSON.stringify({ version: binding + ', TensorFlow ' + library, isGpu: tf.backend().isUsingGpuDevice, ms }));
  `;
  const complaints = new Set<string>();
  const output = await runCommand(process.execPath, ['-e', script], {
    cwd: work,
    signal,
    env: { ...env, ELECTRON_RUN_AS_NODE: '1', TF_CPP_MIN_LOG_LEVEL: variant === 'cpu' ? '2' : '1' },
    onLine: (line) => {
      const [, complaint] = complaintOfCuda.exec(line) ?? [];
      if (complaint !== undefined) complaints.add(complaint);
    },
    purpose: 'Trying the new runtime',
    remedy: 'The library and the binding do not fit together here: please report the lines above.',
  });
  const { version, isGpu, ms } = proofSchema.parse(JSON.parse(output.trim().split('\n').at(-1)!));
  const speed = `a product of 1024×1024 takes ${ms.toLocaleString('en', { maximumSignificantDigits: 2 })} ms`;
  const { available: hasDriver, gpu = 'GPU of unknown name' } = await findDriverFor('');
  if (isGpu) return { version, device: `GPU (${gpu}: ${speed})` };
  if (variant === 'cpu') return { version, device: `CPU (${speed})` };
  const why = [...complaints, await explainNoGpu(bindingFolder(work))].join('; ');
  const onCpu = { version, device: `CPU (${speed}; no GPU: ${why})` };
  return hasDriver ? { ...onCpu, warning: `TensorFlow does not compute on the ${gpu}: ${why}.` } : onCpu;
}

/** What TensorFlow logs of a CUDA that it cannot use. */
const complaintOfCuda = /\.cc:\d+\] (.*(?:dlopen|cuInit|CUDA).*)$/;

const proofSchema = z.object({ version: z.string(), isGpu: z.boolean(), ms: z.number() });

const kernelProof = `
    require('${bindingPackage}/lib/napi-v8/${kernelLibrary}');
    const relu = { name: 'relu', type: tf.backend().binding.TF_ATTR_BOOL, value: true };
    const inputs = [tf.tensor2d([[1, -1]]), tf.tensor1d([2, 3]), tf.tensor1d([4, 1])];
    const affine = tf.backend().executeSingleOutput('DcnetChannelAffine', [relu], inputs).arraySync();
    if (JSON.stringify(affine) !== '[[6,0]]') throw new Error('A kernel is wrong: ' + JSON.stringify(affine));
`;
