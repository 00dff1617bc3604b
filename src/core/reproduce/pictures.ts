import { angularNames, magnitudeNames } from '../config/operatorSchema.js';
import { angularCurve, type Curve, magnitudeCurve } from '../operator/curve.js';
import { operatorName, resolveOperator } from '../operator/operator.js';
import type { PlaneFeatures } from './features.js';

/** Ten hues that stand apart for the colour-blind too (Okabe and Ito, two greys besides); more classes start again. */
const hues = [
  '#0072b2',
  '#e69f00',
  '#009e73',
  '#d55e00',
  '#cc79a7',
  '#56b4e9',
  '#b8a900',
  '#7f3c8d',
  '#4d4d4d',
  '#999999',
] as const;
const text = '#24292f';
const quiet = '#8c959f';

/** One plot of a figure. */
export interface FeaturePlot {
  readonly title: string;
  readonly features: PlaneFeatures;
}

const side = 300;
const gap = 24;
const head = 26;
const legendHeight = 26;

/** Figure 1: each network's features in the plane, origin in the middle, as an SVG file. Each plot has its own scale. */
export function featurePicture(plots: readonly FeaturePlot[]): string {
  const columns = Math.min(2, Math.max(1, plots.length));
  const rows = Math.ceil(plots.length / columns);
  const width = columns * side + (columns - 1) * gap;
  const names = plots[0]?.features.classNames ?? [];
  const perLine = 5;
  const height = rows * (side + head) + (rows - 1) * gap + legendHeight * Math.ceil(names.length / perLine);
  const drawn = plots.map((plot, i) =>
    scatter(plot, (i % columns) * (side + gap), Math.floor(i / columns) * (side + head + gap)),
  );
  const legendTop = rows * (side + head) + (rows - 1) * gap;
  const legend = names.map((name, label) => {
    const x = (label % perLine) * (width / perLine) + 6;
    const y = legendTop + legendHeight * Math.floor(label / perLine) + 16;
    return `${dot(x, y, 4, label, 1)}${words(x + 10, y + 4, name)}`;
  });
  return svg(width, height, [...drawn, ...legend]);
}

function scatter({ title, features: { x, y, labels } }: FeaturePlot, left: number, top: number): string {
  const far = Math.max(...x.map(Math.abs), ...y.map(Math.abs), 1e-12) * 1.05;
  const [cx, cy] = [left + side / 2, top + head + side / 2];
  const scale = side / 2 / far;
  return [
    words(left, top + 16, title, text, 'bold'),
    `<rect x="${left}" y="${top + head}" width="${side}" height="${side}" fill="none" stroke="${quiet}" stroke-opacity="0.5"/>`,
    `<path d="M${left} ${cy}h${side}M${cx} ${top + head}v${side}" stroke="${quiet}" stroke-opacity="0.5" stroke-dasharray="2 3"/>`,
    ...x.map((value, i) => dot(cx + value * scale, cy - y[i]! * scale, 1.5, labels[i]!, 0.6)),
    words(left + side - 4, cy - 4, short(far), quiet, 'normal', 'end'),
  ].join('');
}

const plotSize = { width: 300, height: 200 } as const;
const axis = 18;

/** Figure 3: every h over ‖x‖ and every g over θ, as an SVG file. */
export function curvesPicture(): string {
  const h = magnitudeNames.map((name) => {
    const { alpha, beta } = resolveOperator({ magnitude: name });
    return { name: operatorName(name), curve: magnitudeCurve(name, { alpha, beta, radius: 1 }, 3) };
  });
  const g = angularNames.map((name) => ({
    name: name.replace('-', ' '),
    curve: angularCurve(name, resolveOperator({}).k),
  }));
  const right = plotSize.width + 130 + gap;
  return svg(2 * (plotSize.width + 130) + gap, head + plotSize.height + axis + 8, [
    curvePlot('Magnitude h(‖x‖), R = 1', h, 0, [0, 3], [0, 3.2], '‖x‖', [1, 2, 3]),
    curvePlot('Angular activation g(θ)', g, right, [0, 180], [-1.05, 1.05], 'θ, degrees', [-1, 0, 1]),
  ]);
}

function curvePlot(
  title: string,
  lines: readonly { readonly name: string; readonly curve: Curve }[],
  left: number,
  [fromX, toX]: readonly [number, number],
  [fromY, toY]: readonly [number, number],
  label: string,
  ticks: readonly number[],
): string {
  const floor = head + plotSize.height;
  const px = (value: number): number => left + (plotSize.width * (value - fromX)) / (toX - fromX);
  const py = (value: number): number => floor - (plotSize.height * (value - fromY)) / (toY - fromY);
  const drawn = lines.map(({ name, curve }, i) => {
    const points = curve.x.flatMap((value, at) =>
      curve.y[at]! <= toY ? [`${digits(px(value))} ${digits(py(curve.y[at]!))}`] : [],
    );
    const y = head + 14 + i * 20;
    const key = left + plotSize.width + 12;
    return [
      `<path d="M${points.join('L')}" ${stroke(i)}/>`,
      `<path d="M${key} ${y}h18" ${stroke(i)}/>`,
      words(key + 24, y + 4, name),
    ].join('');
  });
  return [
    words(left, 16, title, text, 'bold'),
    `<path d="M${left} ${head}V${floor}H${left + plotSize.width}" fill="none" stroke="${quiet}"/>`,
    ...ticks.map((value) =>
      [
        `<path d="M${left} ${digits(py(value))}h${plotSize.width}" stroke="${quiet}" stroke-opacity="0.4" stroke-dasharray="1 3"/>`,
        words(left + 3, digits(py(value)) - 3, short(value), quiet),
      ].join(''),
    ),
    words(left, floor + 14, short(fromX), quiet),
    words(left + plotSize.width, floor + 14, `${short(toX)} ${label}`, quiet, 'normal', 'end'),
    ...drawn,
  ].join('');
}

function svg(width: number, height: number, parts: readonly string[]): string {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="system-ui, sans-serif" font-size="12">`,
    `<rect width="${width}" height="${height}" fill="#ffffff"/>`,
    ...parts,
    '</svg>',
  ].join('');
}

/** Every other line is dashed: two that lie on each other are both seen, and no hue is needed to tell them. */
function stroke(i: number): string {
  const dashes = i % 2 === 1 ? ' stroke-dasharray="6 4"' : '';
  return `fill="none" stroke="${hue(i)}" stroke-width="2"${dashes}`;
}

function hue(i: number): string {
  return hues[i % hues.length]!;
}

function dot(x: number, y: number, radius: number, label: number, opacity: number): string {
  return `<circle cx="${digits(x)}" cy="${digits(y)}" r="${radius}" fill="${hue(label)}" fill-opacity="${opacity}"/>`;
}

/** Class names come from a data set: what has a meaning in XML is written as a character. */
function words(
  x: number,
  y: number,
  content: string,
  fill: string = text,
  weight: 'normal' | 'bold' = 'normal',
  anchor: 'start' | 'end' = 'start',
): string {
  const escaped = content.replace(/[&<>"]/g, (character) => `&#${character.codePointAt(0)};`);
  return `<text x="${digits(x)}" y="${digits(y)}" fill="${fill}" font-weight="${weight}" text-anchor="${anchor}">${escaped}</text>`;
}

function digits(value: number): number {
  return Math.round(value * 10) / 10;
}

function short(value: number): string {
  return String(Number(value.toPrecision(3)));
}
