import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { shuffledOrder } from '../../core/random.js';
import { dataError, fileError, listFolder } from './dataFiles.js';
import type { LocatedAs } from './location.js';

/** An image file and its class. */
export interface FolderImage {
  readonly file: string;
  readonly label: number;
}

/** The images of a folder, in the order of their classes' and their own names. */
export interface ImageFolder {
  readonly classNames: readonly string[];
  readonly train: readonly FolderImage[];
  readonly test: readonly FolderImage[];
}

const mostClasses = 65536;
const layouts = 'Use train/<class>/… and test/<class>/…, or <class>/… and data.testShare in the config.';
/** What file managers leave behind. */
const litter = /^(\..*|Thumbs\.db|desktop\.ini)$/i;

/**
 * List a folder of images: a folder a class, under `train` and `test` or with a share held back for the test.
 * @throws DcnetError `data`: another layout, an empty class, a file that is no image
 */
export async function listImageFolder({ directory, testShare }: LocatedAs<'images'>): Promise<ImageFolder> {
  const remedy = 'Correct data.images in the config: a folder, relative to the config.';
  const names = await listFolder(directory, remedy);
  const hasSplits = names.includes('train') && names.includes('test');
  if (hasSplits && testShare !== undefined)
    throw dataError(
      directory,
      'The folder has train and test already, so no share of it is held back.',
      'Take data.testShare out of the config.',
    );
  if (!hasSplits && testShare === undefined)
    throw dataError(directory, 'The folder has not both train and test in it.', layouts);
  if (!hasSplits) return holdBack(directory, await listClasses(directory), testShare!);

  const [train, test] = [
    await listClasses(path.join(directory, 'train')),
    await listClasses(path.join(directory, 'test')),
  ];
  const classNames = [...train.keys()];
  const stranger = [...test.keys()].find((name) => !train.has(name));
  if (stranger !== undefined)
    throw dataError(
      path.join(directory, 'test', stranger),
      `The test images have a class ${stranger}, which the training images do not have.`,
      'Give train and test the same classes.',
    );
  const flatten = (of: ReadonlyMap<string, readonly string[]>): FolderImage[] =>
    classNames.flatMap((name, label) => (of.get(name) ?? []).map((file) => ({ file, label })));
  return { classNames, train: flatten(train), test: flatten(test) };
}

/** The same images every time, of each class its share: at least one, and never all. */
function holdBack(
  directory: string,
  classes: ReadonlyMap<string, readonly string[]>,
  testShare: number,
): ImageFolder {
  const train: FolderImage[] = [];
  const test: FolderImage[] = [];
  [...classes].forEach(([name, files], label) => {
    if (files.length < 2)
      throw dataError(
        path.join(directory, name),
        'The class has one image only: too few to hold a test image back.',
        'Add images to it, or delete its folder.',
      );
    const held = Math.min(files.length - 1, Math.max(1, Math.round(testShare * files.length)));
    const chosen = new Set(shuffledOrder(files.length, 0, `test images of ${name}`).subarray(0, held));
    files.forEach((file, i) => void (chosen.has(i) ? test : train).push({ file, label }));
  });
  return { classNames: [...classes.keys()], train, test };
}

/** Files by class; both in the order of their names' code units, which is the same on every machine. */
async function listClasses(directory: string): Promise<ReadonlyMap<string, readonly string[]>> {
  const classes = new Map<string, readonly string[]>();
  for (const name of await visible(directory)) {
    const folder = path.join(directory, name);
    if (!(await isFolder(folder)))
      throw dataError(folder, 'There is a file beside the classes’ folders.', layouts);
    const files = (await visible(folder)).map((file) => path.join(folder, file));
    const other = files.find((file) => !/\.(png|jpe?g)$/i.test(file));
    if (other !== undefined)
      throw dataError(other, 'The file is no PNG or JPEG by its name.', 'Convert it, or move it elsewhere.');
    if (files.length === 0)
      throw dataError(folder, 'The class has no image.', 'Delete its folder, or fill it.');
    classes.set(name, files);
  }
  if (classes.size > mostClasses)
    throw dataError(directory, `There are ${classes.size} classes.`, `Use at most ${mostClasses}.`);
  return classes;
}

async function visible(directory: string): Promise<readonly string[]> {
  try {
    return (await readdir(directory)).filter((name) => !litter.test(name)).sort();
  } catch (thrown) {
    throw fileError(directory, thrown);
  }
}

async function isFolder(place: string): Promise<boolean> {
  try {
    return (await stat(place)).isDirectory();
  } catch (thrown) {
    throw fileError(place, thrown);
  }
}
