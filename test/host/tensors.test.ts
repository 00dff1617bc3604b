import assert from 'node:assert/strict';
import { closeSync, mkdirSync, openSync, truncateSync, writeFileSync, writeSync } from 'node:fs';
import path from 'node:path';
import * as vscode from 'vscode';
import { decodeValues } from '../../src/core/checkpoint/values.js';
import { readPage, tensorStatistics } from '../../src/host/tensors/tensorPages.js';
import { readTensorHeader } from '../../src/host/tensors/tensorReader.js';
import { inWorkspace } from './support/extension.js';
import { until } from './support/until.js';
import { pictureFailures, Workbench } from './support/workbench.js';

interface Given {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
}

/** A safetensors file, written by hand. */
function write(name: string, tensors: Readonly<Record<string, Given>>, metadata = {}): string {
  let at = 0;
  const header: Record<string, unknown> = { __metadata__: metadata };
  for (const [key, { dtype, shape, bytes }] of Object.entries(tensors)) {
    header[key] = { dtype, shape, data_offsets: [at, at + bytes.length] };
    at += bytes.length;
  }
  const text = Buffer.from(JSON.stringify(header));
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(BigInt(text.length));
  const file = inWorkspace('tensors', name);
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, Buffer.concat([prefix, text, ...Object.values(tensors).map(({ bytes }) => bytes)]));
  return file;
}

const f32 = (values: readonly number[]): Uint8Array => new Uint8Array(Float32Array.from(values).buffer);
const quietly = { signal: new AbortController().signal, report: () => undefined };

