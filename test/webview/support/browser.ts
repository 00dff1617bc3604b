import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { type Browser, chromium, type Page } from 'playwright-core';
import { bundlePanels, type Files } from './bundle.js';
import type { Setup } from './fakeHost.js';
import { type Theme, themes } from './themes.js';

const origin = 'http://panel.test';

/** VS Code's own style sheet in every webview, as far as it touches the panels. */
const defaultStyles = `
  html { background: var(--vscode-editor-background); }
  body {
    overscroll-behavior-x: none; background-color: transparent; color: var(--vscode-editor-foreground);
    font-family: var(--vscode-font-family); font-weight: var(--vscode-font-weight); font-size: var(--vscode-font-size);
    margin: 0; padding: 0 20px;
  }
`;

function pageOf(panel: string): string {
  const policy = [
    "default-src 'none'",
    "script-src 'nonce-tested'",
    `style-src ${origin} 'nonce-tested'`,
    `img-src ${origin} data: blob:`,
    `font-src ${origin}`,
  ].join('; ');
  return `<!DOCTYPE html>
<html lang="en">
<head>
  <meta charset="UTF-8">
  <meta http-equiv="Content-Security-Policy" content="${policy}">
  <meta property="csp-nonce" content="tested">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <link rel="stylesheet" href="/defaults.css">
  <link rel="stylesheet" href="/${panel}.css">
  <title>DCNet</title>
</head>
<body data-panel="${panel}">
  <script nonce="tested" src="/fakeHost.js"></script>
  <script nonce="tested" src="/${panel}.js"></script>
</body>
</html>`;
}

/** Debian's Chromium, doing nothing of its own accord. */
export const launchOptions = {
  executablePath: process.env.CHROME_PATH ?? '/usr/bin/chromium',
  args: [
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
  ],
};

const types: Readonly<Record<string, string>> = {
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.ttf': 'font/ttf',
};

/** A panel on a page, with everything that went wrong on it. */
export interface OpenPanel {
  readonly page: Page;
  /** Errors, console errors and policy violations so far. */
  readonly complaints: readonly string[];
  setTheme(theme: Theme): Promise<void>;
  close(): Promise<void>;
}

/** Debian's Chromium with the panels' bundles; one for a test file. */
export class PanelBrowser {
  private constructor(
    private readonly browser: Browser,
    private readonly files: Files,
  ) {}

  static async start(): Promise<PanelBrowser> {
    const [browser, files] = await Promise.all([chromium.launch(launchOptions), bundlePanels()]);
    return new PanelBrowser(browser, files);
  }

  async open(
    setup: Setup,
    options: { readonly width?: number; readonly theme?: Theme } = {},
  ): Promise<OpenPanel> {
    const context = await this.browser.newContext({
      viewport: { width: options.width ?? 960, height: 1000 },
      reducedMotion: 'reduce',
    });
    const page = await context.newPage();
    const complaints: string[] = [];
    page.on('pageerror', (error) => complaints.push(`error: ${error.message}`));
    page.on('console', (message) => {
      if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text());
    });
    await page.route('**/*', (route) => {
      const name = path.basename(new URL(route.request().url()).pathname);
      if (name === setup.panel) return route.fulfill({ contentType: 'text/html', body: pageOf(setup.panel) });
      if (name === 'defaults.css') return route.fulfill({ contentType: 'text/css', body: defaultStyles });
      const file = this.files.get(name);
      if (!file) return route.abort();
      return route.fulfill({ contentType: types[path.extname(name)] ?? '', body: Buffer.from(file) });
    });
    await page.addInitScript((given) => {
      globalThis.panelSetup = given;
      document.addEventListener('securitypolicyviolation', (event) => {
        console.error(`policy violation: ${event.violatedDirective} ${event.blockedURI} ${event.sample}`);
      });
    }, setup);
    await page.goto(`${origin}/${setup.panel}`);
    const setTheme = (theme: Theme): Promise<void> =>
      page.evaluate(({ kind, variables }) => {
        const { style } = document.documentElement;
        for (const name of [...style]) if (name.startsWith('--vscode-')) style.removeProperty(name);
        for (const [name, value] of Object.entries(variables)) style.setProperty(`--vscode-${name}`, value);
        document.body.dataset.vscodeThemeKind = kind;
        document.body.className = kind;
      }, theme);
    await setTheme(options.theme ?? themes[0]!);
    await page.waitForFunction(() => globalThis.fakeHost.requests.some(({ name }) => name === 'ready'));
    await settle(page);
    return { page, complaints, setTheme, close: () => context.close() };
  }

  async stop(): Promise<void> {
    await this.browser.close();
  }
}

/** Wait until messages have arrived and observers have drawn. */
export async function settle(page: Page): Promise<void> {
  await page.evaluate(
    () =>
      new Promise<void>((resolve) => {
        setTimeout(() => requestAnimationFrame(() => requestAnimationFrame(() => resolve())), 30);
      }),
  );
}

/** Keep a picture of the whole page among the test's outputs. */
export async function keepPicture(page: Page, name: string): Promise<void> {
  const folder = path.join(process.env.DCNET_TEST_OUTPUT ?? '.test-output', 'webview');
  await mkdir(folder, { recursive: true });
  await writeFile(path.join(folder, `${name}.png`), await page.screenshot({ fullPage: true }));
}
