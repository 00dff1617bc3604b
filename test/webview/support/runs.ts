import type { MetricsRecord, RunState, RunStatus } from '../../../src/core/run/run.js';
import type { TrainingView } from '../../../src/protocol/panels/training.js';
import { normal } from './random.js';

const stepsAnEpoch = 79;
const epochs = 8;
const totalSteps = stepsAnEpoch * epochs;

/** Synthetic metrics of a training that goes well, up to a step. */
function makeMetrics(until: number, seed: number): readonly MetricsRecord[] {
  const next = normal(seed);
  const records: MetricsRecord[] = [];
  for (let step = 4; step <= until; step += 4) {
    const progress = step / totalSteps;
    const loss = 0.34 + 1.9 * Math.exp(-step / 70) + 0.05 * Math.exp(-progress) * next();
    records.push({
      type: 'step',
      step,
      epoch: Math.ceil(step / stepsAnEpoch),
      loss,
      accuracy: Math.min(0.99, Math.max(0.08, 0.9 - 0.75 * Math.exp(-step / 80) + 0.02 * next())),
      learningRate: 0.005 * (1 + Math.cos(Math.PI * progress)) * Math.min(1, step / 30),
      imagesPerSecond: 905 + 25 * next(),
      seconds: step * 0.07,
    });
    const epoch = Math.floor(step / stepsAnEpoch);
    if (epoch > Math.floor((step - 4) / stepsAnEpoch)) {
      const at = epoch * stepsAnEpoch;
      records.push({
        type: 'epoch',
        step: at,
        epoch,
        testLoss: 0.4 + 1.6 * Math.exp(-at / 90),
        testAccuracy: 0.868 - 0.4 * Math.exp(-at / 85),
        seconds: at * 0.07,
        checkpoint: `checkpoints/epoch-${String(epoch).padStart(4, '0')}.dcnet.safetensors`,
        layers: [
          { name: 'conv1', meanPatchNorm: 2.31, radius: 2.31 * (1 + 0.02 * epoch) },
          {
            name: 'conv2',
            meanPatchNorm: 4.1 + 1.4 * (1 - Math.exp(-epoch / 2)),
            radius: 4.4 + 0.08 * epoch,
          },
          { name: 'conv3', meanPatchNorm: 6.2 + 0.9 * (1 - Math.exp(-epoch / 3)) },
        ],
      });
    }
  }
  return records.sort((a, b) => (a.step ?? 0) - (b.step ?? 0));
}

const stepAt: Record<RunStatus, number> = {
  queued: 0,
  preparing: 0,
  running: 412,
  paused: 412,
  stopped: 250,
  failed: 196,
  completed: totalSteps,
};

/** A training panel's whole snapshot in a given status; synthetic. */
export function makeTrainingView(status: RunStatus): TrainingView {
  const step = stepAt[status];
  const metrics = makeMetrics(step, 5);
  const steps = metrics.filter((record) => record.type === 'step');
  const finished = metrics.filter((record) => record.type === 'epoch');
  const [last, test] = [steps.at(-1), finished.at(-1)];
  const best = finished.reduce((top, record) => Math.max(top, record.testAccuracy), 0);
  const state: RunState = {
    name: 'fashion-tanh',
    status,
    ...(status === 'queued' ? { queuePosition: 2 } : {}),
    step,
    totalSteps,
    epoch: finished.length,
    epochs,
    ...(last
      ? {
          loss: last.loss,
          accuracy: last.accuracy,
          learningRate: last.learningRate,
          imagesPerSecond: last.imagesPerSecond,
        }
      : {}),
    ...(test ? { testAccuracy: test.testAccuracy, bestTestAccuracy: best } : {}),
    ...(status === 'running' || status === 'paused' ? { secondsLeft: 74 } : {}),
    updatedAt: '2026-01-01T12:00:00.000Z',
    ...(status === 'queued'
      ? {}
      : {
          runtime: {
            name: 'wasm',
            version: '4.22.0',
            device: 'two cores',
            choice: 'auto: 1.2 × tensorflow in a trial on this machine',
            others: [
              { name: 'tensorflow', why: 'it runs here, at 0.83 × the speed of wasm in the trial' },
              { name: 'cpu', why: 'it runs here, as the reference for tests: some hundred times slower' },
            ],
          },
        }),
    ...(status === 'failed'
      ? {
          error: {
            code: 'diverged' as const,
            message: 'The loss became NaN at step 196; it first shows in layer conv2.',
            remedy: 'Try a learning rate of 0.001 instead of 0.05, or batch normalisation after conv2.',
            file: 'networks/fashion-tanh.dcnet.json',
            field: 'optimizer.learningRate',
            line: 14,
            column: 39,
          },
        }
      : {}),
  };
  return {
    runDirectory: '/workspace/runs/fashion-tanh',
    state,
    ...(status === 'queued' ? {} : { backend: 'wasm', device: 'two cores' }),
    metrics: [...metrics],
    ...(status === 'completed' && test
      ? {
          summary: {
            name: 'fashion-tanh',
            status: 'completed' as const,
            steps: totalSteps,
            epochs,
            testAccuracy: test.testAccuracy,
            testLoss: test.testLoss,
            bestTestAccuracy: best,
            bestEpoch: 8,
            trainSeconds: 44.2,
            imagesPerSecond: 905,
            backend: 'wasm',
            device: 'two cores',
            checkpoint: test.checkpoint,
            parameters: 24_314,
            finishedAt: '2026-01-01T12:01:00.000Z',
          },
        }
      : {}),
  };
}
