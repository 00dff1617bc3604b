import { createHash } from 'node:crypto';
import path from 'node:path';
import { marked } from 'marked';
import { type ReportContent, reportMarkdown } from '../../core/reproduce/markdown.js';
import { replaceFile } from '../../engine/checkpoint/atomicFile.js';

/** An SVG file that the report shows. */
export interface PictureFile {
  readonly file: string;
  readonly alternative: string;
  readonly svg: string;
}

const style = [
  ':root{color-scheme:light}',
  'body{max-width:60rem;margin:2rem auto;padding:0 1rem;font:15px/1.5 system-ui,sans-serif;color:#24292f;background:#fff}',
  'table{border-collapse:collapse;font-variant-numeric:tabular-nums}',
  'th,td{padding:.35rem .75rem;border-bottom:1px solid #d0d7de;text-align:right}',
  'th:first-child,td:first-child{text-align:left}',
  'img{max-width:100%}',
  'code{font-size:.9em}',
].join('');

/**
 * Write `<name>.md`, its pictures beside it, and the same as one `<name>.html` that needs no other file and no network.
 * @returns the two files
 */
export async function writeExperimentReport(
  folder: string,
  name: string,
  content: Omit<ReportContent, 'pictures'>,
  pictures: readonly PictureFile[],
): Promise<{ readonly markdown: string; readonly html: string }> {
  const files = { markdown: path.join(folder, `${name}.md`), html: path.join(folder, `${name}.html`) };
  for (const { file, svg } of pictures) await replaceFile(path.join(folder, file), Buffer.from(svg));
  await replaceFile(files.markdown, Buffer.from(reportMarkdown({ ...content, pictures })));
  const inlined = reportMarkdown({
    ...content,
    pictures: pictures.map(({ svg, alternative }) => ({
      file: `data:image/svg+xml;base64,${Buffer.from(svg).toString('base64')}`,
      alternative,
    })),
  });
  await replaceFile(files.html, Buffer.from(await page(content.experiment.title, inlined)));
  return files;
}

/** The Markdown is ours but for names of data and machine; the policy lets no script run, whatever they hold. */
async function page(title: string, markdown: string): Promise<string> {
  const hash = createHash('sha256').update(style).digest('base64');
  return [
    '<!doctype html>',
    '<html lang="en">',
    '<meta charset="utf-8">',
    '<meta name="viewport" content="width=device-width">',
    `<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'sha256-${hash}'">`,
    `<title>${title}</title>`,
    `<style>${style}</style>`,
    await marked.parse(markdown),
    '</html>',
    '',
  ].join('\n');
}
