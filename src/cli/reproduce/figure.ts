import path from 'node:path';
import { type Cell, type CellValues, type Experiment, runName } from '../../core/reproduce/experiment.js';
import { featureSpread } from '../../core/reproduce/features.js';
import { figure3Table, spreadColumns } from '../../core/reproduce/figures.js';
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

/** Pictures of a figure, of the networks that are trained, and what they show in numbers. */
export async function drawFigure(
  experiment: Experiment,
  cells: readonly Cell[],
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
  for (const { row, run } of cells) {
    const directory = path.join(folder, runsDirectory, runName(run, 1));
    const summary = await (await RunFolder.open(directory).catch(() => undefined))?.readSummary();
    const { checkpoint } = summary ?? {};
    // Failed, diverged or not run: the table says so.
    if (summary?.status === 'completed' && checkpoint !== undefined)
      trained.push({ title: row, checkpoint: path.join(directory, checkpoint) });
  }
  if (trained.length === 0) return nothing;
  const engine = await startEngine(flags, output);
  const plots = [];
  for (const { title, checkpoint } of trained)
    plots.push({ title, features: await engine.planeFeatures({ checkpoint, limit: shownFeatures }) });
  const spreads = plots.map(({ title, features }) => ({ title, spread: featureSpread(features) }));
  return {
    pictures: [
      {
        file: 'figure1.svg',
        alternative: `Features of ${shownFeatures.toLocaleString('en')} test images in the plane, one plot for each network, a colour for each class; the table below gives their spread.`,
        svg: featurePicture(plots),
      },
    ],
    table: [
      ['seed 1', ...spreadColumns.map(([, column]) => column)],
      ...spreads.map(({ title, spread }) => [
        title,
        ...spreadColumns.map(([measure, , decimals]) => spread[measure].toFixed(decimals)),
      ]),
    ],
    values: (row, column) => {
      const measure = spreadColumns.find(([, name]) => name === column)?.[0];
      return measure && spreads.find(({ title }) => title === row)?.spread[measure];
    },
  };
}
