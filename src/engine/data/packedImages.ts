import { createHash, randomUUID } from 'node:crypto';
import { mkdir, open, readdir, rename, rm, stat, statfs } from 'node:fs/promises';
import path from 'node:path';
import { DcnetError } from '../../core/errors.js';
import { userDataFolder } from '../setup/runtimeFolder.js';

/** Where sets that do not fit into memory are kept decoded. `DCNET_CACHE` overrides it. */
function packedImagesFolder(): string {
  return process.env.DCNET_CACHE ?? path.join(userDataFolder(), 'images');
}

/**
 * The file of the decoded images of a folder: made once, and again when its key changes, in place of the one before.
 * @param key changes with the images
 * @param write appends all images, train before test
 * @throws DcnetError `io` where the disk has no room
 */
export async function packImages(
  directory: string,
  key: string,
  bytes: number,
  write: (append: (values: Uint8Array) => Promise<void>) => Promise<void>,
): Promise<string> {
  const folder = packedImagesFolder();
  const stem = `${short(directory)}-`;
  const file = path.join(folder, `${stem}${short(key)}.bin`);
  if ((await sizeIfAny(file)) === bytes) return file;
  await mkdir(folder, { recursive: true });
  for (const name of await readdir(folder)) if (name.startsWith(stem)) await rm(path.join(folder, name));
  const { bavail, bsize } = await statfs(folder);
  if (bavail * bsize < bytes)
    throw new DcnetError({
      code: 'io',
      message: `The decoded images need ${(bytes / 2 ** 30).toFixed(1)} GiB on the disk, which has ${((bavail * bsize) / 2 ** 30).toFixed(1)} GiB left.`,
      remedy:
        'Make room, choose a smaller data.size in the config, or set DCNET_CACHE to a folder elsewhere.',
      file: folder,
    });
  const partial = `${file}.${randomUUID()}`;
  const handle = await open(partial, 'w');
  try {
    await write(async (values) => {
      await handle.writeFile(values);
    });
    await handle.close();
    await rename(partial, file);
  } catch (thrown) {
    await handle.close();
    await rm(partial, { force: true });
    throw thrown;
  }
  return file;
}

const short = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 24);

async function sizeIfAny(file: string): Promise<number | undefined> {
  try {
    return (await stat(file)).size;
  } catch {
    return undefined; // none yet
  }
}
