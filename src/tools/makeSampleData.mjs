#!/usr/bin/env node
// Makes the bundled data set media/fashion-mnist-sample from Debian's `dataset-fashion-mnist`: classes balanced, images
// chosen by a fixed seed, so that running this again gives the same bytes. Run by hand; its output is committed.
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { gunzipSync, gzipSync } from 'node:zlib';
import { uniformInt } from 'pure-rand/distribution/uniformInt';
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';
import { fromRoot } from './paths.mjs';

const { values: options } = parseArgs({
  options: {
    source: { type: 'string', default: '/usr/share/datasets/fashion-mnist' },
    copyright: { type: 'string', default: '/usr/share/doc/dataset-fashion-mnist/copyright' },
    target: { type: 'string', default: fromRoot('media/fashion-mnist-sample') },
  },
});

const seed = 20180618;
const imageSide = 28;
const largestTotalBytes = 4_000_000;
const classNames = [
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
];
const splits = [
  { name: 'train', imagesPerClass: 500 },
  { name: 't10k', imagesPerClass: 100 },
];

/**
 * @param {string} name
 * @param {number} headerBytes
 */
async function readIdx(name, headerBytes) {
  const bytes = gunzipSync(await readFile(path.join(options.source, `${name}.gz`)));
  return { header: bytes.subarray(0, headerBytes), body: bytes.subarray(headerBytes) };
}

/**
 * An IDX header of unsigned bytes.
 * @param {readonly number[]} dimensions
 */
function idxHeader(dimensions) {
  const header = Buffer.alloc(4 + 4 * dimensions.length);
  header.writeUInt32BE(0x0800 + dimensions.length, 0);
  dimensions.forEach((size, i) => {
    header.writeUInt32BE(size, 4 + 4 * i);
  });
  return header;
}

/**
 * The places of `count` labels equal to `label`, drawn without replacement.
 * @param {Buffer} labels
 * @param {number} label
 * @param {number} count
 * @param {import('pure-rand/types/RandomGenerator').RandomGenerator} random
 */
function drawClass(labels, label, count, random) {
  const places = [...labels.keys()].filter((i) => labels[i] === label);
  for (let i = 0; i < count; i++) {
    const j = uniformInt(random, i, places.length - 1);
    [places[i], places[j]] = [places[j], places[i]];
  }
  return places.slice(0, count);
}

await mkdir(options.target, { recursive: true });
const random = xoroshiro128plus(seed);
const imageBytes = imageSide * imageSide;
let total = 0;

for (const { name, imagesPerClass } of splits) {
  const images = await readIdx(`${name}-images-idx3-ubyte`, 16);
  const labels = await readIdx(`${name}-labels-idx1-ubyte`, 8);
  // In the order of the original files, so that the classes stay mixed.
  const chosen = classNames
    .flatMap((_, label) => drawClass(labels.body, label, imagesPerClass, random))
    .sort((a, b) => a - b);
  const files = {
    [`${name}-images-idx3-ubyte.gz`]: [
      idxHeader([chosen.length, imageSide, imageSide]),
      ...chosen.map((i) => images.body.subarray(i * imageBytes, (i + 1) * imageBytes)),
    ],
    [`${name}-labels-idx1-ubyte.gz`]: [
      idxHeader([chosen.length]),
      Buffer.from(chosen.map((i) => labels.body[i])),
    ],
  };
  for (const [file, parts] of Object.entries(files)) {
    const packed = gzipSync(Buffer.concat(parts), { level: 9 });
    // The header's operating system byte would differ from machine to machine.
    packed[9] = 255;
    total += packed.length;
    await writeFile(path.join(options.target, file), packed);
  }
}
if (total > largestTotalBytes) throw new Error(`The sample has ${total} bytes, over ${largestTotalBytes}.`);

const copyright = await readFile(options.copyright, 'utf8');
// Debian's machine-readable form: each line starts with a space and an empty one is a dot.
const licence = copyright
  .slice(copyright.indexOf('Permission is hereby granted') - 1)
  .split('\n')
  .map((line) => line.replace(/^ \.?/, '').trimEnd())
  .join('\n')
  .trim();

await writeFile(path.join(options.target, 'labels.txt'), `${classNames.join('\n')}\n`);
await writeFile(
  path.join(options.target, 'README.md'),
  `# Fashion-MNIST sample

5,000 training and 1,000 test images of Fashion-MNIST (28×28, grey, 10 classes), 500 and 100 of each class, drawn without
replacement by a fixed seed (${seed}) from the training and the test split. IDX files, gzip.

- Source: https://github.com/zalandoresearch/fashion-mnist, as packaged by Debian in \`dataset-fashion-mnist\`
- Paper: Han Xiao, Kashif Rasul, Roland Vollgraf: Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning
  Algorithms, arXiv 1708.07747
- Made by: \`node src/tools/makeSampleData.mjs\`, which gives these bytes again
- Numbers measured on this sample are not comparable with published ones, which use all 70,000 images.

## Licence (MIT)

Copyright (c) 2017 Zalando SE, https://tech.zalando.com

${licence}
`,
);
console.log(`${options.target}: ${total} bytes of images and labels`);
