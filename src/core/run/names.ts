import { configExtension } from './run.js';

/** Longest name of a run: file systems allow 255 bytes, and other names are built from it. */
const longestRunName = 100;
/** Names that Windows keeps for devices. */
const deviceName = /^(con|prn|aux|nul|com\d|lpt\d)(\.|$)/i;

/** Why a name cannot be a run's folder on every operating system, or `undefined` where it can. */
export function runNameProblem(name: string): string | undefined {
  if (name.length === 0) return 'A run needs a name.';
  if (name.length > longestRunName) return `A run's name has at most ${longestRunName} characters.`;
  if (!/^[\p{L}\p{N}._ ()+=@-]+$/u.test(name))
    return 'A run’s name is a folder’s name: letters, digits, spaces and . _ - ( ) + = @ only.';
  if (/^[. ]|[. ]$/.test(name)) return 'A run’s name neither starts nor ends with a dot or a space.';
  if (deviceName.test(name)) return `Windows keeps the name ${name} for a device.`;
  return undefined;
}

/**
 * The first free name `<config>-001`, `<config>-002`, … of a config's runs.
 * @param configFile the config's file name, with or without folders (either separator)
 */
export function nextRunName(configFile: string, taken: ReadonlySet<string>): string {
  const file = configFile.split(/[\\/]/).at(-1) ?? '';
  const stem = file.endsWith(configExtension)
    ? file.slice(0, -configExtension.length)
    : file.replace(/\.[^.]*$/, '');
  const safe = stem
    .replace(/[^\p{L}\p{N}._ ()+=@-]+/gu, '-')
    .replace(/^[. ]+|[. ]+$/g, '')
    .slice(0, longestRunName - 8);
  const base = runNameProblem(safe) === undefined ? safe : 'run';
  for (let number = 1; ; number++) {
    const name = `${base}-${String(number).padStart(3, '0')}`;
    if (!taken.has(name)) return name;
  }
}

/** File name of the checkpoint after `epoch` finished epochs, without extension: `epoch-0001`. */
export function epochCheckpointName(epoch: number): string {
  return `epoch-${String(epoch).padStart(4, '0')}`;
}

/** File name of the checkpoint of a run stopped inside an epoch, without extension: `step-00000123`. */
export function stepCheckpointName(step: number): string {
  return `step-${String(step).padStart(8, '0')}`;
}

/** File name of the stored inspection of a checkpoint over a split: `epoch-0001.test.json`. */
export function inspectionFileName(checkpoint: string, split: 'train' | 'test'): string {
  return `${checkpoint}.${split}.json`;
}

/** File name of the stored errors of a checkpoint over a split: `epoch-0001.test.errors.json`. */
export function errorsFileName(checkpoint: string, split: 'train' | 'test'): string {
  return `${checkpoint}.${split}.errors.json`;
}

/**
 * How many steps were finished when a checkpoint was written, told from its name; `undefined` for names that do not
 * say, such as `best`.
 */
export function checkpointStep(name: string, stepsPerEpoch: number): number | undefined {
  const match = /^(epoch|step)-(\d+)$/.exec(name);
  if (match === null) return undefined;
  return match[1] === 'epoch' ? Number(match[2]) * stepsPerEpoch : Number(match[2]);
}

/** File name of the robustness report on a checkpoint: `fashion-001-epoch-0006-robustness.html`. */
export function robustnessFileName(run: string | undefined, checkpoint: string): string {
  return reportFileName(run, `${checkpoint}-robustness`);
}

/** File name of the report on a checkpoint: `fashion-001-epoch-0006.html`. */
export function reportFileName(run: string | undefined, checkpoint: string): string {
  return `${[run, checkpoint].filter((part) => part !== undefined).join('-')}.html`;
}
