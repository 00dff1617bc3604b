import type { MetricsRecord } from '../../src/core/run/run.js';

export type StepRecord = Extract<MetricsRecord, { type: 'step' }>;
export type EpochRecord = Extract<MetricsRecord, { type: 'epoch' }>;

/** A decoupled layer's health at the end of each epoch. */
export interface LayerHistory {
  readonly name: string;
  readonly points: readonly {
    readonly step: number;
    readonly epoch: number;
    /** E‖x‖. */
    readonly meanPatchNorm: number;
    /** Mean over filters of the radius in use R. */
    readonly radius: number | undefined;
  }[];
}

/** Metrics by kind, in order of step. */
export interface Series {
  readonly steps: readonly StepRecord[];
  readonly epochs: readonly EpochRecord[];
  readonly layers: readonly LayerHistory[];
}

/** Records → series. A resumed run may tell the same step twice: the later record counts. */
export function toSeries(metrics: readonly MetricsRecord[]): Series {
  const steps = new Map<number, StepRecord>();
  const epochs = new Map<number, EpochRecord>();
  for (const record of metrics) {
    if (record.type === 'step') steps.set(record.step, record);
    else if (record.type === 'epoch') epochs.set(record.epoch, record);
  }
  const orderedEpochs = [...epochs.values()].sort((a, b) => a.step - b.step);
  const names = [...new Set(orderedEpochs.flatMap(({ layers }) => layers.map(({ name }) => name)))];
  return {
    steps: [...steps.values()].sort((a, b) => a.step - b.step),
    epochs: orderedEpochs,
    layers: names.map((name) => ({
      name,
      points: orderedEpochs.flatMap(({ step, epoch, layers }) => {
        const layer = layers.find((candidate) => candidate.name === name);
        return layer ? [{ step, epoch, meanPatchNorm: layer.meanPatchNorm, radius: layer.radius }] : [];
      }),
    })),
  };
}
