import { mkdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import type { AttackName } from '../../core/attack/attack.js';
import { attackEpsilon, bimSteps } from '../../core/reproduce/attacks.js';
import { replaceFile } from '../../engine/checkpoint/atomicFile.js';
import { type RobustnessReport, robustnessReportSchema } from '../../protocol/robustness.js';
import type { Output } from '../output.js';
import { failureOf, runCommand } from './child.js';
import { cancelled } from './grid.js';

/** A trained network. */
export interface Trained {
  readonly checkpoint: string;
  /** ISO time: an attack measured before it was on another network. */
  readonly finishedAt: string;
}

export interface AttackPlan {
  readonly target: Trained;
  /** Whose gradients make the images; left out: the target's own. */
  readonly source: Trained | undefined;
  /** Of the test split, from its first. */
  readonly images: number;
  /** Where the measurement is kept. */
  readonly file: string;
}

export interface AttackOptions {
  readonly backend: string;
  readonly media: string;
  readonly signal: AbortSignal;
  readonly output: Output;
}

/**
 * What `dcnet robustness` finds of a network under FGSM and BIM; made once and kept.
 * @throws DcnetError what that command failed with; `cancelled`
 */
export async function attack(
  plan: AttackPlan,
  { backend, media, signal, output }: AttackOptions,
): Promise<RobustnessReport> {
  const { target, source, images, file } = plan;
  const kept = await readKept(plan);
  if (kept !== undefined) return kept;
  if (signal.aborted) throw cancelled();
  output.say(`${path.basename(file, '.json')}: attacking`);
  const ended = await runCommand(
    [
      ...['robustness', target.checkpoint, '--attacks', 'fgsm,bim', '--norm', 'linf'],
      ...['--epsilons', String(attackEpsilon), '--steps', String(bimSteps), '--images', String(images)],
      ...(source === undefined ? [] : ['--source', source.checkpoint]),
      ...['--backend', backend, '--media', media],
    ],
    { signal },
  );
  const answer = robustnessReportSchema.safeParse(ended.answer);
  if (!answer.success || ended.exit !== 'exit code 0') {
    if (signal.aborted) throw cancelled();
    throw failureOf(`The attack on ${target.checkpoint}`, ended);
  }
  await mkdir(path.dirname(file), { recursive: true });
  await replaceFile(file, Buffer.from(`${JSON.stringify(answer.data)}\n`));
  return answer.data;
}

/**
 * Accuracy that an attack leaves, 0 to 1.
 * @throws Error where the report has no such curve: it was asked for
 */
export function accuracyOf(
  { measurement: { curves, epsilons } }: RobustnessReport,
  name: AttackName,
  access: 'white-box' | 'transfer',
): number {
  const curve = curves.find((found) => found.attack === name && found.access === access);
  const accuracy = curve?.accuracies[epsilons.indexOf(attackEpsilon)];
  if (accuracy === undefined) throw new Error(`There is no ${access} ${name} at ε = ${attackEpsilon}.`);
  return accuracy;
}

/** The checks that failed, as sentences: where one did, the numbers are no evidence of robustness. */
export function failedChecks({ checks }: RobustnessReport): readonly string[] {
  return checks
    .filter(({ status }) => status === 'failed')
    .map(({ sentence, meaning }) => [sentence, meaning].filter((part) => part !== undefined).join(' '));
}

async function readKept({ target, source, images, file }: AttackPlan): Promise<RobustnessReport | undefined> {
  const kept = robustnessReportSchema.safeParse(await readJson(file));
  if (!kept.success) return undefined;
  const { measurement, writtenAt } = kept.data;
  const isFrom =
    measurement.sampleSize === Math.min(images, measurement.splitSize) &&
    measurement.steps === bimSteps &&
    measurement.epsilons.includes(attackEpsilon) &&
    [target, source].every((network) => network === undefined || network.finishedAt <= writtenAt);
  return isFrom ? kept.data : undefined;
}

async function readJson(file: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(file, 'utf8'));
  } catch {
    return undefined; // not made yet, or damaged: it is made again
  }
}
