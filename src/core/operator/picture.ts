import type { AngularName, MagnitudeName } from '../config/operatorSchema.js';
import { quantile } from '../statistics/histogram.js';
import type { Histogram } from '../statistics/inspection.js';
import { angularCurve, type Curve, magnitudeCurve } from './curve.js';
import type { MagnitudeParameters } from './magnitude.js';
import { usesRadius } from './operator.js';

/** Colours of a theme, as `#rrggbb`. */
export interface PictureColours {
  readonly norm: string;
  readonly angle: string;
  readonly text: string;
  /** Of axes. */
  readonly quiet: string;
}

/** An operator with the numbers its curves are drawn with, and what was measured, where something was. */
export interface PicturedOperator {
  readonly magnitude: MagnitudeName;
  readonly angular: AngularName;
  readonly parameters: MagnitudeParameters;
  readonly k: number;
  /** B of the square cosine; 2 where it is left out. */
  readonly exponent?: number | undefined;
  /** Densities behind the curves: ‖x‖, and θ in degrees. */
  readonly measured?: { readonly norm: Histogram; readonly angle: Histogram };
  /** Draw h alone, or g alone. */
  readonly only?: 'h' | 'g';
}

const panel = { width: 176, height: 96, gap: 20, top: 16, bottom: 18 } as const;
/** Curves of h go to so many radii where nothing is measured. */
const radiiShown = 3;
/** One crowded bin must not flatten the others, nor a few far norms press the rest to the left. */
const shownHeights = 0.95;
const shownNorms = 0.99;

type Scale = (value: number) => number;
interface Plot {
  readonly left: number;
  readonly x: Scale;
}

/**
 * Small curves of h over ‖x‖ and of g over θ side by side, as an SVG file: data filled, theory a line, the radius a
 * hairline. It is made of numbers and of the words below only.
 */
export function operatorPicture(operator: PicturedOperator, colours: PictureColours): string {
  const parts = [operator.only === 'g' ? '' : 'h', operator.only === 'h' ? '' : 'g'].filter(Boolean);
  const width = parts.length * panel.width + (parts.length - 1) * panel.gap + 2;
  const height = panel.top + panel.height + panel.bottom;
  const drawn = parts.map((part, i) => {
    const left = 1 + i * (panel.width + panel.gap);
    return part === 'h' ? drawMagnitude(operator, left, colours) : drawAngular(operator, left, colours);
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="system-ui, sans-serif" font-size="11">`,
    ...drawn,
    '</svg>',
  ].join('');
}

function drawMagnitude(operator: PicturedOperator, left: number, colours: PictureColours): string {
  const { magnitude, parameters, measured } = operator;
  const { radius } = parameters;
  const hasRadius = usesRadius(magnitude);
  const far = measured === undefined ? 0 : quantile(measured.norm.edges, measured.norm.counts, shownNorms);
  const most = far > 0 ? Math.max(1.1 * far, hasRadius ? 1.3 * radius : 0) : radiiShown * radius;
  const curve = magnitudeCurve(magnitude, parameters, most, 89);
  const top = Math.max(...curve.y) * 1.08 || 1;
  const plot: Plot = { left, x: (norm) => left + panel.width * Math.min(1, norm / most) };
  const y: Scale = (value) => floor - (panel.height * value) / top;
  const at = plot.x(radius);
  return [
    measured === undefined ? '' : density(measured.norm, plot, colours.norm),
    line([left, floor], [left + panel.width, floor], colours.quiet),
    hasRadius ? line([at, panel.top], [at, floor], colours.text, '2 2') : '',
    path(curve, plot, y, colours.norm),
    words(left, 11, 'h', colours.norm),
    words(left, floor + 13, '0', colours.quiet),
    hasRadius ? words(at, floor + 13, 'R', colours.text, 'middle') : '',
    words(left + panel.width, floor + 13, '‖x‖', colours.quiet, 'end'),
  ].join('');
}

function drawAngular(operator: PicturedOperator, left: number, colours: PictureColours): string {
  const { angular, k, exponent, measured } = operator;
  const plot: Plot = { left, x: (degrees) => left + (panel.width * degrees) / 180 };
  const y: Scale = (value) => panel.top + (panel.height * (1.06 - value)) / 2.12;
  const [zero, middle] = [y(0), plot.x(90)];
  return [
    measured === undefined ? '' : density(measured.angle, plot, colours.angle),
    line([left, zero], [left + panel.width, zero], colours.quiet, '1 3'),
    line([left, floor], [left + panel.width, floor], colours.quiet),
    line([middle, panel.top], [middle, floor], colours.quiet, '1 3'),
    path(angularCurve(angular, k, exponent), plot, y, colours.angle),
    words(left, 11, 'g', colours.angle),
    words(left, floor + 13, '0°', colours.quiet),
    words(middle, floor + 13, '90°', colours.quiet, 'middle'),
    words(left + panel.width, floor + 13, 'θ 180°', colours.quiet, 'end'),
  ].join('');
}

/** Bottom of the plots. */
const floor = panel.top + panel.height;

/** Count for each unit of the axis, as steps. */
function density({ edges, counts }: Histogram, { x }: Plot, colour: string): string {
  const heights = counts.map((count, i) => count / (edges[i + 1]! - edges[i]!));
  const filled = heights.filter((height) => height > 0).sort((a, b) => a - b);
  const most = filled[Math.ceil(shownHeights * (filled.length - 1))] ?? 1;
  const steps = heights.flatMap((height, i) => {
    const y = floor - panel.height * Math.min(1, height / most);
    return [point(x(edges[i]!), y), point(x(edges[i + 1]!), y)];
  });
  const [from, to] = [x(edges[0]!), x(edges.at(-1)!)];
  return `<path d="M${point(from, floor)}L${steps.join('L')}L${point(to, floor)}Z" fill="${colour}" fill-opacity="0.3"/>`;
}

function path({ x, y }: Curve, plot: Plot, place: Scale, colour: string): string {
  const points = x.map((value, i) => point(plot.x(value), place(y[i]!)));
  return `<path d="M${points.join('L')}" fill="none" stroke="${colour}" stroke-width="2" stroke-linejoin="round"/>`;
}

type Point = readonly [x: number, y: number];

function line([x1, y1]: Point, [x2, y2]: Point, colour: string, dashes?: string): string {
  const dashed = dashes === undefined ? '' : ` stroke-dasharray="${dashes}"`;
  return `<line x1="${digits(x1)}" y1="${digits(y1)}" x2="${digits(x2)}" y2="${digits(y2)}" stroke="${colour}"${dashed}/>`;
}

function words(x: number, y: number, text: string, colour: string, anchor = 'start'): string {
  return `<text x="${digits(x)}" y="${digits(y)}" fill="${colour}" text-anchor="${anchor}">${text}</text>`;
}

function point(x: number, y: number): string {
  return `${digits(x)} ${digits(y)}`;
}

function digits(value: number): number {
  return Math.round(value * 10) / 10;
}
