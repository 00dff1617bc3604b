import { readFileSync } from 'node:fs';
import * as z from 'zod';
import { digestSchema } from './digest.js';

const caseSchema = z.strictObject({
  name: z.string(),
  shape: z.tuple([z.number(), z.number(), z.number()]),
  classes: z.number(),
  batch: z.number(),
  steps: z.number(),
  /** A config file's content. */
  config: z.record(z.string(), z.unknown()),
  /** Before each step. */
  losses: z.array(z.number()),
  /** Of the first step, as the optimiser gets them. */
  gradients: z.record(z.string(), digestSchema),
  /** Weights, running averages and the optimiser's state after the last step. */
  tensors: z.record(z.string(), digestSchema),
  /** At test time, of a batch of their own. */
  scores: digestSchema,
});

/** A network that both sides train, and what came out in Python's float64. */
export type ParityCase = z.infer<typeof caseSchema>;

/** The cases of one of `test/parity/vectors`. */
export function readCases(group: string): readonly ParityCase[] {
  const file = new URL(`../../parity/vectors/${group}.json`, import.meta.url);
  return z.array(caseSchema).parse(JSON.parse(readFileSync(file, 'utf8')));
}
