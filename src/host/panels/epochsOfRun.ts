import { stat } from 'node:fs/promises';
import path from 'node:path';
import { inspectionFileName } from '../../core/run/names.js';
import { checkpointExtension, runFiles } from '../../core/run/run.js';
import type { LayerInspection } from '../../core/statistics/inspection.js';
import type { Epoch } from '../../protocol/panels/layer.js';
import { readStoredInspection } from './storedInspection.js';

type EpochOfLayer = NonNullable<Epoch['layer']>;

/** What is stored of a run's checkpoints, each read once. */
export class EpochsOfRun {
  readonly #known = new Map<string, { readonly stamp: string; readonly layers: Map<string, EpochOfLayer> }>();

  /** @param checkpoints absolute paths */
  of(checkpoints: readonly string[], layer: string): Promise<Epoch[]> {
    return Promise.all(
      checkpoints.map(async (checkpoint) => ({
        name: path.basename(checkpoint, checkpointExtension),
        checkpoint,
        layer: (await this.#layers(checkpoint))?.get(layer),
      })),
    );
  }

  /** Those that are not measured, or were measured before they changed. */
  async missing(checkpoints: readonly string[]): Promise<string[]> {
    const known = await Promise.all(checkpoints.map((checkpoint) => this.#layers(checkpoint)));
    return checkpoints.filter((_, i) => known[i] === undefined);
  }

  async #layers(checkpoint: string): Promise<Map<string, EpochOfLayer> | undefined> {
    const runDirectory = path.dirname(path.dirname(checkpoint));
    const name = inspectionFileName(path.basename(checkpoint, checkpointExtension), 'test');
    const stamps = await Promise.all(
      [checkpoint, path.join(runDirectory, runFiles.inspections, name)].map(async (file) => {
        const { mtimeMs, size } = await stat(file).catch(() => ({ mtimeMs: 0, size: 0 }));
        return `${mtimeMs} ${size}`;
      }),
    );
    const stamp = stamps.join(' ');
    const known = this.#known.get(checkpoint);
    if (known?.stamp === stamp) return known.layers;
    const stored = await readStoredInspection(runDirectory, checkpoint);
    if (!stored?.fresh) return undefined;
    const layers = new Map(stored.inspection.layers.map((layer) => [layer.name, epochOf(layer)]));
    this.#known.set(checkpoint, { stamp, layers });
    return layers;
  }
}

function epochOf({ norm, angle, radius }: LayerInspection): EpochOfLayer {
  return {
    norm: norm.histogram,
    angle: angle.histogram,
    medianNorm: norm.median,
    medianAngle: angle.median,
    radius:
      radius === undefined || radius.length === 0
        ? undefined
        : radius.reduce((a, b) => a + b, 0) / radius.length,
  };
}
