import { getLocation } from 'jsonc-parser';
import * as vscode from 'vscode';
import { operatorWords } from '../../core/config/layerWords.js';
import { layerOperator } from '../../core/config/network.js';
import { layersOf, presetOf } from '../../core/config/presets/layersOf.js';
import type { Config } from '../../core/config/schema.js';
import { angularValue } from '../../core/operator/angular.js';
import { magnitudeValue } from '../../core/operator/magnitude.js';
import { parameterOf as mean, measuredCurves } from '../../core/operator/measured.js';
import { isBcos, type Operator, resolveOperator, usesRadius } from '../../core/operator/operator.js';
import { radiusFor, weightedParameters } from '../../core/operator/weighting.js';
import {
  angularFormula,
  angularMeanings,
  magnitudeFormula,
  magnitudeMeanings,
  operatorTitle,
  weightingMeanings,
} from '../../core/operator/words.js';
import type { LayerInspection } from '../../core/statistics/inspection.js';
import { varianceShares } from '../../core/statistics/outputs.js';
import { boundWords, pictureMarkdown } from '../code/operatorHover.js';
import { percent } from '../runs/describe.js';
import type { RunTarget } from '../runs/pickRun.js';
import type { ConfigReader } from './configReader.js';
import type { MeasuredNetwork, MeasuredNetworks } from './measuredNetworks.js';
import { measuredWhere, short } from './words.js';

/** On an operator of a config: its curves with the numbers it has there, over what was last measured. */
export class ConfigHover implements vscode.HoverProvider {
  constructor(
    private readonly reader: ConfigReader,
    private readonly measured: MeasuredNetworks,
  ) {}

  async provideHover(
    document: vscode.TextDocument,
    position: vscode.Position,
  ): Promise<vscode.Hover | undefined> {
    const { config, layerRanges } = this.reader.parse(document);
    const place = config && operatorAt(config, document.getText(), document.offsetAt(position));
    if (place === undefined) return undefined;
    if (place.index === undefined)
      return new vscode.Hover(
        describe({ ...place, name: 'of every conv layer that does not say otherwise' }),
      );
    const name = layerRanges.find(({ index }) => index === place.index)?.name ?? '';
    const network = await this.measured.of(document.uri);
    const layer = network?.inspection.layers.find((found) => found.name === name);
    const fits = network !== undefined && layer !== undefined && isOf(layer, place.operator);
    return new vscode.Hover(describe({ ...place, name }, fits ? { network, layer } : undefined));
  }
}

interface Place {
  /** Undefined: the config's own operator. */
  readonly index: number | undefined;
  /** Undefined: the inner product of a plain layer. */
  readonly operator: Operator | undefined;
}

/** The operator that stands at an offset: in an `operator`, or at the `type` of a layer that has one. */
function operatorAt(config: Config, text: string, offset: number): Place | undefined {
  const [first, index, field] = getLocation(text, offset).path;
  if (first === 'operator') {
    const { operator } = config;
    return {
      index: undefined,
      operator: operator === 'inner-product' ? undefined : resolveOperator(operator),
    };
  }
  if (first !== 'layers' || presetOf(config) !== undefined || typeof index !== 'number') return undefined;
  if (field !== 'operator' && field !== 'type') return undefined;
  const layer = layersOf(config)[index];
  if (layer?.type !== 'conv' && layer?.type !== 'dense') return undefined;
  return { index, operator: layerOperator(config, layer) };
}

function isOf({ operator, patches }: LayerInspection, now: Operator | undefined): boolean {
  const then = operator === 'inner-product' ? undefined : operator;
  return patches > 0 && (then && operatorTitle(then)) === (now && operatorTitle(now));
}

interface Measured {
  readonly network: MeasuredNetwork;
  readonly layer: LayerInspection;
}

function describe(
  { operator, name }: Place & { readonly name: string },
  measured?: Measured,
): vscode.MarkdownString {
  const layer = measured?.layer;
  const markdown = new vscode.MarkdownString();
  markdown.appendMarkdown(`**${operatorWords(operator)}** `).appendText(name);
  const weightNorm = mean(layer?.weightNorms);
  const shown =
    operator ?? resolveOperator({ magnitude: 'linear', angular: 'cosine', alpha: weightNorm ?? 1 });
  const paragraphs = [
    picture(shown, layer),
    operator === undefined ? plainWords(weightNorm) : magnitudeWords(operator),
    angularWords(shown, layer),
    operator && weightingWords(operator, layer),
    operator && radiusWords(operator, layer),
    layer && varianceWords(shown, layer),
  ];
  for (const paragraph of paragraphs)
    if (paragraph !== undefined) markdown.appendMarkdown(`\n\n${paragraph}`);
  if (measured !== undefined) {
    const { inspection, runDirectory, checkpoint } = measured.network;
    markdown.appendMarkdown('\n\nBehind the curves: the densities of ‖x‖ and θ in ');
    markdown.appendText(measuredWhere(inspection));
    markdown.appendMarkdown(`. [Inspect](${commandLink({ runDirectory, checkpoint, layer: name })})`);
    markdown.isTrusted = { enabledCommands: ['dcnet.inspectLayers'] };
  }
  return markdown;
}

