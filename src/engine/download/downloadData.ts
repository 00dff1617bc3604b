import { mkdir, rename, rm, rmdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Download, Downloaded } from '../../core/data/downloads.js';
import { DcnetError } from '../../core/errors.js';
import type { WorkProgress } from '../../protocol/engine.js';
import { fetchFile } from './fetchFile.js';
import { checkPresent, recordHashes } from './present.js';
import { unpack } from './unpack.js';

export interface DownloadOptions {
  /** Where the data set shall lie. */
  readonly folder: string;
  /** An address that has the same files, in place of the official one. */
  readonly from?: string | undefined;
  readonly signal: AbortSignal;
  readonly report: (progress: WorkProgress) => void;
  readonly stallMs?: number;
}

/**
 * Fetch a data set, check it and unpack it. All happens in a folder beside the final one (`<folder>.download`), which
 * is moved into place when everything is there; what was fetched of a download that was cut stays there, and the next
 * one goes on with it. What is there already is checked, and never overwritten.
 * @throws DcnetError as `checkPresent`, `fetchFile` and `unpack`; `io`
 */
export async function downloadData(
  download: Download,
  { folder, from, signal, report, ...options }: DownloadOptions,
): Promise<Downloaded> {
  const { title, files, members, classNames } = download;
  const work = `${folder}.download`;
  const ready = path.join(work, 'ready');
  try {
    const checked = await checkPresent(download, folder, { signal, report });
    if (checked !== undefined) return { fetched: false, checked };
    await rm(ready, { recursive: true, force: true });
    await mkdir(ready, { recursive: true });
    for (const [i, file] of files.entries()) {
      const url =
        from === undefined ? file.url : new URL(file.name, from.endsWith('/') ? from : `${from}/`).href;
      const part = path.join(work, file.name);
      await fetchFile({ ...file, url }, part, {
        ...options,
        signal,
        onProgress: (bytes, total) =>
          report({
            activity: `Fetching ${title}: ${file.name}`,
            done: Math.floor((1000 * (i + Math.min(1, bytes / Math.max(1, total)))) / files.length),
            total: 1000,
          }),
      });
      if (members !== undefined) {
        report({ activity: `Unpacking ${title}`, done: 1000, total: 1000 });
        await unpack(part, members, ready, signal);
      }
    }
    if (members === undefined)
      for (const { name } of files) await rename(path.join(work, name), path.join(ready, name));
    else await recordHashes(ready);
    if (classNames !== undefined)
      await writeFile(path.join(ready, 'labels.txt'), `${classNames.join('\n')}\n`);
    await moveInto(ready, folder);
  } catch (thrown) {
    throw ioError(thrown, folder);
  }
  await rm(work, { recursive: true, force: true });
  return { fetched: true, checked: 'hash' };
}

async function moveInto(ready: string, folder: string): Promise<void> {
  await rmdir(folder).catch(() => {}); // an empty one makes room; none is as well
  await rename(ready, folder);
}

function ioError(thrown: unknown, folder: string): DcnetError {
  if (thrown instanceof DcnetError) return thrown;
  return new DcnetError(
    {
      code: 'io',
      message: `The data set could not be written (${(thrown as Error).message}).`,
      remedy: 'Check that the folder may be written and that the disk has room.',
      file: folder,
    },
    { cause: thrown },
  );
}
