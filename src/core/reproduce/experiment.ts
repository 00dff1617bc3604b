/** Tables and figures of Decoupled Networks that can be run again. */
export const experimentNames = [
  'table1',
  'table2',
  'table3',
  'table7',
  'table8',
  'figure1',
  'figure3',
] as const;
export type ExperimentName = (typeof experimentNames)[number];

/** `full`: the paper's data and sizes. `small`: the same grid on Fashion-MNIST, sized for two cores and an hour. */
export const scales = ['small', 'full'] as const;
export type Scale = (typeof scales)[number];

/** Where the data of the runs lie, absolute; by name. */
export interface ExperimentData {
  readonly kind: 'fashion-mnist' | 'mnist' | 'cifar10' | 'cifar100';
  readonly folder: string;
}

/** One training of the grid, without its seed. */
export interface PlannedRun {
  /** Letters, digits and hyphens: the name of its config and, with the seed, of its run. */
  readonly id: string;
  /** What stands in a `*.dcnet.json`; the seed is added. */
  readonly config: Readonly<Record<string, unknown>>;
  /** What of a config the run's place in the table or figure says, as the paper prints it: its operator, batch normalisation… */
  readonly subject: Readonly<Record<string, unknown>>;
  /** Added to the seed where the same config is trained twice and must give two networks. */
  readonly seedShift?: number;
}

/** How a number of a table comes from a run. */
export type Measure = { readonly kind: 'test-error' } | { readonly kind: 'test-accuracy' } | AttackedMeasure;

/** Of the images that are attacked alone. */
export interface AttackedMeasure {
  readonly kind: 'attacked-accuracy';
  /** `none`: as they are. */
  readonly attack: 'none' | 'fgsm' | 'bim';
  /** Id of the run whose gradients make the images; left out: the run's own (white box). */
  readonly source?: string;
}

/** A number of the paper; `n/c`: the paper says that it did not converge. */
export type PaperValue = number | 'n/c';

export interface Cell {
  readonly row: string;
  readonly column: string;
  /** Percent, as printed; undefined where the paper's table has none. */
  readonly paper: PaperValue | undefined;
  readonly run: string;
  readonly measure: Measure;
}

/** What the paper's table shows, put as a question to the numbers of this run. */
export interface Claim {
  readonly text: string;
  readonly judge: (values: CellValues) => Judgement | undefined;
}

/** @returns the mean over the seeds in percent, `n/c`, or undefined where there is none (yet) */
export type CellValues = (row: string, column: string) => PaperValue | undefined;

export interface Judgement {
  readonly holds: boolean;
  /** The numbers that say so. */
  readonly evidence: string;
}

export interface Experiment {
  readonly name: ExperimentName;
  readonly title: string;
  readonly scale: Scale;
  /** Experiments that share runs share the folder. */
  readonly folder: string;
  /** What the numbers are: `test error, %`. */
  readonly unit: string;
  readonly data: ExperimentData['kind'] | undefined;
  readonly rows: readonly string[];
  readonly columns: readonly string[];
  readonly runs: readonly PlannedRun[];
  readonly cells: readonly Cell[];
  /** How it was run: network, optimiser, steps. */
  readonly setting: readonly string[];
  /** Where that is not what the paper did, or where the paper does not say. */
  readonly deviations: readonly string[];
  readonly claims: readonly Claim[];
}

/** The runs that the chosen cells need, sources of attacks too; each once. */
export function runsOf(experiment: Experiment, cells: readonly Cell[]): readonly PlannedRun[] {
  const ids = new Set(
    cells.flatMap(({ run, measure }) =>
      measure.kind === 'attacked-accuracy' && measure.source !== undefined ? [run, measure.source] : [run],
    ),
  );
  return experiment.runs.filter(({ id }) => ids.has(id));
}

/** The `seed` in a run's config; the run is still named by the seed that the user counts. */
export function configSeed({ seedShift = 0 }: PlannedRun, seed: number): number {
  return seed + seedShift;
}

/** Name of a run, its config and its files. */
export function runName(id: string, seed: number): string {
  return `${id}-seed${seed}`;
}
