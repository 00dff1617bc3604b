import { readFile } from 'node:fs/promises';
import path from 'node:path';
import type { ConfigProblem } from '../core/config/parse.js';
import { DcnetError } from '../core/errors.js';
import type { Output } from './output.js';

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

/** Tell on stderr what in a config is probably not what was meant. */
export function sayWarnings(problems: readonly ConfigProblem[], configFile: string, output: Output): void {
  for (const { severity, line, column, message, remedy } of problems)
    if (severity === 'warning') output.warn(`warning: ${configFile}:${line}:${column}: ${message} ${remedy}`);
}
