import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { parseConfig, requireConfig } from '../../../src/core/config/parse.js';
import { DcnetError } from '../../../src/core/errors.js';
import { startBackend } from '../../../src/engine/backend/backend.js';
import { openCheckpoint } from '../../../src/engine/checkpoint/openCheckpoint.js';
import { describeData, loadData } from '../../../src/engine/data/dataSet.js';
import { readImageFile } from '../../../src/engine/data/imageFile.js';
import { locateData } from '../../../src/engine/data/location.js';
import { createOptimizer } from '../../../src/engine/training/optimizer.js';
import { temporaryFolder, writeTinyData } from '../data/tinyData.js';
import { TinyProject } from '../training/support.js';
import { jsonMutations, mutations } from './mutations.js';

/** Ten thousand mutations in all (the numbers below), the same ones each time. */
const seed = 1804_08071;
const runs = {
  configBytes: 1500,
  configValues: 2500,
  idx: 3000,
  checkpointBytes: 1500,
  checkpointValues: 1500,
};
const limitMs = 10_000;

/** What a mutated file may do: give a valid result, or a typed error that says what to do. */
async function outcome<T>(work: () => T | Promise<T>): Promise<T | 'refused'> {
  let timer: NodeJS.Timeout | undefined;
  const tooLong = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('It hangs.')), limitMs);
  });
  try {
    return await Promise.race([Promise.resolve(work()), tooLong]);
  } catch (thrown) {
    if (!(thrown instanceof DcnetError)) throw thrown;
    const { code, message, remedy } = thrown.details;
    expect(code).not.toBe('internal');
    expect(message.length * remedy.length).toBeGreaterThan(0);
    return 'refused';
  } finally {
    clearTimeout(timer);
  }
}

/** Both outcomes must come up, or the mutations are too wild or too mild to say anything. */
class Tally {
  readonly counts = { refused: 0, valid: 0 };
  add(result: unknown): void {
    this.counts[result === 'refused' ? 'refused' : 'valid']++;
  }
  check(): void {
    expect(this.counts.refused).toBeGreaterThan(20);
    expect(this.counts.valid).toBeGreaterThan(20);
  }
}

const parameters = (numRuns: number) => ({ numRuns, seed, endOnFailure: true });

describe('mutated configs', () => {
  let texts: readonly string[];

  beforeAll(async () => {
    const sample = await readFile(path.resolve('media/sample/fashion.dcnet.json'), 'utf8');
    const project = await TinyProject.create('cpu');
    texts = [sample, project.request().configText];
  });

  const sampleInput = { shape: [28, 28, 1], classes: 10 } as const;
  const tinyInput = { shape: [8, 8, 1], classes: 4 } as const;

  const read = (text: string, input: typeof sampleInput | typeof tinyInput): void => {
    const { config, problems, network } = parseConfig(text, input);
    const errors = problems.filter(({ severity }) => severity === 'error');
    // One or the other, and every problem has its place.
    expect(config === undefined).toBe(errors.length > 0);
    expect(network === undefined).toBe(config === undefined);
    for (const { line, column, offset, message, remedy } of problems) {
      expect(line * column).toBeGreaterThan(0);
      expect(offset).toBeLessThanOrEqual(text.length);
      expect(message.length * remedy.length).toBeGreaterThan(0);
    }
    requireConfig(text, 'a.dcnet.json', input);
  };

  it('in their text', async () => {
    const tally = new Tally();
    await fc.assert(
      fc.asyncProperty(fc.nat(1), mutations, async (which, mutate) => {
        const text = mutate(Buffer.from(texts[which]!)).toString('utf8');
        tally.add(await outcome(() => read(text, which === 0 ? sampleInput : tinyInput)));
      }),
      parameters(runs.configBytes),
    );
    tally.check();
  }, 120_000);

  it('in their values', async () => {
    const tally = new Tally();
    const config: unknown = JSON.parse(texts[1]!);
    await fc.assert(
      fc.asyncProperty(jsonMutations, async (mutate) => {
        tally.add(await outcome(() => read(JSON.stringify(mutate(config)) ?? '', tinyInput)));
      }),
      parameters(runs.configValues),
    );
    tally.check();
  }, 120_000);
});

