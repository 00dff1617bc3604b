import { createHash } from 'node:crypto';
import { dataError, fileStamps, readWhole } from './dataFiles.js';
import { decodeImage } from './decodeImage.js';
import { FileImages, hashImages } from './fileImages.js';
import { type FolderImage, type ImageFolder, listImageFolder } from './imageFolder.js';
import type { LocatedAs } from './location.js';
import { packImages } from './packedImages.js';
import { areHeldInMemory, type Reading, readingStep } from './reading.js';
import { resize } from './resize.js';
import {
  type BothSplits,
  hashHeader,
  type ImageBytes,
  type LoadedSplits,
  labelsOf,
  type SplitHeader,
} from './split.js';

type ImagesLocation = LocatedAs<'images'>;

const namesRemedy = 'Give train and test the same classes.';

/** Sizes and names, from the names of the files and the first image. @throws DcnetError `data`, naming the file */
export async function describeImages(location: ImagesLocation): Promise<BothSplits> {
  const folder = await listImageFolder(location);
  return bothSplits(location, folder, await shapeOf(location, folder));
}

/**
 * Everything; the hash is that of sizes, labels and decoded images, train before test. What is not held in memory is
 * decoded to the disk.
 * @throws DcnetError `data`, naming the file; `cancelled`
 */
export async function loadImages(location: ImagesLocation, reading: Reading = {}): Promise<LoadedSplits> {
  const folder = await listImageFolder(location);
  const shape = await shapeOf(location, folder);
  const described = bothSplits(location, folder, shape);
  const size = shape[0] * shape[1] * shape[2];
  const [trainBytes, testBytes] = [folder.train.length * size, folder.test.length * size];
  const images = [...folder.train, ...folder.test];
  const { train, test } = areHeldInMemory(reading, trainBytes + testBytes)
    ? await inMemory(location, images, shape, trainBytes, reading)
    : await onDisk(location, images, shape, [trainBytes, testBytes], reading);
  const labels = {
    train: labelsOf(folder.train.map(({ label }) => label)),
    test: labelsOf(folder.test.map(({ label }) => label)),
  };
  const hash = createHash('sha256');
  hashHeader(hash, described.train, labels.train);
  hashHeader(hash, described.test, labels.test);
  const step = readingStep(reading, images.length);
  for (const bytes of [train, test]) await hashImages(hash, bytes, size, step);
  return {
    ...described,
    train: { ...described.train, images: train, labels: labels.train },
    test: { ...described.test, images: test, labels: labels.test },
    sha256: hash.digest('hex'),
  };
}

type Shape = readonly [height: number, width: number, channels: number];
interface BothBytes {
  readonly train: ImageBytes;
  readonly test: ImageBytes;
}

async function inMemory(
  location: ImagesLocation,
  images: readonly FolderImage[],
  shape: Shape,
  trainBytes: number,
  reading: Reading,
): Promise<BothBytes> {
  const step = readingStep(reading, images.length);
  const values = new Uint8Array(images.length * shape[0] * shape[1] * shape[2]);
  let at = 0;
  for (const { file } of images) {
    const decoded = await read(location, file, shape);
    values.set(decoded, at);
    at += decoded.length;
    await step();
  }
  return { train: values.subarray(0, trainBytes), test: values.subarray(trainBytes) };
}

async function onDisk(
  location: ImagesLocation,
  images: readonly FolderImage[],
  shape: Shape,
  [trainBytes, testBytes]: readonly [number, number],
  reading: Reading,
): Promise<BothBytes> {
  const step = readingStep(reading, images.length);
  const { directory, color, testShare } = location;
  const key = JSON.stringify([await fileStamps(images.map(({ file }) => file)), shape, color, testShare]);
  const file = await packImages(directory, key, trainBytes + testBytes, async (append) => {
    for (const image of images) {
      await append(await read(location, image.file, shape));
      await step();
    }
  });
  const remedy = 'Delete it: it is made again.';
  return {
    train: new FileImages(file, 0, trainBytes, remedy),
    test: new FileImages(file, trainBytes, testBytes, remedy),
  };
}

async function read({ size, color }: ImagesLocation, file: string, shape: Shape): Promise<Uint8Array> {
  const decoded = decodeImage(await readWhole(file), color, file);
  if (size !== undefined) return resize(decoded, size).values;
  if (decoded.height !== shape[0] || decoded.width !== shape[1])
    throw dataError(
      file,
      `The image is ${decoded.height}×${decoded.width}, but the first one ${shape[0]}×${shape[1]}.`,
      `Set data.size in the config, for instance "size": [${shape[0]}, ${shape[1]}]: each image is brought to it.`,
    );
  return decoded.values;
}

async function shapeOf({ size, color, directory }: ImagesLocation, { train }: ImageFolder): Promise<Shape> {
  const channels = color === 'rgb' ? 3 : 1;
  if (size !== undefined) return [...size, channels];
  const first = train[0];
  if (first === undefined) throw dataError(directory, 'The folder has no training image.', 'Fill it.');
  const { height, width } = decodeImage(await readWhole(first.file), color, first.file);
  return [height, width, channels];
}

function bothSplits(
  { directory }: ImagesLocation,
  { train, test, classNames }: ImageFolder,
  shape: Shape,
): BothSplits {
  const describe = (images: readonly FolderImage[], name: string): SplitHeader => {
    if (images.length === 0) throw dataError(directory, `The folder has no ${name} image.`, 'Fill it.');
    return {
      dimensions: [images.length, ...shape],
      labelCount: images.length,
      largestLabel: 0,
      files: [directory, directory],
    };
  };
  return { train: describe(train, 'training'), test: describe(test, 'test'), classNames, namesRemedy };
}
