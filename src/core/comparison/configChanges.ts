import { layerNames } from '../config/layerNames.js';
import type { Config } from '../config/schema.js';
import type { ConfigChange } from './comparison.js';

/**
 * The fields in which two configs differ, as they were read with their defaults filled in. Layers are told by name, so
 * one that was put in between changes no other.
 */
export function configChanges(a: Config, b: Config): ConfigChange[] {
  const first = fieldsOf(a);
  const second = fieldsOf(b);
  const fields = [...new Set([...first.keys(), ...second.keys()])];
  return fields
    .filter((field) => first.get(field) !== second.get(field))
    .map((field) => ({ field, a: first.get(field), b: second.get(field) }));
}

/** Field by field, `layers.conv1.filters` → `16`. */
function fieldsOf({ $schema: _, layers, ...rest }: Config): Map<string, string> {
  const fields = new Map<string, string>();
  const names = layerNames(layers);
  const walk = (path: string, value: unknown): void => {
    if (value === undefined) return;
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      fields.set(path, typeof value === 'string' ? value : JSON.stringify(value));
    else for (const [key, inner] of Object.entries(value)) walk(path === '' ? key : `${path}.${key}`, inner);
  };
  walk('', rest);
  for (const [i, { name: _name, ...layer }] of layers.entries()) walk(`layers.${names[i]}`, layer);
  fields.set('layers, in order', names.join(', '));
  return fields;
}
