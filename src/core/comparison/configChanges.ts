import { layerNames } from '../config/layerNames.js';
import { layersOf } from '../config/presets/layersOf.js';
import type { Config } from '../config/schema.js';
import type { ConfigChange } from './comparison.js';

/** Classes of the data of two configs: a preset has as many scores. */
export interface PresetClasses {
  readonly a: number;
  readonly b: number;
}

/**
 * The fields in which two configs differ, as they were read with their defaults filled in. Layers are told by name, so
 * one that was put in between changes no other; a preset is told as the layers that it stands for.
 */
export function configChanges(a: Config, b: Config, classes?: PresetClasses): ConfigChange[] {
  const first = fieldsOf(a, classes?.a);
  const second = fieldsOf(b, classes?.b);
  const fields = [...new Set([...first.keys(), ...second.keys()])];
  return fields
    .filter((field) => first.get(field) !== second.get(field))
    .map((field) => ({ field, a: first.get(field), b: second.get(field) }));
}

/** Field by field, `layers.conv1.filters` → `16`. */
function fieldsOf({ $schema: _, layers: given, ...rest }: Config, classes?: number): Map<string, string> {
  const layers = layersOf({ layers: given }, classes);
  const names = layerNames(layers);
  return new Map([
    ...leavesOf(rest),
    ...layers.flatMap(({ name: _name, ...layer }, i) => [...leavesOf(layer, `layers.${names[i]}`)]),
    ['layers, in order', names.join(', ')],
  ]);
}

/** What a part of a config says, field by field: `optimizer.type` → `adam`; a list is one value. */
export function leavesOf(value: unknown, path = ''): Map<string, string> {
  if (value === undefined) return new Map();
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return new Map([[path, typeof value === 'string' ? value : JSON.stringify(value)]]);
  return new Map(
    Object.entries(value).flatMap(([key, inner]) => [
      ...leavesOf(inner, path === '' ? key : `${path}.${key}`),
    ]),
  );
}
