import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import * as vscode from 'vscode';
import { commandIds } from '../../src/host/commandIds.js';
import { extension } from './support/extension.js';

const manifest = (): { contributes: { commands: { command: string }[] } } => extension().packageJSON;

describe('Activation', () => {
  it('is quick', async () => {
    const { activationMs, activationCpuMs } = await extension().activate();
    console.log(
      `activation took ${activationMs.toFixed(1)} ms, ${activationCpuMs.toFixed(1)} ms of them computing`,
    );
    const output = process.env.DCNET_TEST_OUTPUT;
    if (output !== undefined)
      writeFileSync(path.join(output, 'activation.json'), JSON.stringify({ activationMs, activationCpuMs }));
    // Of the processor's time, not the clock's: what other programs take is no defect of ours.
    assert.ok(activationCpuMs < 50, `activation took ${activationCpuMs} ms of computing, of 50 allowed`);
  });

  it('registers every command that the manifest names', async () => {
    const registered = new Set(await vscode.commands.getCommands(true));
    const named = manifest().contributes.commands.map(({ command }) => command);
    assert.deepEqual([...named].sort(), [...commandIds].sort());
    assert.deepEqual(
      named.filter((command) => !registered.has(command)),
      [],
    );
  });
});
