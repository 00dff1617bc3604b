/** A checkpoint's bytes with its header's JSON changed, and the tensors as they are. */
export function withHeader(
  bytes: Buffer,
  change: (header: Record<string, Record<string, unknown>>) => void,
): Buffer {
  const length = Number(bytes.readBigUInt64LE());
  const header = JSON.parse(bytes.subarray(8, 8 + length).toString());
  change(header);
  const text = Buffer.from(JSON.stringify(header));
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(BigInt(text.length));
  return Buffer.concat([prefix, text, bytes.subarray(8 + length)]);
}
