import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { dataError, fileError, readWhole, sizeOf } from './dataFiles.js';
import type { LocatedAs } from './location.js';
import { mostNpyHeaderBytes, parseNpy, parseNpyImagesHeader, parseNpyLabels } from './npy.js';
import {
  type BothSplits,
  hashHeader,
  type LoadedSplits,
  labelsOf,
  largestOf,
  type SplitContent,
  type SplitHeader,
} from './split.js';
import { withZip } from './zipMembers.js';

type NumpyLocation = LocatedAs<'npz'> | LocatedAs<'npy'>;

/** An array, wherever it lies. */
interface StoredArray {
  /** For messages: the file, and where it is one of several in it its name. */
  readonly place: string;
  readonly bytes: number;
  read(most?: number): Promise<Uint8Array>;
}
type Part = 'trainImages' | 'trainLabels' | 'testImages' | 'testLabels';
type Arrays = Readonly<Record<Part, StoredArray>>;

const namesRemedy = 'Name every class in data.classNames of the config.';
/** As Keras names the arrays of its data sets. */
const members: Readonly<Record<Part, string>> = {
  trainImages: 'x_train.npy',
  trainLabels: 'y_train.npy',
  testImages: 'x_test.npy',
  testLabels: 'y_test.npy',
};

/** Shapes and labels. @throws DcnetError `data`, naming the file */
export function describeNumpy(location: NumpyLocation): Promise<BothSplits> {
  return withArrays(location, async ({ trainImages, trainLabels, testImages, testLabels }) => ({
    train: (await describeSplit(trainImages, trainLabels)).header,
    test: (await describeSplit(testImages, testLabels)).header,
    classNames: undefined,
    namesRemedy,
  }));
}

/** Everything; the hash is that of sizes, labels and images, train before test. @throws DcnetError `data`, naming the file */
export function loadNumpy(location: NumpyLocation): Promise<LoadedSplits> {
  return withArrays(location, async ({ trainImages, trainLabels, testImages, testLabels }) => {
    const hash = createHash('sha256');
    const load = async (images: StoredArray, labels: StoredArray): Promise<SplitContent> => {
      const { header, numbers } = await describeSplit(images, labels);
      const { values } = parseNpy(await images.read(), images.place);
      const content = { ...header, images: values as Uint8Array, labels: labelsOf(numbers) };
      hashHeader(hash, content, content.labels);
      hash.update(content.images);
      return content;
    };
    const train = await load(trainImages, trainLabels);
    const test = await load(testImages, testLabels);
    return { train, test, classNames: undefined, namesRemedy, sha256: hash.digest('hex') };
  });
}

async function describeSplit(
  images: StoredArray,
  labels: StoredArray,
): Promise<{ readonly header: SplitHeader; readonly numbers: readonly number[] }> {
  const start = await images.read(Math.min(images.bytes, mostNpyHeaderBytes));
  const [count, height, width, channels = 1] = parseNpyImagesHeader(start, images.bytes, images.place) as [
    number,
    number,
    number,
    number?,
  ];
  const numbers = parseNpyLabels(await labels.read(), labels.place);
  return {
    header: {
      dimensions: [count, height, width, channels],
      labelCount: numbers.length,
      largestLabel: largestOf(numbers),
      files: [images.place, labels.place],
    },
    numbers,
  };
}

async function withArrays<T>(location: NumpyLocation, work: (arrays: Arrays) => Promise<T>): Promise<T> {
  if (location.kind === 'npy') {
    const { trainImages, trainLabels, testImages, testLabels } = location.files;
    return work({
      trainImages: await arrayFile(trainImages),
      trainLabels: await arrayFile(trainLabels),
      testImages: await arrayFile(testImages),
      testLabels: await arrayFile(testLabels),
    });
  }
  const { file } = location;
  return withZip(file, (found) => {
    const member = (part: Part): StoredArray => {
      const name = members[part];
      const entry = found.get(name);
      if (entry === undefined)
        throw dataError(
          file,
          `The archive has no array ${name.replace('.npy', '')}, but ${[...found.keys()].map((key) => key.replace('.npy', '')).join(', ') || 'none'}.`,
          'Save it with numpy.savez_compressed(file, x_train=…, y_train=…, x_test=…, y_test=…).',
        );
      return { place: `${file} (${name})`, bytes: entry.bytes, read: (most) => entry.read(most) };
    };
    return work({
      trainImages: member('trainImages'),
      trainLabels: member('trainLabels'),
      testImages: member('testImages'),
      testLabels: member('testLabels'),
    });
  });
}

async function arrayFile(file: string): Promise<StoredArray> {
  return {
    place: file,
    bytes: await sizeOf(file),
    read: (most) => (most === undefined ? readWhole(file) : readStart(file, most)),
  };
}

async function readStart(file: string, most: number): Promise<Uint8Array> {
  try {
    const handle = await open(file);
    try {
      const { buffer, bytesRead } = await handle.read(new Uint8Array(most), 0, most, 0);
      return buffer.subarray(0, bytesRead);
    } finally {
      await handle.close();
    }
  } catch (thrown) {
    throw fileError(file, thrown);
  }
}
