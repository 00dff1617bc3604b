import { type ConfigFix, setField } from '../fix.js';
import type { NetworkProblem } from '../networkProblem.js';
import type { Preset } from './presetSchema.js';

/**
 * What is wrong with the layers of a preset, told of the preset: the text has no layers to point to. What is the same
 * of many layers is told once.
 * @param classes those of the data
 */
export function ofPreset(
  problems: readonly NetworkProblem[],
  preset: Preset,
  classes: number | undefined,
): readonly NetworkProblem[] {
  const told = problems.map((problem) => translate(problem, preset, classes));
  return told.filter(({ message }, i) => told.findIndex((other) => other.message === message) === i);
}

function translate(problem: NetworkProblem, preset: Preset, classes: number | undefined): NetworkProblem {
  const [first, index, field] = problem.path;
  if (first !== 'layers' || typeof index !== 'number') return problem;
  if (field === 'units' && preset.classes !== undefined && classes !== undefined)
    return {
      ...problem,
      path: ['layers', 'classes'],
      message: `The preset gives ${preset.classes} scores, but the data has ${classes} classes.`,
      remedy: 'Take "classes" out: the preset then has as many scores as the data has classes.',
      fixes: [
        {
          title: 'Remove "classes"',
          changes: [{ kind: 'remove', path: ['layers', 'classes'] }],
          preferred: true,
        },
        setField(['layers', 'classes'], classes),
      ],
    };
  return {
    ...problem,
    path: ['layers'],
    message: `In ${preset.preset}, ${problem.message}`,
    remedy: `${problem.remedy} Eject the preset to change its layers one by one.`,
    fixes: (problem.fixes ?? []).flatMap((fix) => presetFix(fix)),
  };
}

/** Batch normalisation is the preset's to choose; other fixes change a layer, of which there is no text. */
function presetFix(fix: ConfigFix): ConfigFix[] {
  const [change, ...others] = fix.changes;
  if (change?.kind !== 'set' || change.path.at(-1) !== 'batchNorm' || others.length > 0) return [];
  return [{ ...fix, changes: [{ ...change, path: ['layers', 'batchNorm'] }] }];
}
