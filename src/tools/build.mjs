#!/usr/bin/env node
// Bundles what ships into dist/: the extension, the engine, the command line and the webviews. `--watch` rebuilds on
// change, with source maps; `--metafile` prints what each bundle weighs.
import { chmod, cp, mkdir, rm, writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import esbuild from 'esbuild';
import { compileKernels } from './kernels.mjs';
import { copyWasm, kernelThread, nodeBundle } from './kernelThread.mjs';
import { fromRoot, panelEntries } from './paths.mjs';
import { runProgram, StepError } from './system.mjs';

/** @typedef {import('esbuild').BuildOptions} BuildOptions */

const { values: options } = parseArgs({
  options: {
    watch: { type: 'boolean', default: false },
    metafile: { type: 'boolean', default: false },
  },
});

/** @type {BuildOptions} */
const shared = {
  absWorkingDir: fromRoot(),
  bundle: true,
  logLevel: 'warning',
  metafile: true,
  minify: !options.watch,
  sourcemap: options.watch ? 'linked' : false,
  define: { 'process.env.NODE_ENV': '"production"' },
};

/** @type {BuildOptions} */
const forNode = { ...shared, ...nodeBundle };

/** @type {BuildOptions} */
const forWebview = {
  ...shared,
  platform: 'browser',
  target: 'es2022',
  format: 'iife',
  loader: { '.ttf': 'file' },
  assetNames: '[name]',
};

/** @type {readonly BuildOptions[]} */
const bundles = [
  { ...forNode, entryPoints: ['src/extension.ts'], outfile: 'dist/extension.js' },
  { ...forNode, entryPoints: ['src/engine/main.ts'], outfile: 'dist/engine.js' },
  { ...forNode, ...kernelThread },
  {
    ...forNode,
    entryPoints: ['src/cli/main.ts'],
    outfile: 'dist/cli.js',
    banner: { js: `#!/usr/bin/env node\n${nodeBundle.banner.js}` },
  },
  { ...forNode, entryPoints: ['src/bench/main.ts'], outfile: 'dist/bench.js' },
  { ...forNode, entryPoints: ['src/bench/gpu.ts'], outfile: 'dist/benchGpu.js' },
  {
    ...forWebview,
    entryPoints: panelEntries(),
    outdir: 'dist/webview',
  },
];

/** The config's JSON Schema for the editor, from the zod schema that also checks it: completion and checks cannot drift apart. */
async function writeConfigSchema() {
  const bundled = await esbuild.build({
    ...shared,
    entryPoints: ['src/core/config/editorSchema.ts'],
    format: 'esm',
    write: false,
    sourcemap: false,
  });
  const source = Buffer.from(bundled.outputFiles[0].contents).toString('base64');
  const { editorJsonSchema } = await import(`data:text/javascript;base64,${source}`);
  await mkdir(fromRoot('media'), { recursive: true });
  await writeFile(fromRoot('media/dcnet.schema.json'), `${JSON.stringify(editorJsonSchema(), null, 2)}\n`);
}

/** Our TensorFlow kernels ship as source: the runtime's set-up compiles them. */
async function copyNativeSources() {
  await rm(fromRoot('dist/native'), { recursive: true, force: true });
  await cp(fromRoot('src/engine/backend/native'), fromRoot('dist/native'), { recursive: true });
}

/** Bundles whose rebuild is under way: all of them, until the first is over. */
let rebuilding = bundles.length;

/**
 * Tells the editor's background task when a rebuild starts and ends, and where its errors are.
 * @returns {import('esbuild').Plugin}
 */
function announce() {
  let isFirst = true;
  return {
    name: 'announce',
    setup(build) {
      build.onStart(() => {
        if (!isFirst && rebuilding++ === 0) console.log('[watch] build started');
      });
      build.onEnd(({ errors }) => {
        isFirst = false;
        for (const { text, location } of errors)
          console.log(`✘ ${location?.file}:${location?.line}:${location?.column}: error: ${text}`);
        if (--rebuilding === 0) console.log('[watch] build finished');
      });
    },
  };
}

async function watch() {
  console.log('[watch] build started');
  const contexts = await Promise.all(
    bundles.map((bundle) => esbuild.context({ ...bundle, logLevel: 'silent', plugins: [announce()] })),
  );
  await Promise.all(contexts.map((context) => context.watch()));
}

async function build() {
  const built = await Promise.allSettled(bundles.map((bundle) => esbuild.build(bundle)));
  // esbuild has said why.
  if (built.some(({ status }) => status === 'rejected'))
    throw new StepError('Not everything could be bundled', 'The messages above say what and where.');
  await chmod(fromRoot('dist/cli.js'), 0o755);
  for (const bundle of built) {
    if (bundle.status === 'rejected') continue;
    const { metafile } = bundle.value;
    if (options.metafile && metafile) console.log(await esbuild.analyzeMetafile(metafile));
    for (const [file, { bytes }] of Object.entries(metafile?.outputs ?? {}))
      console.log(`${file.padEnd(28)} ${(bytes / 1024).toFixed(0).padStart(6)} kB`);
  }
}

await runProgram(async () => {
  await Promise.all([writeConfigSchema(), copyWasm(), compileKernels(), copyNativeSources()]);
  await (options.watch ? watch() : build());
});