function commandLink(target: RunTarget): string {
  const encoded = encodeURIComponent(JSON.stringify([target])).replace(
    /[()]/g,
    (bracket) => `%${bracket.charCodeAt(0).toString(16)}`,
  );
  return `command:dcnet.inspectLayers?${encoded}`;
}

/** The numbers that h and g are drawn with: as measured, or as training starts, with ‖w‖ = 1 and E‖x‖ = 1. */
function drawnCurves(operator: Operator, layer: LayerInspection | undefined) {
  if (layer !== undefined) {
    const { parameters, k } = measuredCurves(operator, layer);
    return { parameters, k: k ?? operator.k };
  }
  const { alpha, beta, rho, weighting, k } = operator;
  const radius = radiusFor(weighting, rho, 1);
  return { parameters: weightedParameters({ alpha, beta, radius }, weighting, 1, rho), k };
}

function picture(operator: Operator, layer?: LayerInspection): string {
  const curves = 'h over the norm and g over the angle';
  const { magnitude, angular, exponent } = operator;
  const drawn = { magnitude, angular, exponent, ...drawnCurves(operator, layer) };
  if (layer === undefined) return pictureMarkdown(drawn, curves);
  const { norm, angle } = layer;
  const ranges = `90 % of the norms lie in ${short(norm.p05)} to ${short(norm.p95)}, of the angles in ${short(angle.p05)}° to ${short(angle.p95)}°`;
  const measured = { norm: norm.histogram, angle: angle.histogram };
  return pictureMarkdown({ ...drawn, measured }, `${curves}, over the measured densities: ${ranges}`);
}

function plainWords(weightNorm: number | undefined): string {
  const mean = weightNorm === undefined ? '' : `; drawn for the mean ‖w‖ = ${short(weightNorm)}`;
  return `h = ‖w‖‖x‖ (unbounded${mean})  \nA plain layer, read in decoupled form: strength is the product of both lengths.`;
}

function magnitudeWords({ magnitude, alpha, beta, weighting }: Operator): string {
  const usesBeta = magnitude === 'seg' || magnitude === 'mix';
  const values = [`α = ${short(alpha)}`, ...(usesBeta ? [`β = ${short(beta)}`] : [])].join(', ');
  return `${magnitudeFormula(magnitude, weighting)} (${weighting === 'linear' ? 'unbounded in ‖w‖' : boundWords(magnitude)}; ${values})  \n${magnitudeMeanings[magnitude]}`;
}

/** How ‖w‖ counts, and which ‖w‖ is drawn. */
function weightingWords({ weighting }: Operator, layer?: LayerInspection): string | undefined {
  const meaning = weightingMeanings[weighting];
  if (meaning === undefined) return undefined;
  const norm = mean(layer?.weightNorms);
  const drawn =
    norm === undefined
      ? 'Drawn for ‖w‖ = 1, until a run is measured.'
      : `Drawn for the mean ‖w‖ = ${short(norm)}.`;
  return `${meaning} ${drawn}`;
}

function angularWords(operator: Operator, layer?: LayerInspection): string {
  const { angular, k, exponent } = operator;
  const network = isBcos(operator) ? ` It makes a B-cos network, with B = ${exponent}.` : '';
  const value = angular === 'sigmoid' ? ` (k = ${short(mean(layer?.k) ?? k)})` : '';
  return `${angularFormula(angular, exponent)}${value}  \n${angularMeanings[angular]}${network}`;
}

/** Which radius is drawn, ρ or R. */
function radiusWords(
  { magnitude, radius, rho, weighting }: Operator,
  layer?: LayerInspection,
): string | undefined {
  if (!usesRadius(magnitude)) return undefined;
  const inUse = mean(layer?.radius);
  const overNorm = weighting === 'joint-tanh' ? '/‖w‖' : '';
  if (layer === undefined || inUse === undefined)
    return radius === 'fixed'
      ? `R = ρ${overNorm === '' ? ', which' : `${overNorm}, and ρ`} starts at ${short(rho)}.`
      : `R = ρ·E‖x‖${overNorm}, and ρ starts at ${short(rho)}. Drawn for E‖x‖ = 1, until a run is measured.`;
  const of = layer.filters === 1 ? '' : `, the mean of ${layer.filters.toLocaleString('en')} filters`;
  const shares = (layer.regimes ?? []).map(({ name, share }) => `${percent(share)} ${name}`).join(', ');
  return `R = ${radius === 'adaptive' ? 'ρ·E‖x‖' : 'ρ'}${overNorm} = ${short(inUse)}${of}: ${shares}.`;
}

/** What each factor carries of what comes out (first-order Sobol indices over the measured joint density). */
function varianceWords(operator: Operator, layer: LayerInspection): string | undefined {
  const { magnitude, angular, exponent } = operator;
  const { parameters, k } = drawnCurves(operator, layer);
  const shares = varianceShares(
    layer.joint,
    (norm, degrees) =>
      magnitudeValue(magnitude, norm, parameters) *
      angularValue(angular, (degrees * Math.PI) / 180, k, exponent),
  );
  if (shares === undefined) return undefined;
  return `Of the output’s variance ‖x‖ alone carries ${percent(shares.norm)}, θ alone ${percent(shares.angle)}.`;
}
