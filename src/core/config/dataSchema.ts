import * as z from 'zod';

const folder = (what: string) => z.string().min(1).describe(`${what}, relative to this config.`);
const classNames = z
  .array(z.string().min(1))
  .min(2)
  .max(65536)
  .optional()
  .describe('Names of the classes, in the order of the labels.');

const bundledDataSchema = z.strictObject({
  dataset: z
    .enum(['fashion-mnist-sample'])
    .describe(
      'A data set that comes with the extension: fashion-mnist-sample has 5,000 training and 1,000 test images, 28×28, 10 classes.',
    ),
});
const idxDataSchema = z.strictObject({
  idx: z
    .string()
    .min(1)
    .describe(
      'Folder of IDX files (gzip or not), relative to this config: train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte.',
    ),
  classNames,
});
const cifar10DataSchema = z.strictObject({
  cifar10: folder(
    'Folder of CIFAR-10 in its binary format (data_batch_1.bin to data_batch_5.bin, test_batch.bin, batches.meta.txt)',
  ),
});
const cifar100DataSchema = z.strictObject({
  cifar100: folder(
    'Folder of CIFAR-100 in its binary format (train.bin, test.bin, fine_label_names.txt, coarse_label_names.txt)',
  ),
  labels: z
    .enum(['fine', 'coarse'])
    .default('fine')
    .describe('Which labels are learnt: the 100 classes (fine), or the 20 groups of them (coarse).'),
});
const imagesDataSchema = z.strictObject({
  images: folder(
    'Folder of PNG and JPEG images: train/<class>/… and test/<class>/…, or <class>/… with testShare',
  ),
  size: z
    .tuple([z.int().min(1).max(4096), z.int().min(1).max(4096)])
    .optional()
    .describe(
      'Height and width that every image is brought to: cut in the middle to their proportions, then resized. Left out: all images must be of one size.',
    ),
  color: z.enum(['rgb', 'grey']).default('rgb').describe('Three channels or one (luma of BT.601).'),
  testShare: z
    .number()
    .gt(0)
    .lt(1)
    .optional()
    .describe(
      'For a folder without train and test: this share of each class is held back as test images, always the same ones.',
    ),
});
const npzDataSchema = z.strictObject({
  npz: z
    .string()
    .min(1)
    .describe(
      'NumPy archive, relative to this config, with x_train, y_train, x_test and y_test, as Keras has them: uint8 images [N, H, W] or [N, H, W, C] and integer labels.',
    ),
  classNames,
});
const npyDataSchema = z.strictObject({
  npy: z
    .strictObject({
      trainImages: folder('File of the training images, uint8 [N, H, W] or [N, H, W, C]'),
      trainLabels: folder('File of the training labels, integers [N]'),
      testImages: folder('File of the test images'),
      testLabels: folder('File of the test labels'),
    })
    .describe('Four NumPy arrays, each in a file of its own.'),
  classNames,
});

export const dataSchema = z
  .union([
    bundledDataSchema,
    idxDataSchema,
    cifar10DataSchema,
    cifar100DataSchema,
    imagesDataSchema,
    npzDataSchema,
    npyDataSchema,
  ])
  .describe(
    'The images: a bundled data set (dataset), IDX files (idx), CIFAR’s binary files (cifar10, cifar100), a folder of PNG and JPEG images (images), or NumPy arrays (npz, npy).',
  );

export type DataConfig = z.infer<typeof dataSchema>;
