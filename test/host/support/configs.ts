import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import * as vscode from 'vscode';
import { writeBars } from './bars.js';
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

/** One that trains until it is stopped, with epochs of some seconds. */
export function writeLongConfig(name: string): vscode.Uri {
  if (!existsSync(inWorkspace('many'))) writeBars(inWorkspace('many'), { train: 8000, test: 100 });
  return writeConfig(
    name,
    ['"bars"', '"many"'],
    ['"epochs": 3', '"epochs": 100000'],
    ['"learningRate": 0.01', '"learningRate": 0.0001'],
  );
}
