import type * as vscode from 'vscode';

// Apart from the rest, because activation needs it: what it imports is loaded with every window.

/** Languages in which the operators' names are explained. */
export const explainedLanguages: vscode.DocumentSelector = [
  'python',
  'typescript',
  'typescriptreact',
  'javascript',
  'javascriptreact',
  'markdown',
];

/**
 * The operators' names in code and prose, and the one angular activation whose name means nothing else: `TanhConv`,
 * `TanhConv2d`, `SquareCosine`, `square_cosine`, `square-cosine`.
 */
export const operatorNamePattern =
  /(?<![A-Za-z0-9_])(?:(?:Sphere|Ball|Tanh|Linear|Seg|Log|Mix)Conv(?:2[dD])?|[sS]quare[-_ ]?[cC]osine)(?![A-Za-z0-9_])/;
