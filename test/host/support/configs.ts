import { readFileSync, writeFileSync } from 'node:fs';
import * as vscode from 'vscode';
import { inWorkspace } from './extension.js';

/** Write a config of this name that differs from `small.dcnet.json` in some of its text. */
export function writeConfig(
  name: string,
  ...changes: readonly (readonly [from: string, to: string])[]
): vscode.Uri {
  let text = readFileSync(inWorkspace('small.dcnet.json'), 'utf8');
  for (const [from, to] of changes) {
    if (!text.includes(from)) throw new Error(`small.dcnet.json has no ${from}`);
    text = text.replace(from, to);
  }
  const file = inWorkspace(`${name}.dcnet.json`);
  writeFileSync(file, text);
  return vscode.Uri.file(file);
}

/** One that trains until it is stopped. */
export const writeLongConfig = (name: string): vscode.Uri =>
  writeConfig(name, ['"epochs": 3', '"epochs": 100000'], ['"learningRate": 0.01', '"learningRate": 0.0001']);
