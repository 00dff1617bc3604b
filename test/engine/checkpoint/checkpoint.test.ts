import { execFileSync, spawnSync } from 'node:child_process';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  encodeCheckpoint,
  readCheckpoint,
  readCheckpointMetadata,
  writeCheckpoint,
} from '../../../src/engine/checkpoint/checkpoint.js';
import { dataOf, openCheckpoint } from '../../../src/engine/checkpoint/openCheckpoint.js';
import { DataStore } from '../../../src/engine/data/dataStore.js';
import { testBackend } from '../backends.js';
import { temporaryFolder } from '../data/tinyData.js';
import { mediaDirectory, TinyProject } from '../training/support.js';
import { withHeader } from './header.js';

let project: TinyProject;
let file: string;
let bytes: Buffer;

beforeAll(async () => {
  project = await TinyProject.create();
  const { runDirectory, summary } = await project.train({}, { name: 'a' });
  file = path.join(runDirectory, summary.checkpoint!);
  bytes = await readFile(file);
});

async function save(contents: Buffer): Promise<string> {
  const spoilt = path.join(await temporaryFolder(), 'a.dcnet.safetensors');
  await writeFile(spoilt, contents);
  return spoilt;
}

describe('a checkpoint', () => {
  it('says what it is of', async () => {
    const metadata = await readCheckpointMetadata(file);
    expect(metadata).toEqual((await readCheckpoint(file)).metadata);
    expect(metadata).toMatchObject({
      configText: project.request().configText,
      step: 12,
      epoch: 3,
      backend: testBackend,
      data: { name: 'data', shape: [8, 8, 1], classNames: ['0', '1', '2', '3'] },
    });
    expect(metadata.config.batch).toBe(16);
    expect(metadata.metrics.testAccuracy).toBeGreaterThan(0);
  });

  it('is written as it is read, to the last byte', async () => {
    const { checkpoint, network, model } = await openCheckpoint(file);
    model.dispose();
    const again = encodeCheckpoint(checkpoint.metadata, network, checkpoint.tensors);
    expect(again.equals(bytes)).toBe(true);
    const copy = path.join(await temporaryFolder(), 'copy.dcnet.safetensors');
    await writeCheckpoint(copy, again);
    expect(await readdir(path.dirname(copy))).toEqual(['copy.dcnet.safetensors']);
    expect((await readFile(copy)).equals(bytes)).toBe(true);
  });

  it('gives its network and data back, and no tensor stays when they go', async () => {
    const before = tf.memory().numTensors;
    const { checkpoint, network, model } = await openCheckpoint(file);
    expect(network.layers.map(({ name }) => name)).toEqual([
      'conv1',
      'conv2',
      'global-average-pool1',
      'dense1',
    ]);
    const kernel = model.tensors.get('conv2/kernel')!;
    expect([...kernel.dataSync()]).toEqual([...checkpoint.tensors.get('conv2/kernel')!.values]);
    expect((await dataOf(checkpoint, mediaDirectory, new DataStore())).info.trainImages).toBe(60);
    model.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });

  it('that cannot be written is told', async () => {
    await expect(writeCheckpoint(path.join(file, 'below-a-file'), bytes)).rejects.toMatchObject({
      details: { code: 'io', file: path.join(file, 'below-a-file') },
    });
  });
});

describe('Python’s safetensors', () => {
  const python = spawnSync('python3', ['-c', 'import safetensors.numpy']);
  const reason = 'python3 with the modules safetensors and numpy is not here';

  it('loads a checkpoint as it is', async ({ skip }) => {
    skip(python.status !== 0, reason);
    const script = `
import json, sys
from safetensors import safe_open
with safe_open(sys.argv[1], framework="np") as f:
    tensors = {name: f.get_tensor(name) for name in f.keys()}
    print(json.dumps({
        "metadata": f.metadata(),
        "tensors": {name: [str(t.dtype), list(t.shape), t.ravel().astype(float).tolist()] for name, t in tensors.items()},
    }))`;
    const read = JSON.parse(execFileSync('python3', ['-c', script, file], { encoding: 'utf8' })) as {
      metadata: Record<string, string>;
      tensors: Record<string, [string, number[], number[]]>;
    };
    const { tensors } = await readCheckpoint(file);
    expect(Object.keys(read.tensors).sort()).toEqual([...tensors.keys()].sort());
    for (const [name, { shape, values }] of tensors)
      expect(read.tensors[name]).toEqual(['float32', [...shape], [...values]]);
    expect(read.metadata).toMatchObject({ format: 'dcnet-checkpoint', step: '12', epoch: '3', seed: '1' });
    expect(JSON.parse(read.metadata.network!)).toMatchObject({ classes: 4, inputShape: [8, 8, 1] });
  });
});

