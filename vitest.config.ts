import { defineConfig } from 'vitest/config';

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

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/core/**/*.test.ts', 'test/protocol/**/*.test.ts', 'test/tools/**/*.test.ts'],
          // Property tests on a machine that does other things, too.
          testTimeout: 20_000,
        },
      },
      {
        resolve: tensorflow.resolve,
        test: {
          name: 'engine',
          include: ['test/engine/**/*.test.ts', 'test/cli/**/*.test.ts'],
          globalSetup: ['test/engine/compileKernels.ts'],
          server: tensorflow.server,
          deps: tensorflow.deps,
          // One tensor engine at a time: each would take all the cores.
          fileParallelism: false,
          testTimeout: 60_000,
        },
      },
      {
        test: { name: 'webview', include: ['test/webview/**/*.test.ts'] },
      },
    ],
  },
});
