import { readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Checked, Download, DownloadFile } from '../../core/data/downloads.js';
import { DcnetError } from '../../core/errors.js';
import type { WorkProgress } from '../../protocol/engine.js';
import { throwIfCancelled } from '../cancelled.js';
import { fileError, sizeOf } from '../data/dataFiles.js';
import { hashOf } from './fetchFile.js';

/** Hashes of what was unpacked, beside it, as `sha256sum -c` reads them. */
const recordName = 'SHA256SUMS';

interface ExpectedFile {
  readonly name: string;
  /** As published, where that is known. */
  readonly bytes?: number | undefined;
  /** As published, or as it was unpacked. */
  readonly hash?: DownloadFile['hash'] | undefined;
}

/**
 * Compare what lies in a folder with a data set that was published.
 * @returns what it was compared by; undefined where nothing is there yet
 * @throws DcnetError `data`: a file is missing or another one; `usage`: the folder holds something else; `cancelled`
 */
export async function checkPresent(
  download: Download,
  folder: string,
  { signal, report }: { readonly signal: AbortSignal; readonly report: (progress: WorkProgress) => void },
): Promise<Checked | undefined> {
  const present = await namesIn(folder);
  if (present.length === 0) return undefined;
  const expected = await expectedIn(download, folder);
  const missing = expected.find(({ name }) => !present.includes(name));
  if (missing !== undefined && !expected.some(({ name }) => present.includes(name)))
    throw new DcnetError({
      code: 'usage',
      message: 'The folder is there already and holds something else.',
      remedy: 'Name another folder.',
      file: folder,
    });
  if (missing !== undefined) throw notAsPublished(download, path.join(folder, missing.name), 'it is missing');
  for (const [i, file] of expected.entries()) {
    throwIfCancelled(signal);
    report({ activity: `Checking ${download.title}: ${file.name}`, done: i, total: expected.length });
    await checkFile(download, path.join(folder, file.name), file);
  }
  return expected.every(({ hash }) => hash !== undefined) ? 'hash' : 'size';
}

/** Write down the hashes of files that were unpacked, so that they can be checked later. */
export async function recordHashes(folder: string): Promise<void> {
  const lines: string[] = [];
  for (const name of (await readdir(folder)).sort())
    lines.push(`${await hashOf(path.join(folder, name), 'sha256')}  ${name}\n`);
  await writeFile(path.join(folder, recordName), lines.join(''));
}

async function expectedIn({ files, members }: Download, folder: string): Promise<readonly ExpectedFile[]> {
  if (members === undefined) return files;
  const recorded = await readRecord(path.join(folder, recordName));
  return Object.entries(members).map(([member, size]) => {
    const name = path.basename(member);
    const hex = recorded.get(name);
    return {
      name,
      bytes: 'bytes' in size ? size.bytes : undefined,
      hash: hex === undefined ? undefined : { algorithm: 'sha256', hex },
    };
  });
}

async function readRecord(file: string): Promise<ReadonlyMap<string, string>> {
  let text = '';
  try {
    text = await readFile(file, 'utf8');
  } catch {
    // Unpacked by other means: sizes alone are known.
  }
  return new Map([...text.matchAll(/^([0-9a-f]{64}) [ *](.+)$/gm)].map(([, hex, name]) => [name!, hex!]));
}

async function checkFile(download: Download, file: string, { bytes, hash }: ExpectedFile): Promise<void> {
  const found = await sizeOf(file);
  if (bytes !== undefined && found !== bytes)
    throw notAsPublished(
      download,
      file,
      `it has ${found.toLocaleString('en')} bytes, not ${bytes.toLocaleString('en')}`,
    );
  if (hash === undefined) return;
  const hex = await hashOf(file, hash.algorithm).catch((thrown: unknown) => {
    throw fileError(file, thrown);
  });
  if (hex !== hash.hex)
    throw notAsPublished(download, file, `its ${hash.algorithm.toUpperCase()} is ${hex}, not ${hash.hex}`);
}

function notAsPublished({ title }: Download, file: string, why: string): DcnetError {
  return new DcnetError({
    code: 'data',
    message: `${path.basename(file)} of ${title} is not as it was published: ${why}.`,
    remedy: `Delete ${path.dirname(file)} or move it away, and start again: it is then fetched anew.`,
    file,
  });
}

async function namesIn(folder: string): Promise<readonly string[]> {
  try {
    return await readdir(folder);
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw thrown;
  }
}
