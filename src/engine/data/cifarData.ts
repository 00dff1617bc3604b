import { createHash, type Hash } from 'node:crypto';
import path from 'node:path';
import { CifarImages, cifarChannels, cifarImageBytes, cifarSide, interleave } from './cifarImages.js';
import { dataError, listFolder, readClassNames, sizeOf } from './dataFiles.js';
import { FileImages, inPieces } from './fileImages.js';
import type { LocatedAs } from './location.js';
import { areHeldInMemory, type Reading, readingStep } from './reading.js';
import type { BothSplits, LoadedSplits, SplitContent, SplitHeader } from './split.js';

type CifarLocation = LocatedAs<'cifar10'> | LocatedAs<'cifar100'>;

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

/**
 * Everything; the hash is that of the binary files, train before test.
 * @throws DcnetError `data`, naming the file; `cancelled`
 */
export async function loadCifar(location: CifarLocation, reading: Reading): Promise<LoadedSplits> {
  const files = await findCifarFiles(location);
  const described = await describeCifar(location);
  const count = described.train.labelCount + described.test.labelCount;
  const loading = {
    packing: packingOf(location),
    classes: described.classNames!.length,
    inMemory: areHeldInMemory(reading, count * cifarImageBytes),
    step: readingStep(reading, count),
    hash: createHash('sha256'),
  };
  const train = await loadSplit(files.train, described.train, loading);
  const test = await loadSplit(files.test, described.test, loading);
  // Fine and coarse labels lie in the same files.
  if (location.kind === 'cifar100') loading.hash.update(location.labels);
  return { ...described, train, test, sha256: loading.hash.digest('hex') };
}

interface Loading {
  readonly packing: Packing;
  readonly classes: number;
  readonly inMemory: boolean;
  readonly step: (images: number) => Promise<void>;
  readonly hash: Hash;
}

async function loadSplit(
  parts: readonly string[],
  header: SplitHeader,
  { packing: { labelBytes, labelAt }, classes, inMemory, step, hash }: Loading,
): Promise<SplitContent> {
  const recordBytes = labelBytes + cifarImageBytes;
  const labels = new Uint8Array(header.labelCount);
  const images = new Uint8Array(inMemory ? labels.length * cifarImageBytes : 0);
  const onDisk: FileImages[] = [];
  let image = 0;
  for (const file of parts) {
    const first = image;
    const records = new FileImages(file, 0, await sizeOf(file));
    for await (const piece of inPieces(records, recordBytes)) {
      hash.update(piece);
      for (let at = 0; at < piece.length; at += recordBytes, image++) {
        const label = piece[at + labelAt]!;
        if (label >= classes)
          throw dataError(
            file,
            `Record ${image - first} has the label ${label}, but there are ${classes} classes.`,
            damaged,
          );
        labels[image] = label;
        if (inMemory)
          interleave(piece.subarray(at + labelBytes, at + recordBytes), images, image * cifarImageBytes);
      }
      await step(piece.length / recordBytes);
    }
    if (inMemory) records.close();
    else onDisk.push(records);
  }
  return { ...header, images: inMemory ? images : new CifarImages(onDisk, labelBytes), labels };
}

function recordsIn(file: string, bytes: number, { labelBytes }: Packing): number {
  const record = labelBytes + cifarImageBytes;
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
    dimensions: [count, cifarSide, cifarSide, cifarChannels],
    labelCount: count,
    largestLabel: 0,
    files: [file, file],
  };
}
