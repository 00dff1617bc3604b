import { createHash } from 'node:crypto';
import { open, readFile } from 'node:fs/promises';
import { endianness } from 'node:os';
import {
  parseSafetensorsHeader,
  type SafetensorsHeader,
  safetensorsHeaderBytes,
  safetensorsPrefixBytes,
  writeSafetensorsHeader,
} from '../../core/checkpoint/safetensors.js';
import type { Network } from '../../core/config/network.js';
import { DcnetError } from '../../core/errors.js';
import { replaceFile } from './atomicFile.js';
import { type CheckpointMetadata, readMetadata, writeMetadata } from './metadata.js';

/** A tensor's values on the host, row-major. */
export interface StoredTensor {
  readonly shape: readonly number[];
  readonly values: Float32Array | Int32Array;
}

export interface Checkpoint {
  readonly file: string;
  readonly metadata: CheckpointMetadata;
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  /** SHA-256 of the file. */
  readonly sha256: string;
}

/**
 * A checkpoint's bytes: a safetensors file. The same contents give the same bytes.
 * @param network the resolved network: what the config's preset, if it is one, stands for
 */
export function encodeCheckpoint(
  metadata: CheckpointMetadata,
  network: Network,
  tensors: ReadonlyMap<string, StoredTensor>,
): Buffer {
  requireLittleEndian();
  const entries = [...tensors].map(([name, { shape, values }]) => ({
    name,
    dtype: values instanceof Int32Array ? ('I32' as const) : ('F32' as const),
    shape,
    values,
  }));
  const header = Buffer.from(writeSafetensorsHeader(entries, writeMetadata(metadata, network)), 'ascii');
  const prefix = Buffer.alloc(safetensorsPrefixBytes);
  prefix.writeBigUInt64LE(BigInt(header.length));
  const parts = entries.map(({ values }) => Buffer.from(values.buffer, values.byteOffset, values.byteLength));
  return Buffer.concat([prefix, header, ...parts]);
}

/**
 * Write a checkpoint: to a temporary file beside it, flushed, then renamed, so that a crash leaves the old file or the
 * new one.
 * @throws DcnetError `io`
 */
export async function writeCheckpoint(file: string, bytes: Buffer): Promise<void> {
  try {
    await replaceFile(file, bytes);
  } catch (thrown) {
    throw new DcnetError(
      {
        code: 'io',
        message: `The checkpoint cannot be written (${(thrown as Error).message}).`,
        remedy: 'Check that the disk has room and the folder may be written to.',
        file,
      },
      { cause: thrown },
    );
  }
}

/**
 * Read a whole checkpoint.
 * @throws DcnetError `checkpoint`, naming the file and, where it is one tensor, the tensor
 */
export async function readCheckpoint(file: string): Promise<Checkpoint> {
  requireLittleEndian();
  let bytes: Buffer;
  try {
    bytes = await readFile(file);
  } catch (thrown) {
    throw readError(file, thrown);
  }
  const headerBytes = safetensorsHeaderBytes(bytes, bytes.length, file);
  const dataAt = safetensorsPrefixBytes + headerBytes;
  const { header, metadata } = decodeHeader(
    bytes.subarray(safetensorsPrefixBytes, dataAt),
    bytes.length,
    file,
  );
  const tensors = new Map<string, StoredTensor>();
  for (const [name, { dtype, shape, begin, end }] of header.tensors) {
    requireOurType(dtype, file, name);
    // A copy: the file's bytes need not be aligned to 4.
    const copy = Uint8Array.prototype.slice.call(bytes, dataAt + begin, dataAt + end);
    const values = dtype === 'F32' ? new Float32Array(copy.buffer) : new Int32Array(copy.buffer);
    tensors.set(name, { shape, values });
  }
  return { file, metadata, tensors, sha256: createHash('sha256').update(bytes).digest('hex') };
}

/** A checkpoint whose tensors are read one by one. */
export interface TensorFile {
  readonly file: string;
  readonly metadata: CheckpointMetadata;
  readonly tensors: SafetensorsHeader['tensors'];
  /**
   * @returns undefined where there is no such tensor
   * @throws DcnetError `checkpoint`
   */
  read(name: string): Promise<StoredTensor | undefined>;
  close(): Promise<void>;
}

