import path from 'node:path';
import { build } from 'esbuild';
import { fromRoot, panelEntries } from '../../../src/tools/paths.mjs';

/** Files of the panels' page by name: what the product ships, and the stand-in for the host. */
export type Files = ReadonlyMap<string, Uint8Array>;

/** Bundle all panels as the product does, and the stand-in for the host, into memory. */
export async function bundlePanels(): Promise<Files> {
  const built = await build({
    absWorkingDir: fromRoot(),
    entryPoints: { ...panelEntries(), fakeHost: 'test/webview/support/fakeHost.ts' },
    outdir: 'bundled',
    write: false,
    bundle: true,
    minify: true,
    platform: 'browser',
    target: 'es2022',
    format: 'iife',
    loader: { '.ttf': 'file' },
    assetNames: '[name]',
    logLevel: 'warning',
  });
  return new Map(built.outputFiles.map((file) => [path.basename(file.path), file.contents]));
}
