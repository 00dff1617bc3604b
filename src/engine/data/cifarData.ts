import { createHash, type Hash } from 'node:crypto';
import path from 'node:path';
import { dataError, listFolder, readClassNames, readWhole, sizeOf } from './dataFiles.js';
import type { LocatedAs } from './location.js';
import type { BothSplits, LoadedSplits, SplitContent, SplitHeader } from './split.js';

type CifarLocation = LocatedAs<'cifar10'> | LocatedAs<'cifar100'>;

const side = 32;
const pixels = side * side;
const channels = 3;
const imageBytes = pixels * channels;
const damaged = 'The file is damaged: download it again (dcnet data get).';

/** How the authors pack a data set (https://www.cs.toronto.edu/~kriz/cifar.html, binary version). */
interface Packing {
  readonly train: readonly string[];
  readonly test: readonly string[];
  readonly names: string;
  /** Bytes before each image, and which of them is the label. */
  readonly labelBytes: number;
  readonly labelAt: number;
  /** The folder inside the authors' archive. */
  readonly inner: string;
}

function packingOf(location: CifarLocation): Packing {
  if (location.kind === 'cifar10')
    return {
      train: [1, 2, 3, 4, 5].map((batch) => `data_batch_${batch}.bin`),
      test: ['test_batch.bin'],
      names: 'batches.meta.txt',
      labelBytes: 1,
      labelAt: 0,
      inner: 'cifar-10-batches-bin',
    };
  return {
    train: ['train.bin'],
    test: ['test.bin'],
    names: location.labels === 'fine' ? 'fine_label_names.txt' : 'coarse_label_names.txt',
    labelBytes: 2,
    labelAt: location.labels === 'fine' ? 1 : 0,
    inner: 'cifar-100-binary',
  };
}

/**
 * The binary files of a folder, or of the folder of the authors' archive inside it.
 * @throws DcnetError `data`: one is missing
 */
export async function findCifarFiles(
  location: CifarLocation,
): Promise<{ readonly train: readonly string[]; readonly test: readonly string[]; readonly names: string }> {
  const { train, test, names, inner } = packingOf(location);
  const remedy = `Correct data.${location.kind} in the config, or fetch the data: dcnet data get ${location.kind}.`;
  let { directory } = location;
  let present = await listFolder(directory, remedy);
  if (present.includes(inner)) {
    directory = path.join(directory, inner);
    present = await listFolder(directory, remedy);
  }
  const missing = [...train, ...test, names].filter((name) => !present.includes(name));
  if (missing.length > 0) throw dataError(directory, `The folder has no file ${missing.join(', ')}.`, remedy);
  const inPlace = (name: string): string => path.join(directory, name);
  return { train: train.map(inPlace), test: test.map(inPlace), names: inPlace(names) };
}

/** Sizes and names, from the files' sizes alone. @throws DcnetError `data`, naming the file */
export async function describeCifar(location: CifarLocation): Promise<BothSplits> {
  const files = await findCifarFiles(location);
  const classNames = await namesIn(files.names);
  const describe = async (parts: readonly string[]): Promise<SplitHeader> => {
    let count = 0;
    for (const file of parts) count += recordsIn(file, await sizeOf(file), packingOf(location));
    return headerOf(count, parts[0]!);
  };
  return {
    train: await describe(files.train),
    test: await describe(files.test),
    classNames,
    namesRemedy: damaged,
  };
}

/** Everything; the hash is that of the binary files, train before test. @throws DcnetError `data`, naming the file */
export async function loadCifar(location: CifarLocation): Promise<LoadedSplits> {
  const files = await findCifarFiles(location);
  const classNames = await namesIn(files.names);
  const hash = createHash('sha256');
  const load = (parts: readonly string[]) => loadSplit(parts, packingOf(location), classNames.length, hash);
  const train = await load(files.train);
  const test = await load(files.test);
  // Fine and coarse labels lie in the same files.
  if (location.kind === 'cifar100') hash.update(location.labels);
  return { train, test, classNames, namesRemedy: damaged, sha256: hash.digest('hex') };
}

async function loadSplit(
  parts: readonly string[],
  { labelBytes, labelAt, ...packing }: Packing,
  classes: number,
  hash: Hash,
): Promise<SplitContent> {
  const counts: number[] = [];
  for (const file of parts)
    counts.push(recordsIn(file, await sizeOf(file), { labelBytes, labelAt, ...packing }));
  const count = counts.reduce((a, b) => a + b, 0);
  const images = new Uint8Array(count * imageBytes);
  const labels = new Uint8Array(count);
  let image = 0;
  for (const [part, file] of parts.entries()) {
    const bytes = await readWhole(file);
    hash.update(bytes);
    for (let record = 0; record < counts[part]!; record++, image++) {
      const at = record * (labelBytes + imageBytes);
      const label = bytes[at + labelAt]!;
      if (label >= classes)
        throw dataError(
          file,
          `Record ${record} has the label ${label}, but there are ${classes} classes.`,
          damaged,
        );
      labels[image] = label;
      interleave(bytes.subarray(at + labelBytes, at + labelBytes + imageBytes), images, image * imageBytes);
    }
  }
  return { ...headerOf(count, parts[0]!), images, labels };
}

/** Planes of red, green and blue [C, H, W] to pixels [H, W, C]. */
function interleave(planes: Uint8Array, to: Uint8Array, at: number): void {
  for (let channel = 0; channel < channels; channel++)
    for (let pixel = 0; pixel < pixels; pixel++)
      to[at + pixel * channels + channel] = planes[channel * pixels + pixel]!;
}

function recordsIn(file: string, bytes: number, { labelBytes }: Packing): number {
  const record = labelBytes + imageBytes;
  if (bytes === 0 || bytes % record !== 0)
    throw dataError(
      file,
      `The file has ${bytes.toLocaleString('en')} bytes, which is not a whole number of records of ${record.toLocaleString('en')} bytes.`,
      damaged,
    );
  return bytes / record;
}

async function namesIn(file: string): Promise<readonly string[]> {
  const names = await readClassNames(file, damaged);
  if (names === undefined) throw dataError(file, 'There is no such file.', damaged);
  return names;
}

/** The labels are checked record by record, where the images are read. */
function headerOf(count: number, file: string): SplitHeader {
  return {
    dimensions: [count, side, side, channels],
    labelCount: count,
    largestLabel: 0,
    files: [file, file],
  };
}
