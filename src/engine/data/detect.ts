import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import type { DataConfig } from '../../core/config/dataSchema.js';
import { requireConfig } from '../../core/config/parse.js';
import { dataError, fileError, listFolder } from './dataFiles.js';
import { type DataLocation, locateData } from './location.js';

/**
 * The data that a place names: a config, a folder of one of the kinds, or a NumPy archive.
 * @throws DcnetError `config`, or `data` where nothing is recognised
 */
export async function locatePlace(place: string, mediaDirectory: string): Promise<DataLocation> {
  const absolute = path.resolve(place);
  if (await isFolder(absolute)) return locateData(await kindOf(absolute), '/', mediaDirectory);
  if (absolute.endsWith('.npz')) return locateData({ npz: absolute }, '/', mediaDirectory);
  if (!absolute.endsWith('.json'))
    throw dataError(absolute, 'The file is neither a config nor a NumPy archive.', remedy);
  const { config } = requireConfig(await readFile(absolute, 'utf8'), absolute);
  return locateData(config.data, path.dirname(absolute), mediaDirectory);
}

const remedy =
  'Name a config (*.dcnet.json), a folder of IDX files, of CIFAR’s binary files or of images (train/<class>/…, test/<class>/…), or an .npz file.';

async function kindOf(folder: string): Promise<DataConfig> {
  const names = await listFolder(folder, remedy);
  if (names.some((name) => /^train-images[-.]idx3-ubyte(\.gz)?$/.test(name))) return { idx: folder };
  if (names.includes('data_batch_1.bin') || names.includes('cifar-10-batches-bin'))
    return { cifar10: folder };
  if (names.includes('train.bin') || names.includes('cifar-100-binary'))
    return { cifar100: folder, labels: 'fine' };
  if (names.includes('train') && names.includes('test')) return { images: folder, color: 'rgb' };
  throw dataError(folder, 'The folder holds no data set of a known kind.', remedy);
}

async function isFolder(place: string): Promise<boolean> {
  try {
    return (await stat(place)).isDirectory();
  } catch (thrown) {
    throw fileError(place, thrown);
  }
}
