import type * as z from 'zod';

type Schema = z.core.$ZodType;
type Step = PropertyKey;

/** The field names that a schema allows at `path`; `value` (of the whole) chooses among tagged alternatives. */
export function allowedKeys(schema: Schema, value: unknown, path: readonly Step[]): string[] {
  return [...new Set(objectsAt(schema, value, path).flatMap((object) => Object.keys(object._zod.def.shape)))];
}

/** The tags that a schema allows at `path`, the place of a tagged union's tag. */
export function allowedTags(schema: Schema, value: unknown, path: readonly Step[]): string[] {
  const tag = path.at(-1);
  if (typeof tag !== 'string') return [];
  const literals = objectsAt(schema, value, path.slice(0, -1)).flatMap((object) => {
    const definition = object._zod.def.shape[tag]?._zod.def as z.core.$ZodLiteralDef<string> | undefined;
    return definition?.type === 'literal' ? definition.values.map(String) : [];
  });
  return [...new Set(literals)];
}

/** Every object schema that may stand at `path`. */
function objectsAt(schema: Schema, value: unknown, path: readonly Step[]): z.core.$ZodObject[] {
  let candidates = objectsAndLists(schema, value);
  let inner = value;
  for (const step of path) {
    inner = typeof inner === 'object' && inner !== null ? (inner as Record<Step, unknown>)[step] : undefined;
    candidates = candidates.flatMap((candidate) => {
      const next =
        candidate._zod.def.type === 'array'
          ? (candidate as z.core.$ZodArray)._zod.def.element
          : (candidate as z.core.$ZodObject)._zod.def.shape[String(step)];
      return next === undefined ? [] : objectsAndLists(next, inner);
    });
  }
  return candidates.filter(
    (candidate): candidate is z.core.$ZodObject => candidate._zod.def.type === 'object',
  );
}

/** Look through defaults, optionals and unions. */
function objectsAndLists(schema: Schema, value: unknown): Schema[] {
  const { def } = schema._zod;
  switch (def.type) {
    case 'object':
    case 'array':
      return [schema];
    case 'default':
    case 'optional':
      return objectsAndLists((def as z.core.$ZodDefaultDef).innerType, value);
    case 'union': {
      const { options, discriminator } = def as z.core.$ZodDiscriminatedUnionDef;
      const all = options.flatMap((option) => objectsAndLists(option, value));
      if (discriminator === undefined) return all;
      const tag = (value as Record<string, unknown> | undefined)?.[discriminator];
      const tagged = all.filter((option) => {
        const literal = (option as z.core.$ZodObject)._zod.def.shape[discriminator]?._zod.def as
          | z.core.$ZodLiteralDef<string>
          | undefined;
        return typeof tag === 'string' && literal?.type === 'literal' && literal.values.includes(tag);
      });
      return tagged.length > 0 ? tagged : all;
    }
    default:
      return [];
  }
}
