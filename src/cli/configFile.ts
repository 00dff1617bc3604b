import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { DcnetError } from '../core/errors.js';

/** A config's absolute path and its text. @throws DcnetError `usage` */
export async function readConfigFile(
  config: string,
): Promise<{ readonly configFile: string; readonly configText: string }> {
  const configFile = path.resolve(config);
  try {
    return { configFile, configText: await readFile(configFile, 'utf8') };
  } catch (thrown) {
    throw new DcnetError(
      {
        code: 'usage',
        message: `The config cannot be read (${(thrown as Error).message}).`,
        remedy: 'Check the path.',
        file: configFile,
      },
      { cause: thrown },
    );
  }
}
