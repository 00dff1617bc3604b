import { execFile } from 'node:child_process';
import { access, constants } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { DcnetError } from '../../core/errors.js';

/** The oldest Node.js that the engine runs in. */
const oldestMajor = 20;
/** How long a program may take to tell its version. */
const versionLimitMs = 10_000;

/** The Node.js that runs the engine, and how it was found. */
export interface NodeProgram {
  readonly path: string;
  /** `20.11.1`. */
  readonly version: string;
  /** For people: `from the setting dcnet.nodePath`. */
  readonly origin: string;
}

/**
 * The Node.js to run the engine in: the setting's, else the first on the PATH that is new enough, else VS Code's own
 * acting as Node. Native runtimes are made for a real Node.js, so that one goes before VS Code's.
 * @param setting `dcnet.nodePath`, trimmed; empty for none
 * @throws DcnetError `engine`, naming the setting, where what it names is no Node.js or too old
 */
export async function findNode(setting: string): Promise<NodeProgram> {
  if (setting !== '') return checkSetting(setting);
  for (const candidate of await onPath()) {
    const version = await versionOf(candidate).catch(() => undefined); // broken, or another program of that name
    if (version !== undefined && isNewEnough(version))
      return { path: candidate, version, origin: 'found on the PATH' };
  }
  return {
    path: process.execPath,
    version: process.versions.node,
    origin: `VS Code’s own, because the PATH has no Node.js from ${oldestMajor} on`,
  };
}

async function checkSetting(setting: string): Promise<NodeProgram> {
  const refuse = (why: string, cause?: unknown): DcnetError =>
    new DcnetError(
      {
        code: 'engine',
        message: `The setting dcnet.nodePath names ${setting}, ${why}.`,
        remedy: `Name a Node.js program from version ${oldestMajor} on, or leave the setting empty.`,
      },
      { cause },
    );
  let version: string | undefined;
  try {
    version = await versionOf(setting);
  } catch (thrown) {
    throw refuse(`which cannot be run (${(thrown as Error).message.trim().split('\n', 1)[0]})`, thrown);
  }
  if (version === undefined) throw refuse('which is not Node.js');
  if (!isNewEnough(version)) throw refuse(`which is Node.js ${version}`);
  return { path: setting, version, origin: 'from the setting dcnet.nodePath' };
}

/** Every program `node` on the PATH, in its order. */
async function onPath(): Promise<readonly string[]> {
  const name = process.platform === 'win32' ? 'node.exe' : 'node';
  const candidates = (process.env.PATH ?? '')
    .split(path.delimiter)
    .filter((folder) => folder !== '')
    .map((folder) => path.join(folder, name));
  const there = await Promise.all(
    candidates.map((file) =>
      access(file, constants.X_OK).then(
        () => [file],
        () => [],
      ),
    ),
  );
  return there.flat();
}

/** What a program says its Node.js version is; `undefined` where it says something else. Electron is asked as Node. */
async function versionOf(program: string): Promise<string | undefined> {
  const { stdout } = await promisify(execFile)(program, ['--version'], {
    timeout: versionLimitMs,
    windowsHide: true,
    env: { ...process.env, ELECTRON_RUN_AS_NODE: '1' },
  });
  return /^v(\d+\.\d+\.\S+)\s*$/.exec(stdout)?.[1];
}

function isNewEnough(version: string): boolean {
  return Number.parseInt(version, 10) >= oldestMajor;
}
