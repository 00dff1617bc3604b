import { closest, distance } from 'fastest-levenshtein';
import {
  findNodeAtLocation,
  getNodeValue,
  type Node,
  type ParseError,
  parseTree,
  printParseErrorCode,
} from 'jsonc-parser';
import type * as z from 'zod';
import { DcnetError } from '../errors.js';
import type { ConfigFix, ConfigPath } from './fix.js';
import { layerNames } from './layerNames.js';
import { type ImageShape, type Network, resolveNetwork } from './network.js';
import { layersOf } from './presets/layersOf.js';
import { presetSchema } from './presets/presetSchema.js';
import { type Config, configSchema } from './schema.js';
import { addComma, changeTo, fieldFixes, missingFixes, valueFixes } from './schemaFixes.js';
import { allowedKeys, allowedTags } from './schemaKeys.js';
import { defaultEpochs } from './trainingSchema.js';

/** Something wrong in a config's text, and where. */
export interface ConfigProblem {
  readonly severity: 'error' | 'warning';
  /** `layers[2].kernel`; empty for the whole file. */
  readonly field: string;
  readonly message: string;
  readonly remedy: string;
  /** What may stand here, when that is a short list. */
  readonly allowed?: readonly string[];
  /** What was probably meant: replaces the text at `offset`, quotes included. */
  readonly suggestion?: string;
  /** What can be done by itself. */
  readonly fixes?: readonly ConfigFix[];
  readonly offset: number;
  readonly length: number;
  /** 1-based. */
  readonly line: number;
  readonly column: number;
}

/** Where a layer stands in the text; one of a preset stands where the preset does. */
export interface LayerRange {
  readonly index: number;
  readonly name: string;
  readonly type: string;
  readonly inPreset: boolean;
  readonly offset: number;
  readonly length: number;
  /** 1-based, both included. */
  readonly firstLine: number;
  readonly lastLine: number;
}

export interface ParsedConfig {
  /** Present when there is no error (warnings may be). */
  readonly config: Config | undefined;
  readonly problems: readonly ConfigProblem[];
  /** The layers as far as they can be made out, also in a config with errors. */
  readonly layerRanges: readonly LayerRange[];
  /** Present when `input` was given and everything fits. */
  readonly network: Network | undefined;
}

/** Configs longer than this are not configs. */
const longestConfig = 2 ** 20;

/** `ParseErrorCode.CommaExpected`: an ambient enum, of which only the value can be used. */
const commaExpected = 6;

type Path = readonly PropertyKey[];

/**
 * Read a `*.dcnet.json` text (JSON with comments and trailing commas). Never throws: what is wrong is in `problems`,
 * each with its place, what is allowed and what was probably meant.
 * @param input shape and classes of the data, when known: then the layers' shapes are checked too
 */
export function parseConfig(
  text: string,
  input?: { readonly shape: ImageShape; readonly classes: number },
): ParsedConfig {
  const problems: ConfigProblem[] = [];
  const lines = new LineIndex(text);
  const nothing = { config: undefined, problems, layerRanges: [], network: undefined };
  const add = (problem: Omit<ConfigProblem, 'line' | 'column'>): void => {
    problems.push({ ...problem, ...lines.position(problem.offset) });
  };
  const whole = (message: string, remedy: string): ParsedConfig => {
    add({ severity: 'error', field: '', message, remedy, offset: 0, length: 1 });
    return nothing;
  };
  if (text.length > longestConfig) {
    return whole(
      `The file has ${text.length.toLocaleString('en')} characters, which no config has.`,
      'Check that this is the right file.',
    );
  }

  const syntax: ParseError[] = [];
  let root: Node | undefined;
  try {
    root = parseTree(text, syntax, { allowTrailingComma: true });
  } catch (thrown) {
    if (!(thrown instanceof RangeError)) throw thrown; // the parser recurses: the stack is its only limit
    return whole('The file is nested too deeply to be read.', 'Check that this is the right file.');
  }
  if (text.trim() === '') return whole('The file is empty.', 'Start with { "data": …, "layers": [ … ] }.');
  for (const { error, offset, length } of syntax) {
    add({
      severity: 'error',
      field: '',
      message: `Not valid JSON: ${syntaxMessage(printParseErrorCode(error))}.`,
      remedy: 'Correct the syntax here.',
      fixes: error === commaExpected ? addComma(text, offset) : [],
      offset,
      length: Math.max(1, length),
    });
  }
  if (root === undefined) {
    if (problems.length > 0) return nothing;
    return whole('The file has comments only.', 'Start with { "data": …, "layers": [ … ] }.');
  }

  const layerRanges = findLayerRanges(root, lines);
  if (problems.length > 0) return { ...nothing, layerRanges };

  const parsed = configSchema.safeParse(getNodeValue(root));
  if (!parsed.success) {
    for (const issue of parsed.error.issues) for (const told of explain(issue, root)) add(told);
    return { ...nothing, layerRanges };
  }

  const config = withLength(parsed.data);
  const { network, problems: misfits } = resolveNetwork(config, input);
  for (const { path, ...misfit } of misfits) {
    add({ ...misfit, field: fieldName(path), ...rangeAt(root, path) });
  }
  const failed = misfits.some(({ severity }) => severity === 'error');
  return { config: failed ? undefined : config, problems, layerRanges, network };
}

