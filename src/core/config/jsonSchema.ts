import * as z from 'zod';
import { configSchema } from './schema.js';

/** JSON Schema (draft 7, what VS Code's JSON language service reads) of a `*.dcnet.json` file. */
export function configJsonSchema(): Record<string, unknown> {
  const schema = z.toJSONSchema(configSchema, { target: 'draft-7', io: 'input' });
  return { ...schema, title: 'DCNet config', allowComments: true, allowTrailingCommas: true };
}
