import { tmpdir } from 'node:os';
import type { RuntimeReport } from '../../protocol/engine.js';
import { runCommand } from './command.js';

/** A program that the set-up needs: found with its version, or not, with what to do. */
export type Tool = Omit<RuntimeReport, 'name'> & { readonly name: string; readonly command: string };

async function firstOf(
  name: string,
  candidates: readonly (readonly [command: string, ...args: string[]])[],
  reason: string,
): Promise<Tool> {
  for (const [command, ...args] of candidates) {
    try {
      const output = await runCommand(command, args, {
        cwd: tmpdir(),
        signal: AbortSignal.timeout(20_000),
        purpose: `Asking ${command} for its version`,
        remedy: '',
      });
      return { name, command, available: true, version: output.split('\n', 1)[0]!.trim() };
    } catch {
      // not this one: the next, and if none is there the reason says so
    }
  }
  return { name, command: '', available: false, reason };
}

export function findNpm(): Promise<Tool> {
  return firstOf(
    'npm',
    [['npm', '--version']],
    'npm is not on the PATH: install Node.js 20 or newer with npm.',
  );
}

/** npm, a C++ compiler and Python with pip: what building TensorFlow's binding from PyPI's wheel needs. */
export async function findBuildTools(): Promise<readonly Tool[]> {
  const windows = process.platform === 'win32';
  return Promise.all([
    findNpm(),
    firstOf(
      'C++ compiler',
      [
        ['g++', '--version'],
        ['clang++', '--version'],
        ['c++', '--version'],
      ],
      'No C++ compiler is on the PATH: install g++ (Debian, Ubuntu: apt install g++; Fedora: dnf install gcc-c++).',
    ),
    firstOf(
      'Python with pip',
      windows ? [['py', '-m', 'pip', '--version']] : [['python3', '-m', 'pip', '--version']],
      'Python 3 with pip is not on the PATH (Debian, Ubuntu: apt install python3-pip).',
    ),
  ]);
}

/** The NVIDIA driver and its newest CUDA, as `nvidia-smi` says. */
export async function findNvidiaDriver(): Promise<Tool> {
  return firstOf(
    'NVIDIA driver',
    [['nvidia-smi', '--query-gpu=driver_version,name', '--format=csv,noheader']],
    'nvidia-smi is not on the PATH: there is no NVIDIA driver here, so TensorFlow would compute on the CPU.',
  );
}
