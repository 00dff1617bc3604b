import { attackTable } from './attacks.js';
import { authorsSetting } from './authors.js';
import { deviationsOf } from './deviations.js';
import type { Experiment, ExperimentData, ExperimentName, Scale } from './experiment.js';
import { figure1, figure3 } from './figures.js';
import { classificationData, table1, table2, table3 } from './tables.js';

/** What an experiment is trained on; undefined where nothing is. */
export function dataKindOf(name: ExperimentName, scale: Scale): ExperimentData['kind'] | undefined {
  switch (name) {
    case 'table1':
    case 'table2':
    case 'table3':
      return classificationData(scale);
    case 'table7':
    case 'table8':
      return scale === 'full' ? 'cifar10' : 'fashion-mnist';
    case 'figure1':
      return scale === 'full' ? 'mnist' : 'fashion-mnist';
    case 'figure3':
      return undefined;
  }
}

/**
 * An experiment with the configs of its runs.
 * @param data of the kind {@link dataKindOf} names; not needed by figure3
 * @param steps of each training, in place of the scale's; a deviation that the report lists
 */
export function planExperiment(
  name: ExperimentName,
  scale: Scale,
  data: ExperimentData,
  steps?: number,
): Experiment {
  const planned = plan(name, scale, data, steps);
  const authors = authorsSetting(name);
  const experiment =
    authors === undefined
      ? planned
      : { ...planned, deviations: [...planned.deviations, ...deviationsOf(planned, authors)] };
  if (steps === undefined || experiment.runs.length === 0) return experiment;
  const cut = `Every training has ${steps.toLocaleString('en')} steps, for --steps says so: not the length that this scale is made for.`;
  return { ...experiment, deviations: [cut, ...experiment.deviations] };
}

function plan(
  name: ExperimentName,
  scale: Scale,
  data: ExperimentData,
  steps: number | undefined,
): Experiment {
  switch (name) {
    case 'table1':
      return table1(scale, data, steps);
    case 'table2':
      return table2(scale, data, steps);
    case 'table3':
      return table3(scale, data, steps);
    case 'table7':
    case 'table8':
      return attackTable(name, scale, data, steps);
    case 'figure1':
      return figure1(scale, data, steps);
    case 'figure3':
      return figure3(scale);
  }
}