/** The default of `epochs` is for configs without `steps` alone, which the schema cannot say of a field. */
function withLength(config: Config): Config {
  if (config.epochs !== undefined || config.steps !== undefined) return config;
  return { ...config, epochs: defaultEpochs };
}

/**
 * As `parseConfig`, for those who need a config or an error.
 * @throws DcnetError `config`, naming file, line, column and field of the first error
 */
export function requireConfig(
  text: string,
  file: string,
  input?: { readonly shape: ImageShape; readonly classes: number },
): ParsedConfig & { readonly config: Config } {
  const parsed = parseConfig(text, input);
  const errors = parsed.problems.filter(({ severity }) => severity === 'error');
  const first = errors[0];
  if (first === undefined && parsed.config !== undefined) return { ...parsed, config: parsed.config };
  const { field, message, remedy, line, column, suggestion } = first!;
  const meant = suggestion === undefined ? '' : `Did you mean ${suggestion}? `;
  const more = errors.length > 1 ? ` (${errors.length - 1} more in this file.)` : '';
  throw new DcnetError({
    code: 'config',
    message,
    remedy: `${meant}${remedy}${more}`,
    file,
    ...(field === '' ? {} : { field }),
    line,
    column,
  });
}

type Told = Omit<ConfigProblem, 'line' | 'column'>;

/** One schema issue as problems for people. */
function explain(issue: z.core.$ZodIssue, root: Node, base: Path = []): Told[] {
  const path = [...base, ...issue.path];
  const node = nodeAt(root, path);
  const value = node === undefined ? undefined : getNodeValue(node);
  const at = rangeAt(root, path);
  const field = fieldName(path);
  const tell = (message: string, remedy: string, extra: Partial<Told> = {}): Told[] => {
    const place = path as ConfigPath;
    const fixes =
      node === undefined
        ? missingFixes(place)
        : extra.suggestion === undefined
          ? valueFixes(issue, getNodeValue(root), place, value)
          : [changeTo(place, JSON.parse(extra.suggestion))];
    return [{ severity: 'error', field, message, remedy, fixes, ...at, ...extra }];
  };
  switch (issue.code) {
    case 'unrecognized_keys': {
      const known = allowedKeys(configSchema, getNodeValue(root), path);
      return issue.keys.map((key) => {
        const keyNode = propertyKeyNode(node, key);
        const suggestion = probablyMeant(key, known);
        return {
          severity: 'error',
          field: fieldName([...path, key]),
          message: `There is no field ${key} here.`,
          remedy: `Allowed are ${known.join(', ')}.`,
          allowed: known,
          ...(suggestion === undefined ? {} : { suggestion: JSON.stringify(suggestion) }),
          fixes: fieldFixes(path as ConfigPath, key, {
            meant: suggestion,
            present: Object.keys(value as object),
          }),
          ...(keyNode === undefined ? at : { offset: keyNode.offset, length: keyNode.length }),
        };
      });
    }
    case 'invalid_value': {
      const allowed = issue.values.map(String);
      return node === undefined ? missing(field, tell, allowed) : tell(...oneOf(value, allowed));
    }
    case 'invalid_union':
      return explainUnion(issue, root, base, value, tell);
    case 'invalid_type':
      if (node === undefined) {
        return tell(`${field} is missing.`, `Add it: ${article(issue.expected)} is expected.`);
      }
      return tell(
        `${field || 'The file'} must be ${article(issue.expected)}, not ${describe(value)}.`,
        'Correct the value.',
      );
    case 'too_small':
    case 'too_big': {
      const low = issue.code === 'too_small';
      const limit = low ? issue.minimum : issue.maximum;
      const bound = issue.inclusive ? (low ? 'at least' : 'at most') : low ? 'more than' : 'less than';
      const what = issue.origin === 'string' ? ' characters long' : issue.origin === 'array' ? ' long' : '';
      return tell(`${field} must be ${bound} ${limit}${what}, not ${describe(value)}.`, 'Correct the value.');
    }
    default:
      return tell(`${field}: ${issue.message}.`, 'Correct the value.');
  }
}

