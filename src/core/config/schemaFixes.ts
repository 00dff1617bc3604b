import { createScanner } from 'jsonc-parser';
import type * as z from 'zod';
import { type ConfigFix, type ConfigPath, type Json, removeAt, setField } from './fix.js';
import { configSchema } from './schema.js';

/** What a field that the schema does not know may be instead: the one probably meant, or nothing. */
export function fieldFixes(
  path: ConfigPath,
  key: string,
  { meant, present }: { readonly meant: string | undefined; readonly present: readonly string[] },
): readonly ConfigFix[] {
  const rename: ConfigFix[] =
    meant === undefined || present.includes(meant)
      ? []
      : [
          {
            title: changeTitle(meant),
            changes: [{ kind: 'rename', path: [...path, key], to: meant }],
            preferred: true,
          },
        ];
  return [...rename, removeAt([...path, key], JSON.stringify(key))];
}

/**
 * Values that can only have been meant: a number in quotes, the nearest whole number, a slip of the sign, the limit that
 * was passed. Only what the schema then accepts there is offered.
 * @param config the whole config's value
 * @param value what stands at `path`
 */
export function valueFixes(
  issue: z.core.$ZodIssue,
  config: unknown,
  path: ConfigPath,
  value: unknown,
): readonly ConfigFix[] {
  const meant = probableValue(issue, value);
  if (meant === undefined || !accepts(config, path, meant)) return [];
  return [changeTo(path, meant)];
}

/** Replace a value by the one that was meant. */
export function changeTo(path: ConfigPath, meant: Json): ConfigFix {
  return { ...setField(path, meant, changeTitle(meant)), preferred: true };
}

function changeTitle(meant: Json): string {
  return `Change to ${JSON.stringify(meant)}`;
}

/** Put the comma that is missing before the item at `offset` after the item before it. */
export function addComma(text: string, offset: number): readonly ConfigFix[] {
  if (!/["{[\d-]/.test(text.charAt(offset))) return [];
  const scanner = createScanner(text, true);
  let end = 0;
  for (scanner.scan(); scanner.getTokenOffset() < offset; scanner.scan())
    end = scanner.getTokenOffset() + scanner.getTokenLength();
  return [{ title: 'Add the comma', changes: [{ kind: 'type', offset: end, text: ',' }], preferred: true }];
}

/** Name the data that comes with the extension, where no data is named. */
export function missingFixes(path: ConfigPath): readonly ConfigFix[] {
  const field = path.join('.');
  if (field !== 'data' && field !== 'data.dataset') return [];
  const dataset = 'fashion-mnist-sample';
  return [setField(['data', 'dataset'], dataset, 'Use the sample of Fashion-MNIST that comes with DCNet')];
}

function probableValue(issue: z.core.$ZodIssue, value: unknown): Json | undefined {
  switch (issue.code) {
    case 'invalid_type':
      if (issue.expected === 'boolean' && (value === 'true' || value === 'false')) return value === 'true';
      if (typeof value === 'string' && value.trim() !== '' && Number.isFinite(Number(value)))
        return Number(value);
      // `int` is told apart from `number` only for numbers: the next whole number is never 0.
      return typeof value === 'number' ? Math.ceil(value) : undefined;
    case 'too_small':
    case 'too_big': {
      if (typeof value !== 'number') return undefined;
      if (value < 0 && issue.code === 'too_small' && !issue.inclusive) return -value;
      const limit = issue.code === 'too_small' ? issue.minimum : issue.maximum;
      return issue.inclusive ? Number(limit) : undefined;
    }
    case 'custom':
      return isNumbers(value) ? [...new Set(value)].sort((a, b) => a - b) : undefined; // steps that must increase
    default:
      return undefined;
  }
}

function isNumbers(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'number');
}

/** Whether the schema has nothing to say at `path` once `value` stands there. */
function accepts(config: unknown, path: ConfigPath, value: Json): boolean {
  const copy: unknown = JSON.parse(JSON.stringify(config));
  let around = copy;
  for (const step of path.slice(0, -1)) around = (around as Record<string | number, unknown> | null)?.[step];
  const last = path.at(-1);
  if (typeof around !== 'object' || around === null || last === undefined) return false;
  (around as Record<string | number, unknown>)[last] = value;
  const issues = configSchema.safeParse(copy).error?.issues ?? [];
  return !issues.some((issue) => path.every((step, i) => concerns(issue, i, step)));
}

/** A union’s issue stands at the union: it concerns all that is inside. */
function concerns({ path, code }: z.core.$ZodIssue, i: number, step: string | number): boolean {
  return path[i] === step || (i >= path.length && code === 'invalid_union');
}
