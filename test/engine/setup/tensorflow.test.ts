import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { DcnetError } from '../../../src/core/errors.js';
import { setUpTensorflow } from '../../../src/engine/setup/tensorflow.js';
import { isProcessAlive } from '../../../src/engine/training/processes.js';
import type { WorkProgress } from '../../../src/protocol/engine.js';
import { withoutTensorflow } from '../../../src/tools/tensorflowOutcome.mjs';

/** A machine whose programs are scripts of ours: only they are on the PATH. */
let home: string;
let folder: string;
const { PATH } = process.env;

beforeEach(async () => {
  home = await mkdtemp(path.join(tmpdir(), 'dcnet-setup-'));
  folder = path.join(home, 'data', 'tensorflow');
  await mkdir(path.join(home, 'bin'));
  process.env.PATH = path.join(home, 'bin');
});

afterEach(async () => {
  vi.unstubAllEnvs();
  process.env.PATH = PATH;
  await rm(home, { recursive: true, force: true });
});

async function program(name: string, script: string): Promise<void> {
  const file = path.join(home, 'bin', name);
  await writeFile(file, `#!/bin/sh\n${script}\n`);
  await chmod(file, 0o755);
}

async function failure(work: Promise<unknown>): Promise<DcnetError> {
  const thrown = await work.then(
    () => expect.unreachable(),
    (reason: unknown) => reason,
  );
  expect(thrown).toBeInstanceOf(DcnetError);
  return thrown as DcnetError;
}

const never = new AbortController().signal;
const ignore = (): void => {};
const version = 'case "$*" in *--version*) echo 1.2.3; exit 0;; esac';

const binding = 'node_modules/@tensorflow/tfjs-node-gpu';
/** npm's package, pip's, compiler and driver, with which all is computed right. @param gpu that the library uses it */
async function fullMachine(gpu: boolean, log = ''): Promise<void> {
  vi.stubEnv('XDG_DATA_HOME', home);
  const files = {
    [`npm/${binding}/package.json`]: '{ "version": "4.22.0" }',
    [`npm/${binding}/binding/tfjs_backend.cc`]: '',
    [`npm/${binding}/lib/napi-v8/dcnet_ops.node/index.js`]: '',
    [`npm/${binding}/index.js`]: `
      if (process.env.TF_CPP_MIN_LOG_LEVEL < 2) console.error(${JSON.stringify(log)});
      const product = { slice: () => ({ dataSync: () => [4096] }) };
      Object.assign(exports, { fill() {}, tensor1d() {}, tensor2d() {}, matMul: () => product });
      exports.grad = () => () => ({ arraySync: () => [[7, 11], [9, 13]] });
      exports.backend = () => ({
        isUsingGpuDevice: ${gpu},
        binding: { TF_Version: '2.21.0' },
        executeSingleOutput: () => ({ arraySync: () => [[6, 0]] }),
      });`,
    'pip/tensorflow/libtensorflow_framework.so.2': '',
    'pip/tensorflow/python/platform/build_info.py': "('cuda_version', '12.5.1'), ('cudnn_version', '9')",
    'pip/nvidia/cudnn/lib/libcudnn.so.9': 'cuDNN',
  };
  for (const [name, text] of Object.entries(files)) {
    const file = path.join(home, 'template', name);
    await mkdir(path.dirname(file), { recursive: true });
    await writeFile(file, text);
  }
  await program('npm', `${version}\n/bin/cp -R "${home}/template/npm/." .`);
  await program(
    'python3',
    `${version}\necho "$*" > "${home}/pip"\n/bin/mkdir -p python\n/bin/cp -R "${home}/template/pip/." python`,
  );
  await program('g++', version);
  await program('nvidia-smi', 'echo "550.54.14, NVIDIA GeForce RTX 4070"');
}