describe('Tensors of a file', () => {
  pictureFailures();

  it('are read a page at a time', async () => {
    const values = Array.from({ length: 2 * 60 * 30 }, (_, i) => i);
    const file = write('pages.safetensors', {
      row: { dtype: 'F32', shape: [3], bytes: f32([1, Number.NaN, Number.NEGATIVE_INFINITY]) },
      cube: { dtype: 'F32', shape: [2, 60, 30], bytes: f32(values) },
    });
    const tensors = await readTensorHeader(file);
    assert.deepEqual(await readPage(tensors, { tensor: 'row', leading: [], row: 0, column: 0 }), [
      [1, 'NaN', '−∞'],
    ]);
    const page = await readPage(tensors, { tensor: 'cube', leading: [1], row: 50, column: 20 });
    assert.equal(page.length, 10);
    assert.deepEqual(
      page[3],
      Array.from({ length: 10 }, (_, c) => 1800 + 53 * 30 + 20 + c),
    );
    await assert.rejects(
      readPage(tensors, { tensor: 'cube', leading: [2], row: 0, column: 0 }),
      /no such part/,
    );
  });

  it('have the statistics of a float64 loop, whatever their type', async () => {
    const values = Array.from({ length: 300_000 }, (_, i) => Math.fround(Math.sin(i) * 3 + 0.25));
    values[7] = 0;
    values[9] = Number.POSITIVE_INFINITY;
    const file = write('statistics.safetensors', {
      shift: { dtype: 'U8', shape: [1], bytes: Uint8Array.of(1) },
      waves: { dtype: 'F32', shape: [300, 1000], bytes: f32(values) },
    });
    const { count, zeros, notFinite, finite } = await tensorStatistics(
      await readTensorHeader(file),
      'waves',
      quietly,
    );
    const known = values.filter(Number.isFinite);
    const mean = known.reduce((a, b) => a + b, 0) / known.length;
    const variance = known.reduce((sum, value) => sum + (value - mean) ** 2, 0) / known.length;
    assert.deepEqual([count, zeros, notFinite], [300_000, 1, 1]);
    assert.ok(finite);
    assert.ok(Math.abs(finite.mean - mean) < 1e-12);
    assert.ok(Math.abs(finite.deviation - Math.sqrt(variance)) < 1e-12);
    assert.equal(
      finite.minimum,
      known.reduce((a, b) => Math.min(a, b)),
    );
    assert.equal(
      finite.maximum,
      known.reduce((a, b) => Math.max(a, b)),
    );
    const { edges, counts } = finite.histogram;
    assert.equal(
      counts.reduce((a, b) => a + b),
      known.length,
    );
    const third = known.filter((value) => value >= edges[3]! && value < edges[4]!).length;
    assert.ok(Math.abs(counts[3]! - third) <= 2, `${counts[3]} and ${third}`);
  });

  it('stop being counted when they are told to', async () => {
    const tensors = await readTensorHeader(inWorkspace('tensors', 'statistics.safetensors'));
    const abort = new AbortController();
    abort.abort();
    await assert.rejects(
      tensorStatistics(tensors, 'waves', { signal: abort.signal, report: () => undefined }),
      /cancelled/,
    );
  });

  it('of small floats are what IEEE 754 and the OCP’s table say', () => {
    const half = (bits: number) => decodeValues('F16', Uint8Array.of(bits & 255, bits >> 8))[0];
    assert.deepEqual([0x3c00, 0xc000, 0x7bff, 0x0001, 0x7c00, 0x3555].map(half), [
      1,
      -2,
      65504,
      2 ** -24,
      Number.POSITIVE_INFINITY,
      0.333251953125,
    ]);
    assert.equal(decodeValues('BF16', Uint8Array.of(0x80, 0x3f))[0], 1);
    assert.deepEqual(
      [...decodeValues('F8_E4M3', Uint8Array.of(0x7e, 0x01, 0x38, 0x7f))],
      [448, 2 ** -9, 1, Number.NaN],
    );
    assert.deepEqual(
      [...decodeValues('F8_E5M2', Uint8Array.of(0x7b, 0x3c, 0x7c))],
      [57344, 1, Number.POSITIVE_INFINITY],
    );
    assert.equal(decodeValues('I64', Uint8Array.of(254, 255, 255, 255, 255, 255, 255, 255))[0], -2);
  });

  it('of 600 MB open at once, and a page of them is read from where it is', async function () {
    const workbench = await Workbench.of(this);
    const values = 150_000_000;
    const header = Buffer.from(
      JSON.stringify({ big: { dtype: 'F32', shape: [150_000, 1000], data_offsets: [0, 4 * values] } }),
    );
    const prefix = Buffer.alloc(8);
    prefix.writeBigUInt64LE(BigInt(header.length));
    const file = inWorkspace('tensors', 'big.dcnet.safetensors');
    writeFileSync(file, Buffer.concat([prefix, header]));
    truncateSync(file, 8 + header.length + 4 * values); // sparse: it takes no room on the disk
    const descriptor = openSync(file, 'r+');
    writeSync(descriptor, f32([42.5]), 0, 4, 8 + header.length + 4 * (149_960 * 1000 + 983));
    closeSync(descriptor);
    const startedAt = Date.now();
    const tensors = await readTensorHeader(file);
    const page = await readPage(tensors, { tensor: 'big', leading: [], row: 149_950, column: 980 });
    assert.ok(Date.now() - startedAt < 1000);
    assert.equal(page[10]![3], 42.5);

    await vscode.commands.executeCommand('vscode.open', vscode.Uri.file(file));
    const panel = await workbench.panel('tensors');
    await until('the tensor in the editor', async () => {
      const text = await panel.locator('main').innerText();
      return text.includes('150000 × 1000') && text.includes('rows 0 to 49 of 150,000');
    });
    await workbench.screenshot('tensors-big');
    await vscode.commands.executeCommand('workbench.action.closeActiveEditor');
  });

  it('of a damaged file say what is wrong', async function () {
    const workbench = await Workbench.of(this);
    const file = inWorkspace('tensors', 'damaged.dcnet.safetensors');
    writeFileSync(file, Buffer.from([255, 255, 0, 0, 0, 0, 0, 0, 123]));
    await vscode.commands.executeCommand('vscode.open', vscode.Uri.file(file));
    const panel = await workbench.panel('tensors');
    await until('the error', async () =>
      (await panel.locator('[role=alert]').first().innerText()).includes('announces a header of 65535 bytes'),
    );
    await workbench.screenshot('tensors-damaged');
    // Written anew, it is read anew.
    writeFileSync(file, '');
    await until('the new error', async () =>
      (await panel.locator('[role=alert]').first().innerText()).includes('only 0 bytes'),
    );
    await vscode.commands.executeCommand('workbench.action.closeActiveEditor');
  });
});
