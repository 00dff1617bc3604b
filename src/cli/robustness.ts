import path from 'node:path';
import {
  type AttackName,
  type AttackNorm,
  type AttackTarget,
  attackTitle,
  normTitle,
} from '../core/attack/attack.js';
import {
  effortTitle,
  goalTitle,
  type RobustnessCheck,
  type RobustnessMeasurement,
} from '../core/attack/robustness.js';
import { type EngineFlags, startTold, withProgress } from './engine.js';
import { type Output, percent, table } from './output.js';

export interface RobustnessFlags extends EngineFlags {
  readonly split: 'train' | 'test';
  readonly attacks: readonly AttackName[];
  readonly norm: AttackNorm;
  readonly epsilons: readonly number[];
  readonly steps: number;
  readonly stepSize?: number;
  readonly restarts: number;
  readonly targeted?: AttackTarget;
  readonly source?: string;
  readonly images: number;
  readonly seed: number;
  readonly output?: string;
}

/** What attacks of all sizes do to a checkpoint, and whether they can be believed. */
export async function robustness(checkpoint: string, flags: RobustnessFlags, output: Output): Promise<void> {
  const { backend, precision, media, workers, source, output: file, ...options } = flags;
  const targeted: AttackTarget | false = flags.targeted ?? false;
  const engine = await startTold({ backend, precision, media, workers }, output);
  const request = {
    ...options,
    targeted,
    checkpoint: path.resolve(checkpoint),
    source: source && path.resolve(source),
    file: file && path.resolve(file),
  };
  const report = await withProgress(output, (context) => engine.robustness(request, context));
  output.answer(report);
  const { measurement, checks } = report;
  for (const line of describe(measurement)) output.say(line);
  for (const check of checks) output.say(checkLine(check));
  if (request.file !== undefined) output.say(`Report: ${request.file}`);
}

function describe(measured: RobustnessMeasurement): string[] {
  const { data, split, sampleSize, accuracy, norm, epsilons, curves, noise, backend, source } = measured;
  const rows = [
    ['ε', ...epsilons.map(String)],
    ...curves.flatMap(({ attack, access, accuracies, reached }) => [
      [`${attackTitle(attack)}, ${access}`, ...accuracies.map(percent)],
      ...(reached === undefined ? [] : [['  taken for the target', ...reached.map(percent)]]),
    ]),
    ['random noise', ...noise.map(percent)],
  ];
  return [
    `${data}, ${split}: n = ${sampleSize.toLocaleString('en')}, accuracy ${percent(accuracy)} without attack, ${backend}`,
    ...(measured.adversarial === undefined ? [] : [`Adversarially trained: ${measured.adversarial}`]),
    ...(source === undefined
      ? []
      : [`Transferred from ${source.checkpoint}, accuracy ${percent(source.accuracy)}`]),
    `Attacks: ${effortTitle(measured)}, seed ${measured.seed}`,
    `Goal of the attacks: ${goalTitle(measured.targeted)}`,
    `Accuracy under attack, ${normTitle(norm)} ≤ ε in pixel values of 255:`,
    table(rows),
  ];
}

function checkLine({ status, sentence, meaning }: RobustnessCheck): string {
  const sign = { passed: '✓', failed: '✗ Warning, this does not hold:', 'not-run': '– Not checked:' }[status];
  return [sign, sentence, meaning].filter((part) => part !== undefined).join(' ');
}