type Tell = (message: string, remedy: string, extra?: Partial<Told>) => Told[];

/** A value that fits no branch of a union: speak of the branch that was probably meant. */
function explainUnion(
  issue: z.core.$ZodIssueInvalidUnion,
  root: Node,
  base: Path,
  value: unknown,
  tell: Tell,
): Told[] {
  if (issue.errors.length === 0) {
    // A discriminated union whose tag is unknown: the issue stands at the tag.
    const path = [...base, ...issue.path];
    const tags = allowedTags(configSchema, getNodeValue(root), path);
    if (value === undefined) return missing(fieldName(path), tell, tags);
    return tell(...oneOf(value, tags));
  }
  if (value === undefined) return missing(fieldName([...base, ...issue.path]), tell);
  const misfit = (errors: readonly z.core.$ZodIssue[]): boolean =>
    errors.some((error) => error.path.length === 0 && error.code !== 'unrecognized_keys');
  const branches = issue.errors.filter((errors) => !misfit(errors));
  if (branches.length === 0) {
    const allowed = issue.errors
      .flat()
      .flatMap((error) =>
        error.code === 'invalid_value'
          ? error.values.map(String)
          : [error.code === 'invalid_type' ? article(error.expected) : error.message],
      );
    return tell(...oneOf(value, [...new Set(allowed)]));
  }
  const meant = branches.reduce((best, errors) => (errors.length < best.length ? errors : best));
  return meant.flatMap((error) => explain(error, root, [...base, ...issue.path]));
}

function missing(field: string, tell: Tell, allowed?: readonly string[]): Told[] {
  return allowed === undefined
    ? tell(`${field} is missing.`, 'Add it.')
    : tell(`${field} is missing.`, `Add it: ${allowed.join(', ')}.`, { allowed });
}

function oneOf(value: unknown, allowed: readonly string[]): [string, string, Partial<Told>] {
  const suggestion = typeof value === 'string' ? probablyMeant(value, allowed) : undefined;
  return [
    `${describe(value)} is not allowed here.`,
    `Allowed ${allowed.length === 1 ? 'is' : 'are'} ${allowed.join(', ')}.`,
    { allowed, ...(suggestion === undefined ? {} : { suggestion: JSON.stringify(suggestion) }) },
  ];
}

/** The nearest candidate, if it is near enough to be a slip. */
function probablyMeant(written: string, candidates: readonly string[]): string | undefined {
  if (candidates.length === 0 || written.length > 100) return undefined;
  const fold = (text: string): string => text.toLowerCase().replaceAll(/[\s_-]/g, '');
  const same = candidates.find((candidate) => fold(candidate) === fold(written));
  if (same !== undefined) return same;
  const nearest = closest(written, [...candidates]);
  const prefixed = candidates.find((candidate) => written.length >= 3 && candidate.startsWith(written));
  const limit = Math.max(1, Math.round(0.4 * Math.max(written.length, nearest.length)));
  return distance(written, nearest) <= limit ? nearest : prefixed;
}

function describe(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (typeof value === 'object' && value !== null) return 'an object';
  const text = JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}

function article(type: string): string {
  switch (type) {
    case 'int':
      return 'a whole number';
    case 'array':
      return 'a list';
    case 'object':
      return 'an object';
    case 'boolean':
      return 'true or false';
    default:
      return `a ${type}`;
  }
}

