import path from 'node:path';
import { angularValue } from '../core/operator/angular.js';
import { magnitudeValue } from '../core/operator/magnitude.js';
import { measuredCurves } from '../core/operator/measured.js';
import { operatorTitle } from '../core/operator/words.js';
import type { LayerInspection } from '../core/statistics/inspection.js';
import { type VarianceShares, varianceShares } from '../core/statistics/outputs.js';
import { doctor as examine } from '../engine/service.js';
import { type EngineFlags, startTold, withProgress } from './engine.js';
import { type Output, percent, short, table } from './output.js';

/** Accuracy and loss of a checkpoint on a split. */
export async function evaluate(
  checkpoint: string,
  { split, ...flags }: EngineFlags & { readonly split: 'train' | 'test' },
  output: Output,
): Promise<void> {
  const engine = await startTold(flags, output);
  const result = await withProgress(output, (context) =>
    engine.evaluate({ checkpoint: path.resolve(checkpoint), split }, context),
  );
  output.answer(result);
  const threads = result.workers === 1 ? '' : `, ${result.workers} threads`;
  const top5 = result.top5Accuracy === undefined ? '' : `, top-5 ${percent(result.top5Accuracy)}`;
  output.say(
    `${result.data}, ${result.split}: accuracy ${percent(result.accuracy)}${top5}, loss ${result.loss.toFixed(4)}, n = ${result.sampleSize.toLocaleString('en')}, ${result.imagesPerSecond.toFixed(0)} images/s on ${result.backend}${threads}`,
  );
  const rows = result.perClass.map(({ name, images, accuracy }) => [name, String(images), percent(accuracy)]);
  output.say(table([['class', 'images', 'accuracy'], ...rows]));
}

/** Scores of a checkpoint's network for images of a file. */
export async function predict(
  checkpoint: string,
  images: string,
  flags: EngineFlags,
  output: Output,
): Promise<void> {
  const engine = await startTold(flags, output);
  const { classNames, logits } = await withProgress(output, (context) =>
    engine.predict({ checkpoint: path.resolve(checkpoint), images: path.resolve(images) }, context),
  );
  const labels = logits.map((row) => row.indexOf(Math.max(...row)));
  output.answer({ checkpoint, images, classNames, labels, logits });
  if (output.json) return;
  const rows = logits.map((row, i) => [
    String(i),
    classNames[labels[i]!]!,
    ...row.map((score) => score.toFixed(4)),
  ]);
  output.say(table([['image', 'class', ...classNames], ...rows]));
}

/** Norms and angles of every layer. */
export async function inspect(
  checkpoint: string,
  { split, limit, ...flags }: EngineFlags & { readonly split: 'train' | 'test'; readonly limit?: number },
  output: Output,
): Promise<void> {
  const engine = await startTold(flags, output);
  const inspection = await withProgress(output, (context) =>
    engine.inspect({ checkpoint: path.resolve(checkpoint), split, limit }, context),
  );
  output.answer(inspection);
  const { data, sampleSize, accuracy, backend } = inspection;
  output.say(
    `${data}, ${split}: n = ${sampleSize.toLocaleString('en')}, accuracy ${percent(accuracy)}, ${backend}`,
  );
  const head = [
    'layer',
    'operator',
    'patches',
    'weak',
    '‖x‖ 5 %',
    'median',
    '95 %',
    'θ mean',
    '±',
    'R',
    'beyond R',
    'dead',
    'response',
    'nearest',
    'energy',
    'var ‖x‖',
    'var θ',
  ];
  output.say(table([head, ...inspection.layers.map(layerRow)]));
}

function layerRow(layer: LayerInspection): string[] {
  const { operator, norm, angle, radius, regimes, filters } = layer;
  const { deadShares, meanResponses, nearestAngles, energy } = layer;
  const shares = sharesOf(layer);
  const beyond = regimes?.find(({ name }) => name === 'beyond the radius');
  return [
    layer.name,
    operator === 'inner-product' ? 'inner product' : operatorTitle(operator).replace(' · ', ', '),
    String(layer.patches),
    String(layer.weakPatches),
    short(norm.p05),
    short(norm.median),
    short(norm.p95),
    `${angle.mean.toFixed(1)}°`,
    `${angle.deviation.toFixed(1)}°`,
    radius === undefined ? '–' : short(mean(radius)),
    beyond === undefined ? '–' : percent(beyond.share),
    `${deadShares.filter((share) => share >= deadFrom).length} of ${filters}`,
    short(mean(meanResponses)),
    nearestAngles.length === 0 ? '–' : `${Math.min(...nearestAngles).toFixed(1)}°`,
    energy === undefined ? '–' : short(energy),
    shares === undefined ? '–' : percent(shares.norm),
    shares === undefined ? '–' : percent(shares.angle),
  ];
}

/** A filter is called dead when it is silent to so large a share of the patches. */
const deadFrom = 0.999;

function mean(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0) / values.length;
}

/** What each factor carries of the output's variance, with the mean parameters of the filters. */
function sharesOf(layer: LayerInspection): VarianceShares | undefined {
  const { operator, weightNorms, joint } = layer;
  if (operator === 'inner-product') {
    const weight = mean(weightNorms);
    return varianceShares(joint, (norm, degrees) => weight * norm * Math.cos((degrees * Math.PI) / 180));
  }
  const { magnitude, angular } = operator;
  const { parameters, k, exponent } = measuredCurves(operator, layer);
  return varianceShares(
    layer.joint,
    (norm, degrees) =>
      magnitudeValue(magnitude, norm, parameters) *
      angularValue(angular, (degrees * Math.PI) / 180, k ?? 1, exponent),
  );
}

/** What runs here and what does not, each with the reason. */
export async function doctor(output: Output): Promise<void> {
  const report = await examine();
  output.answer(report);
  output.say(`dcnet ${report.dcnetVersion} · Node ${report.node}, ${report.nodePath} · ${report.platform}`);
  output.say(`${report.cpu}, ${report.cores} cores, ${report.memoryGiB.toFixed(1)} GiB`);
  for (const { name, available, version, device, imagesPerSecond, reason } of report.runtimes) {
    const speed =
      imagesPerSecond === undefined ? '' : `, ${Math.round(imagesPerSecond)} images/s in the trial`;
    const chosen = name === report.chosen ? ` (--backend ${report.choice})` : '';
    const leftOut = reason === undefined ? '' : ` (${reason})`;
    output.say(
      available ? `✓ ${name} ${version ?? ''}: ${device}${speed}${chosen}${leftOut}` : `✗ ${name}: ${reason}`,
    );
  }
}
