import type { ErrorAnalysis, Evidence } from '../../src/core/verdict/analysis.js';
import { axis, axisScale } from '../shared/chart/axis.js';
import type { ChartContent, Cursor, Picture } from '../shared/chart/content.js';
import { dot, type Mark, rect, rule, words } from '../shared/chart/marks.js';
import { fileSafe, inColumn, precise, short } from '../shared/format.js';
import { sourceOf } from './content.js';

const rowHeight = 20;
const top = 20;
/** A long list of classes is cut to those with the largest logits, and the true one. */
const mostRows = 12;

function degreesOf(cosine: number): number {
  return (Math.acos(Math.max(-1, Math.min(1, cosine))) * 180) / Math.PI;
}

interface Line {
  readonly label: number;
  readonly name: string;
  readonly note: string;
  readonly logit: number;
  readonly cosine: number;
  readonly degrees: number;
}

/** Classes by logit, with the angle of the features to each one's weights: do cosines and logits agree? */
export function scoresContent(analysis: ErrorAnalysis, evidence: Evidence): ChartContent {
  const { label, predicted, logits, cosines, index } = evidence;
  const all = logits
    .map((logit, at): Line => {
      const note = at === label ? 'true' : at === predicted ? 'predicted' : '';
      return {
        label: at,
        name: analysis.classNames[at]!,
        note,
        logit,
        cosine: cosines[at]!,
        degrees: degreesOf(cosines[at]!),
      };
    })
    .sort((a, b) => b.logit - a.logit);
  const lines = all.filter(({ label: at }, rank) => rank < mostRows || at === label);
  const nearest = cosines.indexOf(Math.max(...cosines));
  const agreement =
    nearest === predicted
      ? 'The largest cosine is the predicted class’s too.'
      : `The largest cosine is that of ${analysis.classNames[nearest]}.`;
  return {
    title: 'Score layer',
    summary: `${agreement} Arrow keys read the classes.`,
    legend: [
      { sign: 'area', hue: 'plain', text: 'logit' },
      {
        sign: 'dot',
        hue: 'angle',
        text: 'angle θ between features and the class’s weights: smaller is nearer',
      },
    ],
    tables: () => [
      {
        caption: 'Classes by logit',
        columns: [
          { label: 'class' },
          { label: '', words: true },
          { label: 'logit' },
          { label: 'cos θ', hue: 'angle' },
          { label: 'θ', hue: 'angle' },
        ],
        rows: all.map(({ name, note, logit, cosine, degrees }) => [
          { text: name, value: name },
          { text: note, value: note },
          { text: inColumn(logit), value: logit },
          { text: inColumn(cosine), value: cosine },
          { text: `${degrees.toFixed(1)}°`, value: degrees },
        ]),
      },
    ],
    source: `${sourceOf(analysis)} › image ${index}`,
    fileName: fileSafe(`${analysis.run ?? analysis.data}-image-${index}-scores`),
    draw: (width) => draw(lines, width),
  };
}

function draw(lines: readonly Line[], width: number): Picture {
  const left = Math.min(130, width * 0.34);
  const middle = left + (width - left) * 0.5;
  const logits = lines.map(({ logit }) => logit);
  const score = axisScale([Math.min(0, ...logits), Math.max(0, ...logits)], [left, middle - 14]);
  const angles = lines.map(({ degrees }) => degrees);
  const pad = 3;
  const angle = axisScale(
    [Math.max(0, Math.min(...angles) - pad), Math.min(180, Math.max(...angles) + pad)],
    [middle + 8, width - 12],
  );
  const bottom = top + lines.length * rowHeight;
  const y = (row: number): number => top + (row + 0.5) * rowHeight;
  const marks: Mark[] = [
    words('logits', 'label', [left, 12], 'logit'),
    words('angles', 'label', [middle + 8, 12], 'θ in degrees'),
    ...lines.flatMap(({ label, name, note, logit, degrees }, row) => [
      words(
        `name-${label}`,
        note === '' ? 'label' : 'value',
        [left - 8, y(row) + 4],
        note === '' ? cut(name, 13) : `${note}: ${cut(name, 8)}`,
        { anchor: 'end' },
      ),
      rect(`logit-${label}`, 'area plain', {
        x: Math.min(score(0), score(logit)),
        y: y(row) - 6,
        width: Math.abs(score(logit) - score(0)),
        height: 12,
      }),
      rule(`way-${label}`, 'grid', [middle + 8, y(row)], [width - 12, y(row)]),
      dot(`angle-${label}`, 'angle', [angle(degrees), y(row)], note === '' ? 3.5 : 5),
    ]),
    rule('zero', 'frame-line', [score(0), top], [score(0), bottom]),
    ...axis({ key: 'score', at: 'bottom', edge: bottom, scale: score, ticks: 3 }),
    ...axis({
      key: 'degrees',
      at: 'bottom',
      edge: bottom,
      scale: angle,
      ticks: 4,
      format: (value) => `${short(value)}°`,
    }),
  ];
  const cursor: Cursor = {
    columns: 1,
    rows: lines.length,
    start: [0, lines.length - 1],
    locate: (_, at) => {
      const row = Math.floor((at - top) / rowHeight);
      return row >= 0 && row < lines.length ? [0, lines.length - 1 - row] : undefined;
    },
    stop: (_, fromBottom) => {
      const row = lines.length - 1 - fromBottom;
      const { name, note, logit, cosine, degrees } = lines[row]!;
      return {
        at: [middle, y(row)],
        marks: [
          rect('cursor-row', 'target', { x: left - 2, y: y(row) - 9, width: width - 8 - left, height: 18 }),
        ],
        readings: [
          { label: note === '' ? 'class' : `${note} class`, value: name },
          { label: 'logit', value: precise(logit) },
          { label: 'cos θ', value: precise(cosine), hue: 'angle' },
          { label: 'θ', value: `${precise(degrees)}°`, hue: 'angle' },
        ],
      };
    },
  };
  return { width, height: bottom + 22, marks, cursor };
}

function cut(name: string, most: number): string {
  return name.length > most ? `${name.slice(0, most - 1)}…` : name;
}
