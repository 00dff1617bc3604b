import { mkdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import * as z from 'zod';
import { attackEpsilon, attackEpsilons, bimSteps } from '../../core/reproduce/attacks.js';
import type { AttackedMeasure } from '../../core/reproduce/experiment.js';
import { attacksVersion } from '../../engine/attack/attack.js';
import { replaceFile } from '../../engine/checkpoint/atomicFile.js';
import { checkpointSha256 } from '../../engine/checkpoint/checkpoint.js';
import { type RobustnessReport, robustnessReportSchema } from '../../protocol/robustness.js';
import { type EngineFlags, engineArguments } from '../engine.js';
import type { Output } from '../output.js';
import { failureOf, runCommand } from './child.js';
import { cancelled } from './grid.js';

export interface AttackPlan {
  /** Checkpoint of the network under attack. */
  readonly target: string;
  /** Checkpoint of the one whose gradients make the images; left out: the target's own do. */
  readonly source: string | undefined;
  /** Of the test split, from its first. */
  readonly images: number;
  /** Where the measurement is kept. */
  readonly file: string;
}

export interface AttackOptions {
  readonly flags: EngineFlags;
  readonly signal: AbortSignal;
  readonly output: Output;
}

/**
 * What `dcnet robustness` finds of a network under FGSM and BIM; made once and kept.
 * @throws DcnetError what that command failed with; `cancelled`
 */
export async function attack(
  plan: AttackPlan,
  { flags, signal, output }: AttackOptions,
): Promise<RobustnessReport> {
  const { target, source, images, file } = plan;
  const kept = await readKept(plan);
  if (kept !== undefined) return kept;
  if (signal.aborted) throw cancelled();
  output.say(`${path.basename(file, '.json')}: attacking`);
  const ended = await runCommand(
    [
      ...['robustness', target, '--attacks', 'fgsm,bim', '--norm', 'linf'],
      ...['--epsilons', attackEpsilons.join(','), '--steps', String(bimSteps), '--images', String(images)],
      ...(source === undefined ? [] : ['--source', source]),
      ...engineArguments(flags),
    ],
    { signal },
  );
  const answer = robustnessReportSchema.safeParse(ended.answer);
  if (!answer.success || ended.exit !== 'exit code 0') {
    if (signal.aborted) throw cancelled();
    throw failureOf(`The attack on ${target}`, ended);
  }
  await mkdir(path.dirname(file), { recursive: true });
  await replaceFile(file, Buffer.from(`${JSON.stringify({ ...answer.data, attacksVersion })}\n`));
  return answer.data;
}

/**
 * Accuracy that an attack leaves of its images, 0 to 1.
 * @throws Error where the report has no such curve: it was asked for
 */
export function accuracyOf(
  { measurement: { accuracy: clean, curves, epsilons } }: RobustnessReport,
  { attack: name, source }: AttackedMeasure,
): number {
  if (name === 'none') return clean;
  const access = source === undefined ? 'white-box' : 'transfer';
  const curve = curves.find((found) => found.attack === name && found.access === access);
  const accuracy = curve?.accuracies[epsilons.indexOf(attackEpsilon)];
  if (accuracy === undefined) throw new Error(`There is no ${access} ${name} at ε = ${attackEpsilon}.`);
  return accuracy;
}

/**
 * What keeps the numbers from being evidence of robustness: the checks that failed, of the one network, and those that
 * were not run, as sentences.
 */
export function brokenChecks({ checks }: RobustnessReport): {
  readonly failed: readonly string[];
  readonly notRun: readonly string[];
} {
  const of = (status: (typeof checks)[number]['status']) => checks.filter((check) => check.status === status);
  return {
    failed: of('failed').map(({ sentence, meaning }) =>
      [sentence, meaning].filter((part) => part !== undefined).join(' '),
    ),
    notRun: of('not-run').map(({ sentence }) => sentence),
  };
}

const keptSchema = robustnessReportSchema.extend({ attacksVersion: z.literal(attacksVersion) });

/** An earlier measurement, where it was made of these very checkpoints in the same way. */
async function readKept({ target, source, images, file }: AttackPlan): Promise<RobustnessReport | undefined> {
  const kept = keptSchema.safeParse(await readJson(file));
  if (!kept.success) return undefined;
  const { measurement } = kept.data;
  const sourceSha256 = source === undefined ? undefined : await checkpointSha256(source);
  const isFrom =
    measurement.sampleSize === Math.min(images, measurement.splitSize) &&
    measurement.steps === bimSteps &&
    measurement.epsilons.join() === attackEpsilons.join() &&
    measurement.checkpointSha256 === (await checkpointSha256(target)) &&
    measurement.source?.checkpointSha256 === sourceSha256;
  return isFrom ? kept.data : undefined;
}

async function readJson(file: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(file, 'utf8'));
  } catch {
    return undefined; // not made yet, or damaged: it is made again
  }
}
