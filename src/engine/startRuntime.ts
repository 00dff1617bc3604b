import { createHash } from 'node:crypto';
import { mkdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import * as z from 'zod';
import { resolveNetwork } from '../core/config/network.js';
import { configSchema } from '../core/config/schema.js';
import { normals } from '../core/random.js';
import {
  type BackendChoice,
  type BackendName,
  backendNameSchema,
  type RuntimeReport,
} from '../protocol/engine.js';
import { probeRuntimes, type Runtime, startBackend } from './backend/backend.js';
import { replaceFile } from './checkpoint/atomicFile.js';
import { buildModel } from './model/model.js';
import { userDataFolder } from './setup/runtimeFolder.js';
import { describeMachine } from './training/environment.js';
import { createOptimizer } from './training/optimizer.js';
import { pass } from './training/step.js';

const batch = 50;
const side = 28;
const classes = 10;
const warmUps = 2;
const measuredSteps = 3;

const speedsSchema = z.object({
  /** Of this machine and these versions: speeds of others are measured anew. */
  machine: z.string(),
  /** Training images a second of the trial network, by runtime. */
  imagesPerSecond: z.partialRecord(backendNameSchema, z.number()),
});
type Speeds = z.infer<typeof speedsSchema>;

/**
 * Choose and start the tensor runtime of this process. `auto` is the fastest of those that work: where there are
 * several, each takes a few training steps of a small decoupled network, once for a machine and its versions.
 * @throws DcnetError `backend` where the choice does not run here
 */
export async function startRuntime(choice: BackendChoice): Promise<Runtime> {
  if (choice !== 'auto') return startBackend(choice);
  const candidates = candidatesOf(await probeRuntimes());
  const name = candidates.length < 2 ? candidates[0]?.name : fastest(await speedsOf(candidates));
  return startBackend(name ?? 'wasm');
}

/** The runtime that `auto` takes here, and the speeds it was chosen by; nothing is measured for it. */
export async function describeChoice(reports: readonly RuntimeReport[]): Promise<{
  readonly chosen: string | undefined;
  readonly imagesPerSecond: Readonly<Record<string, number>>;
}> {
  const candidates = candidatesOf(reports);
  const known = await readSpeeds(machineKey(candidates));
  if (candidates.length < 2) return { chosen: candidates[0]?.name, imagesPerSecond: {} };
  return { chosen: known && fastest(known), imagesPerSecond: known?.imagesPerSecond ?? {} };
}

/** Neither the reference backend nor a simulated device is ever the fastest. */
function candidatesOf(reports: readonly RuntimeReport[]): readonly RuntimeReport[] {
  return reports.filter(
    ({ name, available, simulated }) => available && name !== 'cpu' && simulated !== true,
  );
}

function fastest({ imagesPerSecond }: Speeds): BackendName | undefined {
  const sorted = Object.entries(imagesPerSecond).sort(([, a], [, b]) => b - a);
  return sorted[0]?.[0] as BackendName | undefined;
}

function machineKey(candidates: readonly RuntimeReport[]): string {
  const parts = [describeMachine(), candidates.map(({ name, version, device }) => [name, version, device])];
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex');
}

async function speedsOf(candidates: readonly RuntimeReport[]): Promise<Speeds> {
  const machine = machineKey(candidates);
  const known = await readSpeeds(machine);
  if (known !== undefined) return known;
  const imagesPerSecond: Partial<Record<BackendName, number>> = {};
  for (const { name } of candidates) {
    await startBackend(name);
    imagesPerSecond[name] = await trialSpeed();
  }
  const speeds: Speeds = { machine, imagesPerSecond };
  try {
    await mkdir(path.dirname(speedsFile()), { recursive: true });
    await replaceFile(speedsFile(), JSON.stringify(speeds));
  } catch {
    // A disk that cannot be written to costs a second at the next start, no more.
  }
  return speeds;
}

function speedsFile(): string {
  return path.join(userDataFolder(), 'runtime-speeds.json');
}

async function readSpeeds(machine: string): Promise<Speeds | undefined> {
  try {
    const speeds = speedsSchema.parse(JSON.parse(await readFile(speedsFile(), 'utf8')));
    return speeds.machine === machine ? speeds : undefined;
  } catch {
    return undefined; // not measured yet, or half a file: it is measured
  }
}

/** Training images a second of a small decoupled network on the backend that is set. */
async function trialSpeed(): Promise<number> {
  const config = configSchema.parse({
    data: { dataset: 'fashion-mnist-sample' },
    layers: [
      { type: 'conv', filters: 16 },
      { type: 'max-pool' },
      { type: 'conv', filters: 32 },
      { type: 'flatten' },
      { type: 'dense', units: classes },
    ],
    batch,
  });
  const { network } = resolveNetwork(config, { shape: [side, side, 1], classes });
  if (network === undefined) throw new Error('The trial network does not fit.');
  const model = buildModel(network, { seed: 1, averageDecay: config.averageDecay });
  const optimizer = createOptimizer(config.optimizer, model.trainable);
  const x = tf.tensor4d(normals(batch * side * side, 0.5, 1, 'trial images'), [batch, side, side, 1]);
  const labels = tf.tensor1d(
    Int32Array.from({ length: batch }, (_, i) => i % classes),
    'int32',
  );
  try {
    let startedAt = 0;
    for (let step = 0; step < warmUps + measuredSteps; step++) {
      if (step === warmUps) startedAt = performance.now();
      const { outcome, gradients } = pass(model, x, labels, classes, config);
      optimizer.apply(gradients, 1e-3);
      await outcome.data();
      tf.dispose([outcome, ...gradients]);
    }
    return (measuredSteps * batch * 1000) / (performance.now() - startedAt);
  } finally {
    tf.dispose([x, labels]);
    model.dispose();
    optimizer.dispose();
  }
}
