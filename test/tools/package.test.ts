import { describe, expect, it } from 'vitest';
import { contentProblems } from '../../src/tools/package.mjs';

const complete = [
  'package.json',
  'README.md',
  'LICENSE',
  'CHANGELOG.md',
  'dist/extension.js',
  'dist/engine.js',
  'dist/kernelThread.js',
  'dist/cli.js',
  'dist/webview/training.js',
  'dist/webview/training.css',
  'dist/webview/layer.js',
  'dist/webview/layer.css',
  'dist/webview/errors.js',
  'dist/webview/errors.css',
  'dist/webview/diff.js',
  'dist/webview/diff.css',
  'dist/webview/tensors.js',
  'dist/webview/tensors.css',
  'dist/webview/report.js',
  'dist/webview/report.css',
  'dist/webview/robustness.js',
  'dist/webview/robustness.css',
  'dist/webview/codicon.ttf',
  'dist/wasm/dcnet-kernels.wasm',
  'dist/wasm/dcnet-kernels-relaxed.wasm',
  'dist/wasm/tfjs-backend-wasm-simd.wasm',
  'dist/native/module.cc',
  'media/dcnet.schema.json',
  'media/sample/fashion.dcnet.json',
];

describe('the content of the VSIX', () => {
  it('is right when all is there and nothing else', () => {
    expect(contentProblems(complete)).toEqual([]);
  });

  it.each([
    'src/extension.ts',
    'dist/extension.js.map',
    'dist/test/host.js',
    'dist/webview/another.js',
    'node_modules/zod/index.js',
    'media/sample/runs/fashion/summary.json',
    '.npmrc',
  ])('may not have %s', (file) => {
    expect(contentProblems([...complete, file])).toEqual([`${file} does not belong into the VSIX.`]);
  });

  it('must have every panel', () => {
    expect(contentProblems(complete.filter((file) => file !== 'dist/webview/errors.css'))).toEqual([
      'dist/webview/errors.css is missing from the VSIX.',
    ]);
  });

  it('must have the engine', () => {
    expect(contentProblems(complete.filter((file) => file !== 'dist/engine.js'))).toEqual([
      'dist/engine.js is missing from the VSIX.',
    ]);
  });
});