describe('a damaged checkpoint', () => {
  const kernel = 'conv1/kernel';

  it.each<[string, () => Buffer, string | undefined, RegExp]>([
    ['is cut off', () => bytes.subarray(0, bytes.length - 4), undefined, /tensors end at byte/],
    ['is cut off in its header', () => bytes.subarray(0, 100), undefined, /announces a header/],
    ['is almost empty', () => bytes.subarray(0, 5), undefined, /only 5 bytes/],
    [
      'has a header that is no text',
      () => Buffer.concat([bytes.subarray(0, 8), Buffer.alloc(bytes.length - 8, 0xff)]),
      undefined,
      /not UTF-8/,
    ],
    [
      'is another safetensors file',
      () => withHeader(bytes, (h) => delete h.__metadata__),
      '__metadata__',
      /not a checkpoint/,
    ],
    [
      'is of another format',
      () => withHeader(bytes, (h) => Object.assign(h.__metadata__!, { formatVersion: '99' })),
      '__metadata__',
      /format 99/,
    ],
    [
      'has a step that is none',
      () => withHeader(bytes, (h) => Object.assign(h.__metadata__!, { step: 'x' })),
      '__metadata__',
      /step/,
    ],
    [
      'has a config that is not JSON',
      () => withHeader(bytes, (h) => Object.assign(h.__metadata__!, { config: '{' })),
      '__metadata__',
      /config is not JSON/,
    ],
    [
      'has a config of another network',
      () =>
        withHeader(bytes, (h) => {
          const config = JSON.parse(h.__metadata__!.config as string);
          config.layers[0].filters = 4096;
          Object.assign(h.__metadata__!, { config: JSON.stringify(config) });
        }),
      kernel,
      /\[3, 3, 1, 4\], but the network’s is \[3, 3, 1, 4096\]/,
    ],
    [
      'has a config that does not fit',
      () =>
        withHeader(bytes, (h) => {
          const config = JSON.parse(h.__metadata__!.config as string);
          config.layers.pop();
          Object.assign(h.__metadata__!, { config: JSON.stringify(config) });
        }),
      '__metadata__',
      /config in the checkpoint is not valid/,
    ],
    [
      'lacks a tensor',
      () =>
        withHeader(bytes, (h) => {
          h['conv1/other'] = h[kernel]!;
          delete h[kernel];
        }),
      kernel,
      /lacks this tensor/,
    ],
    [
      'has a tensor too many',
      () =>
        withHeader(bytes, (h) => {
          h['conv9/kernel'] = { dtype: 'F32', shape: [0], data_offsets: [0, 0] };
        }),
      'conv9/kernel',
      /no such tensor/,
    ],
    [
      'has a tensor of another type',
      () => withHeader(bytes, (h) => Object.assign(h[kernel]!, { dtype: 'I32' })),
      kernel,
      /int32/,
    ],
    [
      'has a tensor of a type that we do not know',
      () => withHeader(bytes, (h) => Object.assign(h[kernel]!, { dtype: 'U32' })),
      kernel,
      /U32/,
    ],
    [
      'has a weight that is not finite',
      () => {
        const spoilt = Buffer.from(bytes);
        const dataAt = 8 + Number(bytes.readBigUInt64LE());
        spoilt.fill(0xff, dataAt, dataAt + 4);
        return spoilt;
      },
      kernel,
      /not finite/,
    ],
  ])('that %s is told, with the tensor', async (_, spoil, field, message) => {
    const spoilt = await save(spoil());
    const before = tf.memory().numTensors;
    const thrown = await openCheckpoint(spoilt).then(
      ({ checkpoint, model }) => {
        model.dispose();
        return expect.fail(`opened ${checkpoint.file}`);
      },
      (error: unknown) => error,
    );
    expect(thrown).toMatchObject({
      details: { code: 'checkpoint', file: spoilt, message: expect.stringMatching(message) },
    });
    if (field !== undefined) expect(thrown).toMatchObject({ details: { field } });
    expect(tf.memory().numTensors).toBe(before);
  });

  it('that is not there is told', async () => {
    await expect(openCheckpoint('/nowhere/a.dcnet.safetensors')).rejects.toMatchObject({
      details: { code: 'checkpoint', message: /no such checkpoint/ },
    });
  });
});
