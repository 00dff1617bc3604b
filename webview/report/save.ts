import type { FileToSave } from '../shared/chart/chart.js';
import { html } from '../shared/dom.js';

/** Hand a file to the browser, which saves it as it saves any. */
export function download({ suggestedName, content, encoding }: FileToSave): void {
  const bytes =
    encoding === 'utf8'
      ? new TextEncoder().encode(content)
      : Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
  const url = URL.createObjectURL(new Blob([bytes]));
  html('a', { href: url, download: suggestedName }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000); // the browser reads it after the click
}
