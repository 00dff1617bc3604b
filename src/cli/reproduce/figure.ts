import path from 'node:path';
import { type Cell, type CellValues, type Experiment, runName } from '../../core/reproduce/experiment.js';
import { featureSpread } from '../../core/reproduce/features.js';
import { featureTable, featureValues } from '../../core/reproduce/featureTable.js';
import { figure3Table } from '../../core/reproduce/figures.js';
import { curvesPicture, featurePicture } from '../../core/reproduce/pictures.js';
import { RunFolder } from '../../engine/training/runFolder.js';
import { type EngineFlags, startEngine } from '../engine.js';
import type { Output } from '../output.js';
import { runsDirectory } from './grid.js';
import type { PictureFile } from './writeReport.js';

/** Images whose features figure 1 shows. */
const shownFeatures = 2000;

interface DrawnFigure {
  readonly pictures: readonly PictureFile[];
  /** What they show; the first row is the head. */
  readonly table: readonly (readonly string[])[];
  /** Numbers of the table. */
  readonly values: CellValues;
}

const nothing: DrawnFigure = { pictures: [], table: [], values: () => undefined };

/** Pictures of a figure, of the networks that are trained with the first seed, and what those of all seeds show in numbers. */
export async function drawFigure(
  experiment: Experiment,
  cells: readonly Cell[],
  seeds: readonly number[],
  folder: string,
  flags: EngineFlags,
  output: Output,
): Promise<DrawnFigure> {
  if (experiment.name === 'figure3')
    return {
      ...nothing,
      pictures: [
        {
          file: 'figure3.svg',
          alternative:
            'Left: h over the patch norm for the seven magnitude functions. Right: g over the angle for the four angular activations.',
          svg: curvesPicture(),
        },
      ],
      table: figure3Table(),
    };
  if (experiment.name !== 'figure1') return nothing;
  const trained = [];
  for (const { row, run } of cells)
    for (const seed of seeds) {
      const directory = path.join(folder, runsDirectory, runName(run, seed));
      const summary = await (await RunFolder.open(directory).catch(() => undefined))?.readSummary();
      const { checkpoint } = summary ?? {};
      // Failed, diverged or not run: the table says so.
      if (summary?.status === 'completed' && checkpoint !== undefined)
        trained.push({ row, seed, checkpoint: path.join(directory, checkpoint) });
    }
  if (trained.length === 0) return nothing;
  const engine = await startEngine(flags, output);
  const plots = [];
  const measured = [];
  for (const { row, seed, checkpoint } of trained) {
    const features = await engine.planeFeatures({ checkpoint, limit: shownFeatures });
    if (seed === seeds[0]) plots.push({ title: row, features });
    measured.push({ row, seed, spread: featureSpread(features) });
  }
  const ofSeed = seeds.length === 1 ? '' : `, of the networks of seed ${seeds[0]}`;
  return {
    pictures:
      plots.length === 0
        ? []
        : [
            {
              file: 'figure1.svg',
              alternative: `Features of ${shownFeatures.toLocaleString('en')} test images in the plane${ofSeed}, one plot for each network, a colour for each class; the table below gives their spread.`,
              svg: featurePicture(plots),
            },
          ],
    table: featureTable(measured),
    values: featureValues(measured),
  };
}
