import * as z from 'zod';
import { DcnetError } from '../errors.js';

/**
 * The safetensors container (https://github.com/huggingface/safetensors): 8 bytes little-endian length of a JSON
 * header, the header, then the tensors' bytes without gaps.
 */
export const safetensorsPrefixBytes = 8;
/** The format's own limit on the header. */
const longestHeader = 100_000_000;
const damagedRemedy = 'The file is damaged or not a checkpoint: use another copy.';

const bytesOf = {
  BOOL: 1,
  U8: 1,
  I8: 1,
  F8_E5M2: 1,
  F8_E4M3: 1,
  I16: 2,
  U16: 2,
  F16: 2,
  BF16: 2,
  I32: 4,
  U32: 4,
  F32: 4,
  F64: 8,
  I64: 8,
  U64: 8,
} as const;
export type DataType = keyof typeof bytesOf;

export interface TensorEntry {
  readonly dtype: DataType;
  readonly shape: readonly number[];
  /** Offsets from the end of the header. */
  readonly begin: number;
  readonly end: number;
}

export interface SafetensorsHeader {
  readonly tensors: ReadonlyMap<string, TensorEntry>;
  readonly metadata: Readonly<Record<string, string>>;
}

const size = z.number().int().nonnegative().max(Number.MAX_SAFE_INTEGER);
const entrySchema = z.strictObject({
  dtype: z.enum(Object.keys(bytesOf) as [DataType, ...DataType[]]),
  shape: z.array(size).max(32),
  data_offsets: z.tuple([size, size]),
});
const metadataSchema = z.record(z.string(), z.string());

/** The tensor's dtype's size in bytes. */
export function bytesPerValue(dtype: DataType): number {
  return bytesOf[dtype];
}

/**
 * The header's length, told by the file's first bytes.
 * @param prefix the first 8 bytes, or as many as the file has
 * @throws DcnetError `checkpoint` when the file cannot hold such a header
 */
export function safetensorsHeaderBytes(prefix: Uint8Array, fileBytes: number, file: string): number {
  const fail = (message: string): never => {
    throw new DcnetError({ code: 'checkpoint', message, remedy: damagedRemedy, file });
  };
  if (prefix.length < safetensorsPrefixBytes)
    fail(`The file has only ${fileBytes} bytes, too few for a checkpoint.`);
  const length = new DataView(prefix.buffer, prefix.byteOffset).getBigUint64(0, true);
  if (length > BigInt(longestHeader) || safetensorsPrefixBytes + Number(length) > fileBytes)
    fail(`The file announces a header of ${length} bytes, but has ${fileBytes} bytes in all.`);
  return Number(length);
}

/**
 * Read a header and check that it describes exactly the bytes that follow.
 * @param text the JSON header
 * @param dataBytes bytes in the file after the header
 * @throws DcnetError `checkpoint`, naming the tensor
 */
export function parseSafetensorsHeader(text: string, dataBytes: number, file: string): SafetensorsHeader {
  const fail = (message: string, field?: string, cause?: unknown): never => {
    const details = {
      code: 'checkpoint',
      message,
      remedy: damagedRemedy,
      file,
    } as const;
    throw new DcnetError(field === undefined ? details : { ...details, field }, { cause });
  };
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (thrown) {
    fail('The header is not JSON.', undefined, thrown);
  }
  if (typeof json !== 'object' || json === null || Array.isArray(json))
    fail('The header is not a JSON object.');

  const tensors = new Map<string, TensorEntry>();
  let metadata: Record<string, string> = {};
  for (const [name, value] of Object.entries(json as object)) {
    if (name === '__metadata__') {
      const parsed = metadataSchema.safeParse(value);
      if (!parsed.success) fail('The metadata is not a table of texts.', name);
      metadata = parsed.data!;
      continue;
    }
    const parsed = entrySchema.safeParse(value);
    if (!parsed.success)
      fail(`The entry is not valid: ${z.prettifyError(parsed.error!).replaceAll('\n', ' ')}`, name);
    const { dtype, shape, data_offsets } = parsed.data!;
    const [begin, end] = data_offsets;
    const needed = shape.reduce((a, b) => a * b, 1) * bytesOf[dtype];
    if (end - begin !== needed) {
      fail(`The tensor has ${end - begin} bytes, but ${dtype} [${shape.join(', ')}] needs ${needed}.`, name);
    }
    tensors.set(name, { dtype, shape, begin, end });
  }

  let at = 0;
  for (const [name, { begin, end }] of [...tensors].sort(
    ([, a], [, b]) => a.begin - b.begin || a.end - b.end,
  )) {
    if (begin !== at) fail(`The tensor begins at byte ${begin}, but ${at} is expected.`, name);
    at = end;
  }
  if (at !== dataBytes) fail(`The tensors end at byte ${at}, but the file has ${dataBytes} bytes of them.`);
  return { tensors, metadata };
}

/**
 * The header for tensors stored one after another in the given order. ASCII only and padded with spaces to a
 * multiple of 8, so that its length in characters is its length in bytes and the tensors are aligned.
 */
export function writeSafetensorsHeader(
  tensors: readonly { readonly name: string; readonly dtype: DataType; readonly shape: readonly number[] }[],
  metadata: Readonly<Record<string, string>>,
): string {
  let at = 0;
  const entries: [string, unknown][] = [['__metadata__', metadata]];
  for (const { name, dtype, shape } of tensors) {
    const end = at + shape.reduce((a, b) => a * b, 1) * bytesOf[dtype];
    entries.push([name, { dtype, shape, data_offsets: [at, end] }]);
    at = end;
  }
  const text = JSON.stringify(Object.fromEntries(entries)).replaceAll(
    /[^ -~]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
  return text.padEnd(Math.ceil(text.length / 8) * 8);
}
