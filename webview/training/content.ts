import type { RunState } from '../../src/core/run/run.js';
import { describeRuntime, explainRuntime } from '../../src/core/run/runtime.js';
import type { TrainingView } from '../../src/protocol/panels/training.js';
import type { ChartContent, LegendItem } from '../shared/chart/content.js';
import { baseName, count, duration, fileSafe, inColumn, percent, short } from '../shared/format.js';
import type { Cell, DataTable } from '../shared/table.js';
import { drawTraining } from './hero.js';
import type { LayerHistory, Series } from './series.js';

const number = (value: number | undefined): Cell =>
  value === undefined ? { text: '', value: undefined } : { text: inColumn(value), value };
const whole = (value: number): Cell => ({ text: count(value), value });
const share = (value: number): Cell => ({ text: percent(value), value });

/** A status in words, with the queue's place. */
function statusWords(state: RunState): string {
  if (state.status === 'queued') {
    return state.queuePosition === undefined ? 'queued' : `queued, place ${state.queuePosition}`;
  }
  return state.status;
}

/** The header's trail: run ▸ status ▸ epoch ▸ backend. */
export function trail(view: TrainingView): readonly string[] {
  const { state } = view;
  const backend = view.backend ?? state.backend;
  const older = view.device ? `${backend} on ${view.device}` : backend;
  const runtime = state.runtime === undefined ? older : describeRuntime(state.runtime);
  return [
    state.name,
    statusWords(state),
    `epoch ${state.epoch}/${state.epochs}`,
    ...(runtime === undefined ? [] : [runtime]),
  ];
}

export interface Fact {
  readonly name: string;
  readonly value: string;
}

/** The numbers of now. */
export function facts(view: TrainingView, series: Series): readonly Fact[] {
  const { state, summary } = view;
  const last = series.epochs.at(-1);
  const test = last?.testAccuracy ?? state.testAccuracy;
  const best = state.bestTestAccuracy ?? summary?.bestTestAccuracy;
  const bestEpoch = summary?.bestEpoch ?? series.epochs.find((epoch) => epoch.testAccuracy === best)?.epoch;
  const stopped = state.status === 'stopped' || state.status === 'failed';
  const speed = state.imagesPerSecond ?? summary?.imagesPerSecond;
  const fact = (
    name: string,
    value: number | undefined,
    format: (value: number) => string,
  ): readonly Fact[] => (value === undefined ? [] : [{ name, value: format(value) }]);
  return [
    ...(stopped ? [{ name: 'step', value: `${count(state.step)} of ${count(state.totalSteps)}` }] : []),
    ...fact('training loss', state.loss, short),
    ...fact('training accuracy', state.accuracy, percent),
    ...fact('test accuracy, last epoch', test, percent),
    ...fact(bestEpoch === undefined ? 'best' : `best, epoch ${bestEpoch}`, best, percent),
    ...(state.adversarial === undefined ? [] : [{ name: 'adversarial training', value: state.adversarial }]),
    ...fact('images/s', speed, short),
    ...fact('training took', summary?.trainSeconds, duration),
  ];
}

/** What the accuracies may be taken for; undefined while there are none. */
export function accuracyNote({ state, summary }: TrainingView): string | undefined {
  if ((state.bestTestAccuracy ?? summary?.bestTestAccuracy) === undefined) return undefined;
  return 'Report the last epoch’s test accuracy. The best one is optimistic: it was chosen on the test split.';
}

/** Why the runtime in the header computes, and no other does; undefined for runs that do not say. */
export function runtimeNote({ state }: TrainingView): string | undefined {
  return state.runtime && explainRuntime(state.runtime).join(' ');
}

function summary(view: TrainingView, series: Series): string {
  const { state } = view;
  const [first, last] = [series.steps[0], series.steps.at(-1)];
  if (!first || !last) return 'No steps yet.';
  const epoch = series.epochs.at(-1);
  return [
    `Step ${last.step} of ${state.totalSteps}: training loss went from ${short(first.loss)} to ${short(last.loss)},`,
    `training accuracy from ${percent(first.accuracy)} to ${percent(last.accuracy)}.`,
    epoch
      ? `Test accuracy after epoch ${epoch.epoch} is ${percent(epoch.testAccuracy)}.`
      : 'No epoch is over yet.',
    'Left and right walk along the steps.',
  ].join(' ');
}

function stepsTable(series: Series): DataTable {
  return {
    caption: 'Steps: means since the row before',
    columns: [
      { label: 'step' },
      { label: 'epoch' },
      { label: 'loss' },
      { label: 'accuracy' },
      { label: 'learning rate' },
      { label: 'images/s' },
    ],
    rows: series.steps.map((s) => [
      whole(s.step),
      whole(s.epoch),
      number(s.loss),
      share(s.accuracy),
      number(s.learningRate),
      number(s.imagesPerSecond),
    ]),
  };
}

/** One row an epoch, as in the run folder. */
export function epochsTable(series: Series): DataTable {
  return {
    caption: 'Measured on the whole test split after each epoch',
    columns: [
      { label: 'epoch' },
      { label: 'test loss' },
      { label: 'test accuracy' },
      { label: 'seconds' },
      { label: 'checkpoint', words: true },
    ],
    rows: series.epochs.map((e) => [
      whole(e.epoch),
      number(e.testLoss),
      share(e.testAccuracy),
      number(e.seconds),
      { text: baseName(e.checkpoint).replace(/\.dcnet\.safetensors$/, ''), value: e.checkpoint },
    ]),
  };
}

/** One row a decoupled layer: how its norm and radius moved. */
export function layersTable(series: Series): DataTable {
  return {
    caption: 'On the last training batch of each epoch; R is the mean over filters',
    columns: [
      { label: 'layer' },
      { label: 'E‖x‖ first', hue: 'norm' },
      { label: 'now', hue: 'norm' },
      { label: 'R first' },
      { label: 'now' },
      { label: 'R / E‖x‖' },
    ],
    rows: series.layers.map(({ name, points }) => {
      const [first, last] = [points[0], points.at(-1)];
      const ratio = last?.radius === undefined ? undefined : last.radius / last.meanPatchNorm;
      return [
        { text: name, value: name },
        number(first?.meanPatchNorm),
        number(last?.meanPatchNorm),
        number(first?.radius),
        number(last?.radius),
        number(ratio),
      ];
    }),
  };
}

function legend(layer: LayerHistory | undefined, attacked: boolean): readonly LegendItem[] {
  const items: LegendItem[] = [
    {
      sign: 'line',
      hue: 'plain',
      text: attacked
        ? 'training, mean over the steps between, attacked images among them'
        : 'training, mean over the steps between',
    },
    { sign: 'dot', hue: 'plain', text: 'test split, after each epoch' },
  ];
  if (layer) items.push({ sign: 'area', hue: 'norm', text: `${layer.name}: mean patch norm E‖x‖` });
  if (layer?.points.some(({ radius }) => radius !== undefined)) {
    items.push({ sign: 'level', hue: 'plain', text: 'radius in use R, mean over filters' });
  }
  return items;
}

/** The hero as a chart. */
export function heroContent(
  view: TrainingView,
  series: Series,
  layer: LayerHistory | undefined,
): ChartContent {
  return {
    title: 'Is it learning, and is it healthy?',
    summary: summary(view, series),
    legend: legend(layer, view.state.adversarial !== undefined),
    tables: () => [stepsTable(series), epochsTable(series)],
    source: trail(view).join(' › '),
    fileName: fileSafe(`${view.state.name}-training`),
    draw: (width) => drawTraining(view.state, series, layer, width),
  };
}
