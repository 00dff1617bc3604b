/** A value as JSON has it. */
export type Json = string | number | boolean | readonly Json[] | { readonly [key: string]: Json };
/** `['layers', 2, 'kernel']`. */
export type ConfigPath = readonly (string | number)[];

/** One change to a config, told by its path and not by its text: `textEdits` turns it into text. */
export type ConfigChange =
  /** Give a field a value; it and the objects around it are added where they are missing. */
  | { readonly kind: 'set'; readonly path: ConfigPath; readonly value: Json }
  | { readonly kind: 'rename'; readonly path: ConfigPath; readonly to: string }
  /** Take a field out, or `count` elements of a list (default 1) from the one at `path` on. */
  | { readonly kind: 'remove'; readonly path: ConfigPath; readonly count?: number }
  /** Put elements before the one at `path`, or at the end of the list where there is none. */
  | { readonly kind: 'insert'; readonly path: ConfigPath; readonly values: readonly Json[] }
  /** Put a list, an element a line, in the place of what stands at `path`. */
  | { readonly kind: 'list'; readonly path: ConfigPath; readonly values: readonly Json[] }
  /** Put a missing character where the syntax wants it. */
  | { readonly kind: 'type'; readonly offset: number; readonly text: string };

/** A remedy that can be carried out. */
export interface ConfigFix {
  /** What it does, as an imperative: `Set "units" to 10`. */
  readonly title: string;
  readonly changes: readonly ConfigChange[];
  /** The one to take when there are several. */
  readonly preferred?: boolean;
}

export function setField(path: ConfigPath, value: Json, title?: string): ConfigFix {
  const name = JSON.stringify(path.at(-1));
  return {
    title: title ?? `Set ${name} to ${JSON.stringify(value)}`,
    changes: [{ kind: 'set', path, value }],
  };
}

export function removeAt(path: ConfigPath, what: string): ConfigFix {
  return { title: `Remove ${what}`, changes: [{ kind: 'remove', path }] };
}
