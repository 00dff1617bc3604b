import * as vscode from 'vscode';
import type { AngularName, MagnitudeName } from '../../core/config/operatorSchema.js';
import { magnitudeNames } from '../../core/config/operatorSchema.js';
import { isBounded, operatorName, resolveOperator, usesRadius } from '../../core/operator/operator.js';
import { operatorPicture, type PicturedOperator } from '../../core/operator/picture.js';
import {
  angularFormulas,
  angularMeanings,
  magnitudeFormulas,
  magnitudeMeanings,
} from '../../core/operator/words.js';
import { themeColours } from './themeColours.js';

const paper = '[Decoupled Networks](https://arxiv.org/abs/1804.08071), CVPR 2018';

/** What `TanhConv` or `square cosine` means, wherever it is written. @param written as `operatorNamePattern` finds it */
export function hoverOnName(written: string): vscode.MarkdownString {
  const magnitude = magnitudeNames.find((name) => written.startsWith(operatorName(name)));
  return magnitude === undefined ? angularHover('square-cosine') : magnitudeHover(magnitude);
}

function magnitudeHover(magnitude: MagnitudeName): vscode.MarkdownString {
  const { alpha, beta, k, angular } = resolveOperator({ magnitude });
  const parameters = { alpha, beta, radius: 1 };
  return new vscode.MarkdownString(
    [
      `**${operatorName(magnitude)}**: a convolution f(w, x) = h(‖x‖)·g(θ)`,
      pictureMarkdown(
        { magnitude, angular, parameters, k, only: 'h' },
        `${operatorName(magnitude)}’s h over ‖x‖`,
      ),
      `${magnitudeFormulas[magnitude]} (${boundWords(magnitude)}; here ${valueWords(magnitude, parameters)})`,
      magnitudeMeanings[magnitude],
      `${paper}, section 3.3.`,
    ].join('\n\n'),
  );
}

function angularHover(angular: AngularName): vscode.MarkdownString {
  const parameters = { alpha: 1, beta: 1, radius: 1 };
  return new vscode.MarkdownString(
    [
      `**${angular.replace('-', ' ')}**: an angular activation of f(w, x) = h(‖x‖)·g(θ)`,
      pictureMarkdown({ magnitude: 'sphere', angular, parameters, k: 1, only: 'g' }, `its g over θ`),
      `${angularFormulas[angular]} (between −1 and 1)`,
      angularMeanings[angular],
      `${paper}, section 3.4.`,
    ].join('\n\n'),
  );
}

/** `bounded by α`, or that it is not. */
export function boundWords(magnitude: MagnitudeName): string {
  return isBounded(magnitude) ? 'bounded by α' : 'unbounded';
}

/** `α = 1, β = 0.5, R = 1`, as far as h has them. */
function valueWords(
  magnitude: MagnitudeName,
  { alpha, beta, radius }: PicturedOperator['parameters'],
): string {
  const usesBeta = magnitude === 'seg' || magnitude === 'mix';
  return [
    `α = ${alpha}`,
    ...(usesBeta ? [`β = ${beta}`] : []),
    ...(usesRadius(magnitude) ? [`R = ${radius}`] : []),
  ].join(', ');
}

/** An operator's curves as an image that needs no file. @param alternative what it shows, for those who do not see it */
export function pictureMarkdown(operator: PicturedOperator, alternative: string): string {
  const svg = Buffer.from(operatorPicture(operator, themeColours()), 'utf8').toString('base64');
  return `![${alternative}](data:image/svg+xml;base64,${svg})`;
}
