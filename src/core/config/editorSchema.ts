import { configJsonSchema } from './jsonSchema.js';

type Schema = Readonly<Record<string, unknown>>;

/**
 * The config's JSON Schema for an editor: it completes and explains, and accepts nearly everything. What is wrong in a
 * config is told by `parseConfig`, better (with what was meant) and once: an editor that also reported violations of
 * the strict schema would underline each mistake twice. Only a layer's `type` and a preset's name are still checked,
 * because they decide which fields are offered.
 */
export function editorJsonSchema(): Schema {
  return lenient(configJsonSchema());
}

/** What an editor shows or offers; what is left out of a container are its constraints. */
const kept = ['$schema', 'title', 'description', 'default', 'allowComments', 'allowTrailingCommas'];

function lenient(schema: Schema): Schema {
  if ('const' in schema) return schema;
  const shown = Object.fromEntries(kept.filter((key) => key in schema).map((key) => [key, schema[key]]));
  const { properties, items, anyOf, oneOf } = schema;
  if (isSchema(properties)) {
    const fields = Object.entries(properties).map(([key, value]) => [
      key,
      isSchema(value) ? lenient(value) : value,
    ]);
    return { ...shown, properties: Object.fromEntries(fields), required: tags(schema) };
  }
  if (isSchema(items)) return { ...shown, items: lenient(items) };
  const branches = anyOf ?? oneOf;
  // `oneOf` would complain where the lenient branches accept the same.
  if (Array.isArray(branches)) return { ...shown, anyOf: alternatives(branches.filter(isSchema)) };
  // A value: anything is accepted, and what it should be is offered.
  const { description: _description, default: _default, ...value } = schema;
  return { ...shown, anyOf: [value, {}] };
}

/**
 * A list or an object: each branch keeps its type, or it would accept what the other's tags are to refuse; what is
 * neither is left to the config's own check.
 */
function alternatives(branches: readonly Schema[]): readonly Schema[] {
  const kinds = branches.map((branch) => containerOf(branch));
  if (!kinds.includes('array') || !kinds.includes('object')) return branches.map(lenient);
  const typed = branches.map((branch, i) =>
    kinds[i] === undefined ? lenient(branch) : { type: kinds[i], ...lenient(branch) },
  );
  return [...typed, { not: { type: ['array', 'object'] } }];
}

/** Whether a schema is of lists or of objects, a union of one kind included. */
function containerOf({ type, anyOf, oneOf }: Schema): 'array' | 'object' | undefined {
  if (type === 'array' || type === 'object') return type;
  const branches = anyOf ?? oneOf;
  const kinds = Array.isArray(branches) ? new Set(branches.filter(isSchema).map(containerOf)) : new Set();
  const [kind, ...others] = kinds;
  return others.length === 0 ? (kind as 'array' | 'object' | undefined) : undefined;
}

/** The required fields that have one possible value: they tell the branches of a union apart. */
function tags({ properties, required }: Schema): readonly string[] {
  if (!Array.isArray(required) || !isSchema(properties)) return [];
  return required.filter((key): key is string => {
    const field = typeof key === 'string' ? properties[key] : undefined;
    return isSchema(field) && 'const' in field;
  });
}

function isSchema(value: unknown): value is Schema {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
