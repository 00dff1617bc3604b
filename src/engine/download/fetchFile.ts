import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, rm, stat } from 'node:fs/promises';
import type { DownloadFile } from '../../core/data/downloads.js';
import { DcnetError } from '../../core/errors.js';

/** A server that sends nothing for so long has hung. */
const defaultStallMs = 60_000;
/** So often a connection that was cut is taken up again. */
const attempts = 4;

export interface FetchOptions {
  readonly signal: AbortSignal;
  /** Bytes that are there. */
  readonly onProgress: (bytes: number, total: number) => void;
  readonly stallMs?: number;
}

/**
 * Fetch a file and check its hash. What is there of it from before is not fetched again, where the server can send a
 * part; when the connection is cut, what came stays for the next time.
 * @param to where the bytes go as they come
 * @throws DcnetError `io`: not reached, refused, cut off; `data`: another hash, or too long (nothing is left then);
 * `cancelled`
 */
export async function fetchFile(file: DownloadFile, to: string, options: FetchOptions): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await fetchRest(file, to, options);
      break;
    } catch (thrown) {
      if (options.signal.aborted) throw cancelled(file);
      if (thrown instanceof DcnetError) throw thrown;
      if (attempt === attempts) throw cutOff(file, thrown);
    }
  }
  const found = await hashOf(to, file.hash.algorithm);
  if (found === file.hash.hex) return;
  await rm(to, { force: true });
  throw new DcnetError({
    code: 'data',
    message: `${file.url} is not the file that was published: its ${file.hash.algorithm.toUpperCase()} is ${found}, not ${file.hash.hex}.`,
    remedy: 'Try again; where it stays so, fetch it from elsewhere (dcnet data get --from).',
  });
}

async function fetchRest(
  file: DownloadFile,
  to: string,
  { signal, onProgress, stallMs }: FetchOptions,
): Promise<void> {
  const present = await sizeIfAny(to);
  const stalled = new AbortController();
  let timer = setTimeout(
    () => stalled.abort(new Error('the server sent nothing for too long')),
    stallMs ?? defaultStallMs,
  );
  const alive = (): void => {
    clearTimeout(timer);
    timer = setTimeout(
      () => stalled.abort(new Error('the server sent nothing for too long')),
      stallMs ?? defaultStallMs,
    );
  };
  try {
    const response = await fetch(file.url, {
      signal: AbortSignal.any([signal, stalled.signal]),
      headers: { 'accept-encoding': 'identity', ...(present > 0 ? { range: `bytes=${present}-` } : {}) },
    });
    // All of it is there already, or what is there is of no use: the hash tells.
    if (response.status === 416) return void (await response.body?.cancel());
    if (!response.ok) {
      await response.body?.cancel();
      throw refused(file, response);
    }
    const goesOn =
      response.status === 206 && response.headers.get('content-range')?.startsWith(`bytes ${present}-`);
    if (response.status === 206 && !goesOn) throw refused(file, response);
    const from = goesOn ? present : 0;
    const length = response.headers.get('content-length');
    const total = length === null ? file.mostBytes : from + Number(length);
    const handle = await open(to, goesOn ? 'a' : 'w');
    try {
      let done = from;
      onProgress(done, total);
      for await (const chunk of (response.body ?? []) as unknown as AsyncIterable<Uint8Array>) {
        alive();
        done += chunk.length;
        if (done > file.mostBytes) throw tooLong(file);
        await handle.writeFile(chunk);
        onProgress(done, total);
      }
      if (length !== null && done < total) throw new Error('it ended early');
    } finally {
      await handle.close();
    }
  } catch (thrown) {
    if (thrown instanceof DcnetError && thrown.details.code === 'data') await rm(to, { force: true });
    throw thrown;
  } finally {
    clearTimeout(timer);
  }
}

/** In hexadecimal digits. */
export async function hashOf(file: string, algorithm: DownloadFile['hash']['algorithm']): Promise<string> {
  const hash = createHash(algorithm);
  for await (const chunk of createReadStream(file)) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

async function sizeIfAny(file: string): Promise<number> {
  try {
    return (await stat(file)).size;
  } catch {
    return 0; // nothing of it yet
  }
}

function cancelled({ name }: DownloadFile): DcnetError {
  return new DcnetError({
    code: 'cancelled',
    message: `The download of ${name} was cancelled.`,
    remedy: 'Start it again when you like: it goes on from there.',
  });
}

function cutOff({ url }: DownloadFile, thrown: unknown): DcnetError {
  const { message, cause } = thrown as Error;
  const why = cause instanceof Error ? cause.message || (cause as NodeJS.ErrnoException).code : message;
  return new DcnetError(
    {
      code: 'io',
      message: `${url} could not be fetched (${why}).`,
      remedy: 'Check the connection and start again: it goes on where it was cut.',
    },
    { cause: thrown },
  );
}

function refused({ url }: DownloadFile, { status, statusText }: Response): DcnetError {
  return new DcnetError({
    code: 'io',
    message: `${url} was refused: ${status} ${statusText}.`,
    remedy: 'Try again later, or fetch it from elsewhere (dcnet data get --from).',
  });
}

function tooLong({ url, mostBytes }: DownloadFile): DcnetError {
  return new DcnetError({
    code: 'data',
    message: `${url} sends more than ${mostBytes.toLocaleString('en')} bytes: it is not the file that was published.`,
    remedy: 'Fetch it from elsewhere (dcnet data get --from).',
  });
}
