import { createReadStream, createWriteStream } from 'node:fs';
import path from 'node:path';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { extract } from 'tar-stream';
import type { ArchiveMembers, MemberSize } from '../../core/data/downloads.js';
import { DcnetError } from '../../core/errors.js';

/** Of what is not taken, an archive may hold this much besides. */
const mostOtherBytes = 2 ** 22;

/**
 * Take the expected members out of a tar.gz archive, each under its own name without folders. Where they go is ours to
 * say: no name from the archive becomes a path.
 * @throws DcnetError `data`: damaged, a member missing or too long, links or paths that lead elsewhere
 */
export async function unpack(
  archive: string,
  members: ArchiveMembers,
  to: string,
  signal: AbortSignal,
): Promise<void> {
  const fail = (message: string, cause?: unknown): DcnetError =>
    new DcnetError(
      { code: 'data', message, remedy: 'Do not use it: fetch the published archive.', file: archive },
      { cause },
    );
  const missing = new Set(Object.keys(members));
  const most = Object.values(members).reduce((sum, size) => sum + largest(size), mostOtherBytes);
  const tar = extract();
  let unpacked = 0;
  const limit = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      unpacked += chunk.length;
      done(
        unpacked > most ? fail(`The archive unpacks to more than ${most.toLocaleString('en')} bytes.`) : null,
        chunk,
      );
    },
  });
  const feeding = pipeline(createReadStream(archive), createGunzip(), limit, tar, { signal });
  feeding.catch(() => {}); // whoever reads the entries is told
  try {
    for await (const entry of tar) {
      const { name, type, size } = entry.header;
      const plain = name.replace(/^\.\//, '');
      if (path.isAbsolute(plain) || plain.split(/[\\/]/).includes('..'))
        throw fail(`The archive has a member ${name}, whose path leads elsewhere.`);
      if (type !== 'file' && type !== 'directory')
        throw fail(`The archive has a member ${name} that is a ${type}.`);
      const expected = members[plain];
      if (type === 'directory' || expected === undefined) {
        entry.resume();
        continue;
      }
      const found = (size ?? 0).toLocaleString('en');
      if ((size ?? 0) > largest(expected))
        throw fail(`${name} has ${found} bytes, more than ${largest(expected).toLocaleString('en')}.`);
      if ('bytes' in expected && size !== expected.bytes)
        throw fail(`${name} has ${found} bytes, not ${expected.bytes.toLocaleString('en')}.`);
      if (!missing.delete(plain)) throw fail(`The archive has the member ${name} twice.`);
      await pipeline(entry, createWriteStream(path.join(to, path.basename(plain)), { flags: 'wx' }), {
        signal,
      });
    }
    await feeding;
  } catch (thrown) {
    tar.destroy();
    if (signal.aborted)
      throw new DcnetError({
        code: 'cancelled',
        message: 'Unpacking was cancelled.',
        remedy: 'Start it again when you like.',
      });
    if (thrown instanceof DcnetError) throw thrown;
    throw fail(`The archive cannot be unpacked (${(thrown as Error).message}).`, thrown);
  }
  if (missing.size > 0) throw fail(`The archive has no ${[...missing].join(', ')}.`);
}

function largest(size: MemberSize): number {
  return 'bytes' in size ? size.bytes : size.mostBytes;
}