const syntaxMessages: Readonly<Record<string, string>> = {
  InvalidSymbol: 'this word is not a JSON value',
  InvalidNumberFormat: 'this is not a number',
  PropertyNameExpected: 'the name of a field, in quotes, is expected here',
  ValueExpected: 'a value is expected here',
  ColonExpected: 'a colon is expected here',
  CommaExpected: 'a comma is expected here',
  CloseBraceExpected: 'a closing } is missing',
  CloseBracketExpected: 'a closing ] is missing',
  EndOfFileExpected: 'the file should end here',
  InvalidCommentToken: 'this is not a comment',
  UnexpectedEndOfComment: 'a comment is not closed',
  UnexpectedEndOfString: 'a string is not closed',
  UnexpectedEndOfNumber: 'a number is cut off',
  InvalidUnicode: 'this is not a \\u escape',
  InvalidEscapeCharacter: 'this is not an escape',
  InvalidCharacter: 'this character must not stand here',
};

function syntaxMessage(code: string): string {
  return syntaxMessages[code] ?? code;
}

function fieldName(path: Path): string {
  return path.reduce<string>(
    (text, part) =>
      typeof part === 'number' ? `${text}[${part}]` : text === '' ? String(part) : `${text}.${String(part)}`,
    '',
  );
}

function nodeAt(root: Node, path: Path): Node | undefined {
  return findNodeAtLocation(root, path as (string | number)[]);
}

/** The text at a path; where nothing stands there, the nearest thing around it. */
function rangeAt(root: Node, path: Path): { readonly offset: number; readonly length: number } {
  const node = nodeAt(root, path);
  if (node !== undefined) return { offset: node.offset, length: node.length };
  const around = path.length === 0 ? root : nodeAt(root, path.slice(0, -1));
  if (around === undefined) return rangeAt(root, path.slice(0, -1));
  return { offset: around.offset, length: 1 }; // the opening brace: the whole object underlined would hide the rest
}

function propertyKeyNode(node: Node | undefined, key: string): Node | undefined {
  return node?.children?.find((property) => property.children?.[0]?.value === key)?.children?.[0];
}

function findLayerRanges(root: Node, lines: LineIndex): LayerRange[] {
  const list = nodeAt(root, ['layers']);
  if (list?.type === 'object') return presetRanges(list, lines);
  const nodes = list?.children ?? [];
  const text = (node: Node, key: string): string | undefined => {
    const value: unknown = nodeAt(node, [key])?.value;
    return typeof value === 'string' ? value : undefined;
  };
  const described = nodes.map((node) => ({ type: text(node, 'type') ?? 'layer', name: text(node, 'name') }));
  const names = layerNames(described);
  return nodes
    .map((node, index) => ({
      index,
      name: names[index]!,
      type: described[index]!.type,
      inPreset: false,
      ...placeOf(node, lines),
    }))
    .filter(({ index }) => nodes[index]!.type === 'object');
}

/** The layers of a preset; none while it has mistakes. */
function presetRanges(node: Node, lines: LineIndex): LayerRange[] {
  const preset = presetSchema.safeParse(getNodeValue(node));
  if (!preset.success) return [];
  const layers = layersOf({ layers: preset.data });
  const names = layerNames(layers);
  return layers.map(({ type }, index) => ({
    index,
    name: names[index]!,
    type,
    inPreset: true,
    ...placeOf(node, lines),
  }));
}

function placeOf(
  { offset, length }: Node,
  lines: LineIndex,
): Pick<LayerRange, 'offset' | 'length' | 'firstLine' | 'lastLine'> {
  const [firstLine, lastLine] = [lines.position(offset).line, lines.position(offset + length).line];
  return { offset, length, firstLine, lastLine };
}

/** Offsets to 1-based lines and columns. */
class LineIndex {
  private readonly starts: number[] = [0];

  constructor(text: string) {
    for (let i = text.indexOf('\n'); i >= 0; i = text.indexOf('\n', i + 1)) this.starts.push(i + 1);
  }

  position(offset: number): { readonly line: number; readonly column: number } {
    let low = 0;
    let high = this.starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.starts[middle]! <= offset) low = middle;
      else high = middle - 1;
    }
    return { line: low + 1, column: offset - this.starts[low]! + 1 };
  }
}
