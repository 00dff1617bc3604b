import { defineConfig } from 'vitest/config';
import { wgslVersion } from './src/tools/wgsl.mjs';

/**
 * tfjs publishes its ES modules without file endings, which Node does not load: Vite transforms them, as esbuild
 * does in the product's bundle, so that tests and product run the same modules. Bundling them once, before the tests,
 * spares each file some hundreds of transformations.
 */
const tensorflow = {
  resolve: { mainFields: ['module', 'main'] },
  server: { deps: { inline: [/@tensorflow/] } },
  deps: {
    optimizer: {
      ssr: {
        enabled: true,
        include: [
          '@tensorflow/tfjs-backend-cpu',
          '@tensorflow/tfjs-backend-wasm',
          '@tensorflow/tfjs-backend-webgpu/dist/backend_webgpu',
          '@tensorflow/tfjs-backend-webgpu/dist/register_all_kernels',
          '@tensorflow/tfjs-core',
          '@tensorflow/tfjs-core/dist/register_all_gradients',
          '@tensorflow/tfjs-layers',
        ],
      },
    },
  },
};

/** Vitest would leave one core to itself: of two, half. The browser and the test wait for each other in turns. */
const maxWorkers = '100%';

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/core/**/*.test.ts', 'test/protocol/**/*.test.ts', 'test/tools/**/*.test.ts'],
          // Property tests on a machine that does other things, too.
          testTimeout: 20_000,
          maxWorkers,
        },
      },
      {
        resolve: tensorflow.resolve,
        test: {
          name: 'engine',
          env: { DCNET_WGSL_VERSION: wgslVersion() },
          include: ['test/engine/**/*.test.ts', 'test/cli/**/*.test.ts'],
          globalSetup: ['test/engine/compileKernels.ts'],
          server: tensorflow.server,
          deps: tensorflow.deps,
          // A tensor engine may take all the cores, but hardly ever does on what is small enough for a test.
          maxWorkers: 2,
          // After the others, which take all the cores.
          sequence: { groupOrder: 1 },
          testTimeout: 60_000,
        },
      },
      {
        test: { name: 'webview', include: ['test/webview/**/*.test.ts'], maxWorkers },
      },
    ],
  },
});