describe.skipIf(process.platform === 'win32')('setting TensorFlow up', () => {
  it('names every missing program at once, with what to install, and writes nothing', async () => {
    const { details } = await failure(
      setUpTensorflow({ variant: 'cuda12', folder, signal: never, report: ignore }),
    );
    expect(details.code).toBe('backend');
    expect(details.message).toBe('npm, C++ compiler, Python with pip, NVIDIA driver are missing.');
    for (const hint of ['Node.js 20', 'apt install g++', 'apt install python3-pip', 'nvidia-smi'])
      expect(details.remedy).toContain(hint);
    expect(await readdir(home)).toEqual(['bin']);
  });

  it('needs neither compiler nor Python for npm’s prebuilt runtime', async () => {
    const { details } = await failure(
      setUpTensorflow({ variant: 'npm-prebuilt', folder, signal: never, report: ignore }),
    );
    expect(details.message).toBe('npm is missing.');
  });

  it('shows the last lines of the step that failed, and keeps the runtime that was there', async () => {
    await mkdir(folder, { recursive: true });
    await writeFile(path.join(folder, 'kept'), 'as it was');
    for (const name of ['g++', 'python3']) await program(name, version);
    await program('npm', `${version}\necho "npm error no route to registry" >&2\nexit 7`);
    const seen: WorkProgress[] = [];
    const { details } = await failure(
      setUpTensorflow({ variant: 'cpu', folder, signal: never, report: (progress) => seen.push(progress) }),
    );
    expect(details.message).toContain('npm ended with 7');
    expect(details.message).toContain('no route to registry');
    expect(seen[0]).toEqual({ activity: 'Install the binding’s source from npm', done: 0, total: 5 });
    expect(await readdir(path.dirname(folder))).toEqual(['tensorflow']);
    expect(await readFile(path.join(folder, 'kept'), 'utf8')).toBe('as it was');
  });

  it('ends the running step and all it started when it is cancelled, and leaves nothing', async () => {
    for (const name of ['g++', 'python3']) await program(name, version);
    const alive = path.join(home, 'alive');
    await program('npm', `${version}\n(/bin/sleep 2; echo yes > "${alive}") &\necho started\nwait`);
    const abort = new AbortController();
    const { details } = await failure(
      setUpTensorflow({
        variant: 'cpu',
        folder,
        signal: abort.signal,
        report: ({ activity }) => {
          if (activity.includes('started')) abort.abort();
        },
      }),
    );
    expect(details.code).toBe('cancelled');
    expect(await readdir(path.dirname(folder))).toEqual([]);
    await new Promise((resolve) => setTimeout(resolve, 2500));
    expect(await readdir(home)).not.toContain('alive');
  });

  it('kills what does not end when it is cancelled, and takes away what it wrote for the time being', async () => {
    for (const name of ['g++', 'python3']) await program(name, version);
    const temporary = path.join(home, 'temporary');
    await mkdir(temporary);
    vi.stubEnv('TMPDIR', temporary);
    const pids = path.join(home, 'pids');
    // Neither it nor what it started minds SIGTERM; the latter has no output that would be waited for.
    await program(
      'npm',
      `${version}
      trap '' TERM
      echo half > "$TMPDIR/half"
      (while :; do echo half > "$TMPDIR/half"; /bin/sleep 0.1; done) >/dev/null 2>&1 &
      echo "$$ $!" > "${pids}"
      echo started
      while :; do /bin/sleep 0.1; done`,
    );
    const abort = new AbortController();
    const { details } = await failure(
      setUpTensorflow({
        variant: 'cpu',
        folder,
        signal: abort.signal,
        report: ({ activity }) => {
          if (activity.includes('started')) abort.abort();
        },
      }),
    );
    expect(details.code).toBe('cancelled');
    const started = (await readFile(pids, 'utf8')).trim().split(' ').map(Number);
    expect(started).toHaveLength(2);
    await vi.waitUntil(() => !started.some(isProcessAlive), { timeout: 20_000 }); // whose parent is gone is waited for by the system's first process
    expect(await readdir(temporary)).toEqual([]);
    expect(await readdir(path.dirname(folder))).toEqual([]);
  });

  describe('with CUDA', () => {
    const setUp = () => setUpTensorflow({ variant: 'cuda12', folder, signal: never, report: ignore });

    it('has CUDA where its library looks, from the link that it is loaded by, and only there', async () => {
      await fullMachine(true);
      const { device, warning } = await setUp();
      expect(device).toContain('GPU (NVIDIA GeForce RTX 4070: ');
      expect(warning).toBeUndefined();
      const cudnn = path.join(folder, binding, 'deps/lib/../nvidia/cudnn/lib/libcudnn.so.9');
      expect(await readFile(cudnn, 'utf8')).toBe('cuDNN');
      expect(await readFile(path.join(home, 'pip'), 'utf8')).toContain(' --no-cache-dir ');
    });

    it('warns where there is a GPU that it does not compute on, with what TensorFlow says and what is missing', async () => {
      await fullMachine(false, 'W0000 00:00:1 7 gpu_device.cc:2342] Cannot dlopen some GPU libraries');
      const { device, warning } = await setUp();
      expect(device).toMatch(/^CPU /);
      expect(warning).toMatch(
        /^TensorFlow does not compute on the NVIDIA GeForce RTX 4070: Cannot dlopen some GPU libraries; .*CUDA not found/,
      );
    });
  });

  it('skips the tests on it where the machine lacks what it needs, and fails them where ours does not compile or compute', async () => {
    await fullMachine(false);
    const setUp = () => failure(setUpTensorflow({ variant: 'cpu', folder, signal: never, report: ignore }));
    const outcome = async (name: string, script: string): Promise<string> => {
      const file = path.join(home, 'bin', name);
      const before = await readFile(file, 'utf8');
      await program(name, script);
      const { state, detail } = withoutTensorflow(JSON.stringify({ error: (await setUp()).details }));
      await writeFile(file, before);
      return `${state}: ${detail}`;
    };
    expect(await outcome('g++', 'exit 1')).toMatch(
      /^skipped: .*: C\+\+ compiler is missing\. .*apt install g\+\+/,
    );
    expect(await outcome('npm', `${version}\nexit 1`)).toMatch(/^skipped: .* npm failed/);
    expect(await outcome('python3', `${version}\nexit 1`)).toMatch(/^skipped: .* PyPI failed/);
    expect(withoutTensorflow('')).toMatchObject({ state: 'failed' });
    const error = 'averages.cc:7:1: error: expected declaration';
    const compiler = `${version}\ncase "$*" in *dcnet_ops*) echo "${error}" >&2; exit 1;; esac`;
    expect(await outcome('g++', compiler)).toMatch(new RegExp(`^failed: [\\s\\S]*${error}`));
    await writeFile(path.join(home, 'template/npm', binding, 'index.js'), 'throw new Error("no symbol");');
    expect(await outcome('g++', version)).toMatch(/^failed: .*Trying the new runtime failed[\s\S]*no symbol/);
  });

  it('gives every program a place inside for what it needs for the time being, and takes that away', async () => {
    await program('npm', `${version}\necho half > "$TMPDIR/npm"`);
    await program('g++', `${version}\nexit 1`);
    await program(
      'python3',
      `${version}\n/bin/ls -d "$PWD/tmp/npm" "$TMPDIR" "$TMP" "$TEMP"\necho half > "$TMPDIR/pip"\nexit 3`,
    );
    const { details } = await failure(
      setUpTensorflow({ variant: 'cpu', folder, signal: never, report: ignore }),
    );
    expect(details.message).toContain('ended with 3');
    const told = details.message.split('\n').filter((line) => line.includes('tensorflow.partial-'));
    expect(told).toHaveLength(4);
    expect(await readdir(path.dirname(folder))).toEqual([]);
  });
});
