import { writeFile } from 'node:fs/promises';
import path from 'node:path';

/**
 * Write a small data set in CIFAR's binary format.
 * @returns each file's bytes
 */
export async function writeTinyCifar(
  directory: string,
  kind: 'cifar10' | 'cifar100',
): Promise<{ readonly records: Readonly<Record<string, Buffer>> }> {
  const files: Record<string, number> =
    kind === 'cifar10'
      ? { ...Object.fromEntries([1, 2, 3, 4, 5].map((n) => [`data_batch_${n}.bin`, 4])), 'test_batch.bin': 6 }
      : { 'train.bin': 20, 'test.bin': 6 };
  const records: Record<string, Buffer> = {};
  let state = 7;
  const next = (): number => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
    return state >> 16;
  };
  for (const [name, count] of Object.entries(files)) {
    const record = kind === 'cifar10' ? 3073 : 3074;
    const bytes = Buffer.from(Uint8Array.from({ length: count * record }, next));
    for (let i = 0; i < count; i++) {
      const fine = next() % (kind === 'cifar10' ? 10 : 100);
      if (kind === 'cifar100') bytes[i * record] = Math.floor(fine / 5);
      bytes[i * record + (kind === 'cifar10' ? 0 : 1)] = fine;
    }
    records[name] = bytes;
    await writeFile(path.join(directory, name), bytes);
  }
  const names = (count: number): string =>
    `${Array.from({ length: count }, (_, i) => `class ${i}`).join('\n')}\n\n`;
  if (kind === 'cifar10') await writeFile(path.join(directory, 'batches.meta.txt'), names(10));
  else {
    await writeFile(path.join(directory, 'fine_label_names.txt'), names(100));
    await writeFile(path.join(directory, 'coarse_label_names.txt'), names(20));
  }
  return { records };
}
