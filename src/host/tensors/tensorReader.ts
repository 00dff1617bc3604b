import { type FileHandle, open } from 'node:fs/promises';
import {
  bytesPerValue,
  parseSafetensorsHeader,
  type SafetensorsHeader,
  safetensorsHeaderBytes,
  safetensorsPrefixBytes,
  type TensorEntry,
} from '../../core/checkpoint/safetensors.js';
import { decodeValues } from '../../core/checkpoint/values.js';
import { DcnetError } from '../../core/errors.js';

/** A safetensors file whose header is read, and whose tensors are read slice by slice. */
export interface OpenedTensors extends SafetensorsHeader {
  readonly file: string;
  readonly bytes: number;
  /** Where the tensors begin. */
  readonly dataAt: number;
}

/**
 * Read a file's header and nothing else.
 * @throws DcnetError `checkpoint` for a file that is damaged or cannot be read
 */
export async function readTensorHeader(file: string): Promise<OpenedTensors> {
  return withFile(file, async (handle) => {
    const { size } = await handle.stat();
    const prefix = await readBytes(handle, 0, Math.min(size, safetensorsPrefixBytes), file);
    const length = safetensorsHeaderBytes(prefix, size, file);
    const header = await readBytes(handle, safetensorsPrefixBytes, length, file);
    const dataAt = safetensorsPrefixBytes + length;
    let text: string;
    try {
      text = new TextDecoder('utf-8', { fatal: true }).decode(header);
    } catch (thrown) {
      throw damaged(file, 'The header is not UTF-8 text.', thrown);
    }
    return { file, bytes: size, dataAt, ...parseSafetensorsHeader(text, size - dataAt, file) };
  });
}

/** Values of a tensor between two positions, row-major. */
export async function readValues(
  { file, dataAt }: OpenedTensors,
  entry: TensorEntry,
  from: number,
  to: number,
): Promise<Float64Array> {
  const each = bytesPerValue(entry.dtype);
  return withFile(file, async (handle) =>
    decodeValues(
      entry.dtype,
      await readBytes(handle, dataAt + entry.begin + from * each, (to - from) * each, file),
    ),
  );
}

/** Bytes of one read of a tensor that is gone through as a whole. */
const chunkBytes = 2 ** 20;

/** All values of a tensor, a chunk at a time. */
export async function* readChunks(
  { file, dataAt }: OpenedTensors,
  { dtype, begin, end }: TensorEntry,
): AsyncGenerator<Float64Array> {
  const handle = await openFile(file);
  try {
    for (let at = begin; at < end; at += chunkBytes)
      yield decodeValues(dtype, await readBytes(handle, dataAt + at, Math.min(chunkBytes, end - at), file));
  } finally {
    await handle.close();
  }
}

async function withFile<T>(file: string, use: (handle: FileHandle) => Promise<T>): Promise<T> {
  const handle = await openFile(file);
  try {
    return await use(handle);
  } finally {
    await handle.close();
  }
}

async function openFile(file: string): Promise<FileHandle> {
  try {
    return await open(file);
  } catch (thrown) {
    throw new DcnetError(
      {
        code: 'checkpoint',
        message: `The file cannot be read (${(thrown as Error).message}).`,
        remedy: 'Check that it is still there and may be read.',
        file,
      },
      { cause: thrown },
    );
  }
}

async function readBytes(handle: FileHandle, at: number, length: number, file: string): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  let done = 0;
  while (done < length) {
    const { bytesRead } = await handle.read(bytes, done, length - done, at + done);
    if (bytesRead === 0) throw damaged(file, 'The file ends before its tensors do.');
    done += bytesRead;
  }
  return bytes;
}

function damaged(file: string, message: string, cause?: unknown): DcnetError {
  return new DcnetError(
    { code: 'checkpoint', message, remedy: 'The file is damaged: use another copy.', file },
    { cause },
  );
}