/**
 * Open a checkpoint to read its header now and its tensors when they are needed.
 * @throws DcnetError `checkpoint`, naming the file
 */
export async function openTensorFile(file: string): Promise<TensorFile> {
  requireLittleEndian();
  const failed = (thrown: unknown): never => {
    throw thrown instanceof DcnetError ? thrown : readError(file, thrown);
  };
  const handle = await open(file).catch(failed);
  try {
    const { size } = await handle.stat();
    const prefix = Buffer.alloc(Math.min(size, safetensorsPrefixBytes));
    await handle.read(prefix, 0, prefix.length, 0);
    const bytes = Buffer.alloc(safetensorsHeaderBytes(prefix, size, file));
    await handle.read(bytes, 0, bytes.length, safetensorsPrefixBytes);
    const { header, metadata } = decodeHeader(bytes, size, file);
    const dataAt = safetensorsPrefixBytes + bytes.length;
    return {
      file,
      metadata,
      tensors: header.tensors,
      async read(name) {
        const entry = header.tensors.get(name);
        if (entry === undefined) return undefined;
        const { dtype, shape, begin, end } = entry;
        requireOurType(dtype, file, name);
        const values =
          dtype === 'F32' ? new Float32Array((end - begin) / 4) : new Int32Array((end - begin) / 4);
        const { bytesRead } = await handle
          .read(new Uint8Array(values.buffer), 0, end - begin, dataAt + begin)
          .catch(failed);
        if (bytesRead !== end - begin)
          throw checkpointError(file, 'The file became shorter while it was read.', name);
        return { shape, values };
      },
      close: () => handle.close(),
    };
  } catch (thrown) {
    await handle.close();
    return failed(thrown);
  }
}

/**
 * Read only what a checkpoint says of itself.
 * @throws DcnetError `checkpoint`, naming the file
 */
export async function readCheckpointMetadata(file: string): Promise<CheckpointMetadata> {
  const tensors = await openTensorFile(file);
  await tensors.close();
  return tensors.metadata;
}

/** SHA-256 of a checkpoint's file. */
export async function checkpointSha256(file: string): Promise<string> {
  try {
    return createHash('sha256')
      .update(await readFile(file))
      .digest('hex');
  } catch (thrown) {
    throw readError(file, thrown);
  }
}

function requireOurType(dtype: string, file: string, name: string): void {
  if (dtype !== 'F32' && dtype !== 'I32')
    throw checkpointError(file, `The tensor is of type ${dtype}, but ours are F32 or I32.`, name);
}

function decodeHeader(
  header: Buffer,
  fileBytes: number,
  file: string,
): { readonly header: SafetensorsHeader; readonly metadata: CheckpointMetadata } {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(header);
  } catch (thrown) {
    throw checkpointError(file, 'The header is not UTF-8 text.', undefined, thrown);
  }
  const parsed = parseSafetensorsHeader(text, fileBytes - safetensorsPrefixBytes - header.length, file);
  const metadata = readMetadata(parsed.metadata);
  if (typeof metadata === 'string') throw checkpointError(file, metadata, '__metadata__');
  return { header: parsed, metadata };
}

/** The format is little-endian, and so is every machine that Node 20 runs on but IBM’s; better told than garbled. */
function requireLittleEndian(): void {
  if (endianness() !== 'LE')
    throw new DcnetError({
      code: 'backend',
      message: 'This machine is big-endian, and checkpoints are little-endian.',
      remedy: 'Use a little-endian machine.',
    });
}

/** A checkpoint that is damaged or does not fit, and what to do. */
export function checkpointError(file: string, message: string, tensor?: string, cause?: unknown): DcnetError {
  return new DcnetError(
    {
      code: 'checkpoint',
      message,
      remedy: 'Use another checkpoint of the run, or an undamaged copy.',
      file,
      ...(tensor === undefined ? {} : { field: tensor }),
    },
    { cause },
  );
}

function readError(file: string, thrown: unknown): DcnetError {
  const { code, message } = thrown as NodeJS.ErrnoException;
  return new DcnetError(
    {
      code: 'checkpoint',
      message:
        code === 'ENOENT' ? 'There is no such checkpoint.' : `The checkpoint cannot be read (${message}).`,
      remedy: 'Check the path; a run’s checkpoints are in its folder checkpoints.',
      file,
    },
    { cause: thrown },
  );
}
