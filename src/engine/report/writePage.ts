import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { DcnetError } from '../../core/errors.js';
import { replaceFile } from '../checkpoint/atomicFile.js';
import type { PageParts } from './page.js';

const fontName = 'codicon.ttf';

/**
 * Write a page, whole or not at all.
 * @param file absolute; replaced where there is one
 * @returns the file's size in bytes
 * @throws DcnetError `io`
 */
export async function writePage(file: string, page: string): Promise<number> {
  const bytes = Buffer.from(page, 'utf8');
  try {
    await replaceFile(file, bytes);
  } catch (thrown) {
    throw new DcnetError(
      {
        code: 'io',
        message: `The report cannot be written (${(thrown as Error).message}).`,
        remedy: 'Check that its folder exists, has room and may be written to.',
        file,
      },
      { cause: thrown },
    );
  }
  return bytes.length;
}

/**
 * What the page of a panel is made of.
 * @param directory where the bundled script and style sheet are
 * @throws DcnetError `io`
 */
export async function readParts(panel: string, directory: string): Promise<PageParts> {
  const read = async (name: string): Promise<Buffer> => {
    const file = path.join(directory, name);
    try {
      return await readFile(file);
    } catch (thrown) {
      throw new DcnetError(
        {
          code: 'io',
          message: `A part of the report’s page is missing (${(thrown as Error).message}).`,
          remedy: 'Install DCNet Inspector again; in its sources, run npm run build.',
          file,
        },
        { cause: thrown },
      );
    }
  };
  const [script, style, content] = await Promise.all([`${panel}.js`, `${panel}.css`, fontName].map(read));
  return {
    script: script!.toString('utf8'),
    style: style!.toString('utf8'),
    font: { name: fontName, content: content! },
  };
}
