import { createHash, randomBytes } from 'node:crypto';
import { type Report, reportElementId } from '../../protocol/report.js';
import type { RobustnessReport } from '../../protocol/robustness.js';

/** What a report's page is made of: text of its script and style sheet, and the font the style sheet names. */
export interface PageParts {
  readonly script: string;
  readonly style: string;
  readonly font: { readonly name: string; readonly content: Buffer };
}

/** The inspection's report as a page. */
export function reportPage(report: Report, parts: PageParts): string {
  const { run, checkpoint } = report.inspection;
  const name = [run, checkpoint.split(/[\\/]/).at(-1)].filter(Boolean).join(', ');
  return selfContainedPage({ title: `DCNet report: ${name}`, panel: 'report', data: report }, parts);
}

/** A robustness report as a page. */
export function robustnessPage(report: RobustnessReport, parts: PageParts): string {
  const { run, checkpoint } = report.measurement;
  const name = [run, checkpoint.split(/[\\/]/).at(-1)].filter(Boolean).join(', ');
  return selfContainedPage({ title: `DCNet robustness: ${name}`, panel: 'robustness', data: report }, parts);
}

interface Page {
  readonly title: string;
  /** Name of the panel whose script and style sheet the parts are. */
  readonly panel: string;
  /** What the script shows, as JSON. */
  readonly data: unknown;
}

/**
 * One HTML file that needs no other and no network. Its policy lets in this script and this style sheet by their hashes
 * and nothing from elsewhere; what it shows is data, which no browser executes.
 */
function selfContainedPage({ title, panel, data }: Page, { script: built, style, font }: PageParts): string {
  // Only strings hold it (esbuild writes no such operators): it would change how the page's reader looks for the end.
  const script = built.replaceAll('<!--', '\\x3c!--');
  requireEmbeddable(script, 'script');
  const fontUri = `data:font/ttf;base64,${font.content.toString('base64')}`;
  // esbuild writes url(./codicon.ttf?hash), quoted or not.
  const styled = style.replace(
    new RegExp(`url\\(["']?[^"')]*${font.name}[^"')]*["']?\\)`, 'g'),
    `url(${fontUri})`,
  );
  requireEmbeddable(styled, 'style');
  const nonce = randomBytes(16).toString('base64');
  const policy = [
    `default-src 'none'`,
    `script-src ${hashOf(script)}`,
    // With a nonce, because the toolkit tries a style element of its own when it loads.
    `style-src ${hashOf(styled)} 'nonce-${nonce}'`,
    'img-src data: blob:',
    'font-src data:',
    `base-uri 'none'`,
    `form-action 'none'`,
  ].join('; ');
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="UTF-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta property="csp-nonce" content="${nonce}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${escapeText(title)}</title>
<style>${styled}</style>
</head>
<body data-panel="${panel}">
<noscript>This report draws its charts with a script of its own: allow it, or read the numbers in the file’s data.</noscript>
<script type="application/json" id="${reportElementId}">${embedJson(data)}</script>
<script>${script}</script>
</body>
</html>
`;
}

/** JSON that cannot end the element it stands in. */
function embedJson(value: unknown): string {
  return JSON.stringify(value).replace(/</g, '\\u003c');
}

function escapeText(text: string): string {
  return text.replace(/&/g, '&amp;').replace(/</g, '&lt;');
}

function hashOf(text: string): string {
  return `'sha256-${createHash('sha256').update(text, 'utf8').digest('base64')}'`;
}

/** esbuild sees to it; a script cut short in the middle of a page would be worse than none. */
function requireEmbeddable(text: string, element: 'script' | 'style'): void {
  if (new RegExp(`</${element}|<!--`, 'i').test(text))
    throw new Error(
      `The report’s ${element} cannot be put into a page: it ends or comments out its element.`,
    );
}
