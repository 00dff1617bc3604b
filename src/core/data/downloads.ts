import type { DataConfig } from '../config/dataSchema.js';

/** A file that is fetched, with the hash that its authors publish. */
export interface DownloadFile {
  readonly name: string;
  readonly url: string;
  readonly hash: { readonly algorithm: 'md5' | 'sha256'; readonly hex: string };
  /** More bytes than this are not taken. */
  readonly mostBytes: number;
}

/** Exactly so many bytes, or at most. */
export type MemberSize = { readonly bytes: number } | { readonly mostBytes: number };
/** What is taken out of an archive, by its path inside; nothing else is. */
export type ArchiveMembers = Readonly<Record<string, MemberSize>>;

/** What files are compared with: the hashes that were published or written down on unpacking, or published sizes alone. */
export const checkedBy = ['hash', 'size'] as const;
export type Checked = (typeof checkedBy)[number];
export interface Downloaded {
  /** Whether anything had to be; else it was there, and was checked. */
  readonly fetched: boolean;
  readonly checked: Checked;
}

export interface Download {
  readonly title: string;
  readonly detail: string;
  readonly files: readonly DownloadFile[];
  /** The one file is a tar.gz archive. */
  readonly members?: ArchiveMembers;
  readonly classNames?: readonly string[];
  readonly kind: 'idx' | 'cifar10' | 'cifar100';
}

export const downloadNames = ['cifar10', 'cifar100', 'mnist', 'fashion-mnist'] as const;
export type DownloadName = (typeof downloadNames)[number];

/** CIFAR’s authors: https://www.cs.toronto.edu/~kriz/cifar.html. */
const toronto = 'https://www.cs.toronto.edu/~kriz';
/** The mirror that PyTorch keeps: yann.lecun.com does not serve the files any more. */
const mnist = 'https://ossci-datasets.s3.amazonaws.com/mnist';
/** https://github.com/zalandoresearch/fashion-mnist. */
const fashionMnist = 'https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion';

const megabytes = (count: number): number => count * 2 ** 20;
const names: MemberSize = { mostBytes: megabytes(1) };
const cifar10 = 'cifar-10-batches-bin';
const cifar100 = 'cifar-100-binary';

function idxFiles(address: string, md5: readonly [string, string, string, string]): readonly DownloadFile[] {
  const names = ['train-images-idx3', 'train-labels-idx1', 't10k-images-idx3', 't10k-labels-idx1'];
  return names.map((stem, i) => ({
    name: `${stem}-ubyte.gz`,
    url: `${address}/${stem}-ubyte.gz`,
    hash: { algorithm: 'md5', hex: md5[i]! },
    mostBytes: megabytes(64),
  }));
}

/** Data sets that can be fetched, each from its official address. */
export const downloads: Readonly<Record<DownloadName, Download>> = {
  cifar10: {
    title: 'CIFAR-10',
    detail: '60,000 colour images 32×32, 10 classes, 162 MiB',
    files: [
      {
        name: 'cifar-10-binary.tar.gz',
        url: `${toronto}/cifar-10-binary.tar.gz`,
        // Its MD5, which the authors publish, is c32a1d4ab5d03f1284b67883e8d87530.
        hash: {
          algorithm: 'sha256',
          hex: 'c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd',
        },
        mostBytes: megabytes(256),
      },
    ],
    members: {
      ...Object.fromEntries(
        [1, 2, 3, 4, 5].map((n) => [`${cifar10}/data_batch_${n}.bin`, { bytes: 30_730_000 }]),
      ),
      [`${cifar10}/test_batch.bin`]: { bytes: 30_730_000 },
      [`${cifar10}/batches.meta.txt`]: names,
    },
    kind: 'cifar10',
  },
  cifar100: {
    title: 'CIFAR-100',
    detail: '60,000 colour images 32×32, 100 classes in 20 groups, 161 MiB',
    files: [
      {
        name: 'cifar-100-binary.tar.gz',
        url: `${toronto}/cifar-100-binary.tar.gz`,
        // Its MD5, which the authors publish, is 03b5dce01913d631647c71ecec9e9cb8.
        hash: {
          algorithm: 'sha256',
          hex: '58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec',
        },
        mostBytes: megabytes(256),
      },
    ],
    members: {
      [`${cifar100}/train.bin`]: { bytes: 153_700_000 },
      [`${cifar100}/test.bin`]: { bytes: 30_740_000 },
      [`${cifar100}/fine_label_names.txt`]: names,
      [`${cifar100}/coarse_label_names.txt`]: names,
    },
    kind: 'cifar100',
  },
  mnist: {
    title: 'MNIST',
    detail: '70,000 grey images 28×28 of handwritten digits, 11 MiB',
    files: idxFiles(mnist, [
      'f68b3c2dcbeaaa9fbdd348bbdeb94873',
      'd53e105ee54ea40749a09fcbcd1e9432',
      '9fb629c4189551a2d022fa330f9573f3',
      'ec29112dd5afa0611ce80d1b7f02629c',
    ]),
    kind: 'idx',
  },
  'fashion-mnist': {
    title: 'Fashion-MNIST',
    detail: '70,000 grey images 28×28 of clothes, 30 MiB',
    files: idxFiles(fashionMnist, [
      '8d4fb7e6c68d591d4c3dfef9ec88bf0d',
      '25c81989df183df01b3e8a0aad5dffbe',
      'bef4ecab320f06d8554ea6380940ec79',
      'bb300cfdad3c16e7a12a480ee83cd310',
    ]),
    classNames: [
      'T-shirt/top',
      'Trouser',
      'Pullover',
      'Dress',
      'Coat',
      'Sandal',
      'Shirt',
      'Sneaker',
      'Bag',
      'Ankle boot',
    ],
    kind: 'idx',
  },
};

/** The `data` of a config for a data set that was fetched to a folder. */
export function downloadedData({ kind }: Pick<Download, 'kind'>, folder: string): DataConfig {
  switch (kind) {
    case 'idx':
      return { idx: folder };
    case 'cifar10':
      return { cifar10: folder };
    case 'cifar100':
      return { cifar100: folder, labels: 'fine' };
  }
}

/** What is told of a data set that lies in a place, and by what that is known. */
export function whereItLies({ title }: Download, { fetched, checked }: Downloaded, place: string): string {
  if (fetched) return `${title} lies in ${place}.`;
  return checked === 'hash'
    ? `${title} lay already in ${place}, as it was published.`
    : `${title} lay already in ${place}. Its files have the sizes that were published; their content could not be checked, for what this download did not unpack has no hashes.`;
}

/** A config to begin with: a small network of decoupled convolutions. */
export function startingConfig(download: Download, folder: string): string {
  const config = {
    data: downloadedData(download, folder),
    operator: { magnitude: 'tanh', angular: 'cosine', radius: 'adaptive' },
    layers: [
      { type: 'conv', filters: 32 },
      { type: 'max-pool' },
      { type: 'conv', filters: 64 },
      { type: 'max-pool' },
      { type: 'conv', filters: 128 },
      { type: 'global-average-pool' },
      { type: 'dense', units: download.kind === 'cifar100' ? 100 : 10 },
    ],
    optimizer: { type: 'adam', learningRate: 0.002 },
    schedule: { type: 'cosine' },
    epochs: 10,
    batch: 100,
    seed: 1,
  };
  return `${JSON.stringify(config, null, 2)}\n`;
}