describe('mutated data', () => {
  it('in one of the four files, or in a file of images', async () => {
    const directory = await temporaryFolder();
    const location = locateData({ idx: directory }, '/', '/');
    await writeTinyData(directory, { train: 12, test: 8, side: 4 });
    const names = ['train-images-idx3', 'train-labels-idx1', 't10k-images-idx3', 't10k-labels-idx1'];
    const files = names.map((name) => path.join(directory, `${name}-ubyte`));
    const originals = await Promise.all(files.map((file) => readFile(file)));
    const tally = new Tally();
    await fc.assert(
      fc.asyncProperty(
        fc.nat(3),
        mutations,
        fc.constantFrom('plain', 'packed', 'spoilt'),
        async (which, mutate, kind) => {
          const original = originals[which]!;
          // Damage before packing, or after it.
          const bytes =
            kind === 'plain'
              ? mutate(original)
              : kind === 'packed'
                ? gzipSync(mutate(original))
                : mutate(gzipSync(original));
          await writeFile(files[which]!, bytes);
          const loaded = await outcome(() => loadData(location));
          tally.add(loaded);
          if (loaded !== 'refused') {
            const { info, train, test } = loaded;
            expect(train.images).toHaveLength(train.count * info.shape[0] * info.shape[1]);
            expect(train.labels).toHaveLength(train.count);
            expect(Math.max(...train.labels, ...test.labels)).toBeLessThan(info.classes);
            expect(await describeData(location)).toEqual(info);
          }
          await outcome(() => describeData(location));
          await outcome(() => readImageFile(files[which]!));
          await writeFile(files[which]!, original);
        },
      ),
      parameters(runs.idx),
    );
    tally.check();
  }, 240_000);
});

describe('mutated checkpoints', () => {
  let bytes: Buffer;
  let file: string;

  beforeAll(async () => {
    const project = await TinyProject.create('wasm');
    const { runDirectory, summary } = await project.train({ epochs: 1 });
    bytes = await readFile(path.join(runDirectory, summary.checkpoint!));
    file = path.join(await temporaryFolder(), 'a.dcnet.safetensors');
    await startBackend('cpu');
  });

  /** The whole way: file, header, network, weights, the optimiser's slots, scores. */
  const use = async (): Promise<readonly number[]> => {
    const { checkpoint, network, model } = await openCheckpoint(file);
    try {
      const optimizer = createOptimizer(checkpoint.metadata.config.optimizer, model.trainable);
      try {
        optimizer.restore(checkpoint);
      } finally {
        optimizer.dispose();
      }
      const scores = tf.tidy(() => model.predict(tf.zeros([1, ...network.inputShape])));
      const values = [...scores.dataSync()];
      scores.dispose();
      return values;
    } finally {
      model.dispose();
    }
  };

  const assertAll = async (numRuns: number, change: fc.Arbitrary<() => Buffer>): Promise<void> => {
    const before = tf.memory().numTensors;
    const tally = new Tally();
    await fc.assert(
      fc.asyncProperty(change, async (mutated) => {
        await writeFile(file, mutated());
        tally.add(await outcome(use));
      }),
      parameters(numRuns),
    );
    tally.check();
    expect(tf.memory().numTensors).toBe(before);
  };

  it('in their bytes', async () => {
    await assertAll(
      runs.checkpointBytes,
      mutations.map((mutate) => () => mutate(bytes)),
    );
  }, 240_000);

  it('in their header and weights', async () => {
    const headerBytes = Number(bytes.readBigUInt64LE());
    const header: { __metadata__: Record<string, string> } = JSON.parse(
      bytes.subarray(8, 8 + headerBytes).toString(),
    );
    const weights = bytes.subarray(8 + headerBytes);
    const write = (json: unknown, data: Buffer): Buffer => {
      const text = Buffer.from(JSON.stringify(json) ?? '');
      const prefix = Buffer.alloc(8);
      prefix.writeBigUInt64LE(BigInt(text.length));
      return Buffer.concat([prefix, text, data]);
    };
    const headerChange = jsonMutations.map((mutate) => () => write(mutate(header), weights));
    // Inside the JSON that the metadata holds as text: config, data, metrics.
    const metadataChange = fc
      .tuple(fc.constantFrom('config', 'data', 'metrics'), jsonMutations)
      .map(([key, mutate]) => () => {
        const inner = JSON.stringify(mutate(JSON.parse(header.__metadata__[key]!))) ?? '';
        return write({ ...header, __metadata__: { ...header.__metadata__, [key]: inner } }, weights);
      });
    const weightChange = fc
      .array(fc.tuple(fc.nat(weights.length - 1), fc.nat(255)), { minLength: 1, maxLength: 20 })
      .map((changes) => () => {
        const data = Buffer.from(weights);
        for (const [at, value] of changes) data[at] = value;
        return write(header, data);
      });
    await assertAll(runs.checkpointValues, fc.oneof(headerChange, metadataChange, weightChange));
  }, 240_000);
});
