import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import * as vscode from 'vscode';
import { commandIds } from '../../src/host/commandIds.js';
import { extension } from './support/extension.js';

const manifest = (): { contributes: { commands: { command: string }[] } } => extension().packageJSON;

describe('Activation', () => {
  // The budget is 50 ms on a quiet machine; a busy one must not fail the suite for it, so it is reported.
  it('says how long it took', async () => {
    const { activationMs } = await extension().activate();
    console.log(`activation took ${activationMs.toFixed(1)} ms of 50`);
    const output = process.env.DCNET_TEST_OUTPUT;
    if (output !== undefined)
      writeFileSync(path.join(output, 'activation.json'), JSON.stringify({ activationMs }));
    assert.ok(activationMs > 0);
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
