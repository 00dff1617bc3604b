import {
  path as d3Path,
  type SymbolType,
  symbolAsterisk,
  symbolCircle,
  symbolCross,
  symbolDiamond,
  symbolPlus,
  symbolSquare,
  symbolSquare2,
  symbolStar,
  symbolTimes,
  symbolTriangle,
  symbolTriangle2,
  symbolWye,
} from 'd3';
import type { ErrorAnalysis } from '../../src/core/verdict/analysis.js';
import type { ChartContent, Cursor, Picture } from '../shared/chart/content.js';
import { dot, type Mark, type Point, rule, words } from '../shared/chart/marks.js';
import { count, fileSafe, inColumn, percent, precise, short } from '../shared/format.js';
import { sourceOf } from './content.js';

/** Filled and open ones in turn; from the thirteenth class on they come again. */
const shapes: readonly { readonly type: SymbolType; readonly open: boolean }[] = [
  { type: symbolCircle, open: false },
  { type: symbolPlus, open: true },
  { type: symbolTriangle, open: false },
  { type: symbolSquare2, open: true },
  { type: symbolDiamond, open: false },
  { type: symbolTimes, open: true },
  { type: symbolSquare, open: false },
  { type: symbolTriangle2, open: true },
  { type: symbolStar, open: false },
  { type: symbolAsterisk, open: true },
  { type: symbolCross, open: false },
  { type: symbolWye, open: false },
];

interface Place {
  readonly index: number;
  readonly label: number;
  readonly predicted: number;
  readonly angle: number;
  readonly radius: number;
  /** −1 to 1 in both directions, upwards. */
  readonly at: Point;
}

/** The penultimate features in polar form: figure 1 of the paper. @param selected position of an image in the split */
export function embeddingContent(
  analysis: ErrorAnalysis,
  selected: number | undefined,
  label: number | undefined,
  choose: (index: number) => void,
): ChartContent {
  const { embedding, classNames, labels, predicted } = analysis;
  const largest = Math.max(...embedding.radius, 1e-12);
  const places = embedding.index.map((index, i): Place => {
    const [angle, radius] = [embedding.angle[i]!, embedding.radius[i]!];
    const turn = (angle * Math.PI) / 180;
    const length = radius / largest;
    return {
      index,
      label: labels[index]!,
      predicted: predicted[index]!,
      angle,
      radius,
      at: [length * Math.cos(turn), length * Math.sin(turn)],
    };
  });
  const kept =
    embedding.method === 'exact'
      ? 'The features have two components, so radius and angle are exact.'
      : `The radius is the true ‖x‖. The angle is that of the unit direction x/‖x‖ in the plane of its two principal axes, which keep ${percent(embedding.kept)} of the directions’ variance: classes that overlap here may still stand apart.`;
  const shown =
    places.length < labels.length
      ? ` ${count(places.length)} of ${count(labels.length)} images are shown.`
      : '';
  return {
    title: 'Penultimate features in polar form',
    summary: `${kept}${shown} Each class has a mark of its own; arrow keys walk round by angle, Enter selects an error.`,
    legend: [
      {
        sign: 'dot',
        hue: 'plain',
        text: `an image, with a mark for its class; ${embedding.method === 'exact' ? 'exact: there are two features' : `‖x‖ is exact, its direction projected: ${percent(embedding.kept)} of the variance kept`}`,
      },
    ],
    tables: () => [
      {
        caption: 'Mean norm and direction of each class in this plane',
        columns: [
          { label: 'class' },
          { label: 'images' },
          { label: 'mean ‖x‖', hue: 'norm' },
          { label: 'direction', hue: 'angle' },
        ],
        rows: classNames.map((name, at) => {
          const own = places.filter((place) => place.label === at);
          const radius = own.reduce((sum, place) => sum + place.radius, 0) / own.length;
          const direction = directionOf(own);
          return [
            { text: name, value: name },
            { text: count(own.length), value: own.length },
            { text: own.length > 0 ? inColumn(radius) : '–', value: radius },
            { text: own.length > 0 ? `${direction.toFixed(1)}°` : '–', value: direction },
          ];
        }),
      },
    ],
    source: `${sourceOf(analysis)} · ${embedding.method === 'exact' ? 'exact' : `projection, ${percent(embedding.kept)} of the directions’ variance`}`,
    fileName: fileSafe(`${analysis.run ?? analysis.data}-features`),
    draw: (width) => draw(places, classNames, largest, width, selected, label, choose),
  };
}

/** Of the mean of the unit directions, degrees. */
function directionOf(places: readonly Place[]): number {
  let [x, y] = [0, 0];
  for (const { angle } of places) {
    x += Math.cos((angle * Math.PI) / 180);
    y += Math.sin((angle * Math.PI) / 180);
  }
  return (Math.atan2(y, x) * 180) / Math.PI;
}

function draw(
  places: readonly Place[],
  names: readonly string[],
  largest: number,
  width: number,
  selected: number | undefined,
  label: number | undefined,
  choose: (index: number) => void,
): Picture {
  const size = Math.min(width, 520);
  // Names of classes stand beside the outer ring.
  const room = Math.min(size / 2 - 34, width / 2 - 92);
  const middle: Point = [width / 2, size / 2];
  const at = ([x, y]: Point): Point => [middle[0] + x * room, middle[1] - y * room];
  const rings = [0.5, 1].flatMap((share): Mark[] => [
    { ...dot(`ring-${share}`, '', middle, Math.round(share * room)), className: 'ring' },
    words(
      `ring-${share}`,
      'label',
      [middle[0] + 3, middle[1] + share * room - 4],
      `‖x‖ ${short(share * largest)}`,
    ),
  ]);
  const dim = label !== undefined;
  const ofClass = names.map((_, at) => places.filter((place) => place.label === at));
  const chosen = places.find(({ index }) => index === selected);
  const marks: Mark[] = [
    ...rings,
    rule('across', 'grid', [middle[0] - room, middle[1]], [middle[0] + room, middle[1]]),
    rule('upright', 'grid', [middle[0], middle[1] - room], [middle[0], middle[1] + room]),
    ...ofClass.map((own, cls): Mark => {
      const { type, open } = shapes[cls % shapes.length]!;
      const d = own.map(({ at: place }) => symbolAt(type, at(place), open ? 22 : 18)).join('');
      const look = open ? 'feature open' : 'feature';
      return {
        tag: 'path',
        key: `class-${cls}`,
        className: dim && cls !== label ? `${look} faint` : look,
        attributes: { d },
      };
    }),
    ...ofClass.flatMap((own, cls) => {
      if (own.length === 0) return [];
      const turn = (directionOf(own) * Math.PI) / 180;
      const [x, y] = at([Math.cos(turn) * 1.05, Math.sin(turn) * 1.05]);
      const anchor = Math.cos(turn) > 0.3 ? 'start' : Math.cos(turn) < -0.3 ? 'end' : 'middle';
      const { type, open } = shapes[cls % shapes.length]!;
      const shift = anchor === 'start' ? 10 : anchor === 'end' ? -10 : 0;
      const name = names[cls]!.length > 10 ? `${names[cls]!.slice(0, 9)}…` : names[cls]!;
      return [
        {
          tag: 'path',
          key: `key-${cls}`,
          className: open ? 'feature open key' : 'feature key',
          attributes: { d: symbolAt(type, [x, y], 44) },
        } satisfies Mark,
        words(
          `name-${cls}`,
          dim && cls !== label ? 'label' : 'value',
          [x + shift, y + (anchor === 'middle' ? (Math.sin(turn) > 0 ? -8 : 16) : 4)],
          name,
          { anchor },
        ),
      ];
    }),
    ...(chosen ? [{ ...dot('selected', '', at(chosen.at), 8), className: 'target' }] : []),
  ];
  const order = [...places].sort((a, b) => a.angle - b.angle);
  const cursor: Cursor = {
    columns: order.length,
    rows: 1,
    start: [
      Math.max(
        0,
        order.findIndex(({ index }) => index === selected),
      ),
      0,
    ],
    choose: (column) => {
      const place = order[column];
      if (place && place.label !== place.predicted) choose(place.index);
    },
    locate: (x, y) => {
      let [best, nearest] = [-1, 18 ** 2];
      order.forEach((place, i) => {
        const [px, py] = at(place.at);
        const distance = (px - x) ** 2 + (py - y) ** 2;
        if (distance < nearest) [best, nearest] = [i, distance];
      });
      return best < 0 ? undefined : [best, 0];
    },
    stop: (column) => {
      const { index, label, predicted, angle, radius, at: place } = order[column]!;
      return {
        at: at(place),
        marks: [{ ...dot('cursor', '', at(place), 8), className: 'target' }],
        readings: [
          { label: 'test image', value: String(index) },
          { label: 'true class', value: names[label]! },
          ...(label === predicted ? [] : [{ label: 'taken for', value: names[predicted]! }]),
          { label: '‖x‖', value: precise(radius), hue: 'norm' },
          { label: 'angle here', value: `${angle.toFixed(1)}°`, hue: 'angle' },
        ],
      };
    },
  };
  return { width, height: size, marks, cursor: order.length > 0 ? cursor : undefined };
}

/** A symbol's path around a point. */
function symbolAt(type: SymbolType, [x, y]: Point, size: number): string {
  // Symbols are drawn around 0; their own numbers are shifted, so that all of a class are one path.
  const shifted = d3Path();
  type.draw(
    {
      moveTo: (px: number, py: number) => shifted.moveTo(round(px + x), round(py + y)),
      lineTo: (px: number, py: number) => shifted.lineTo(round(px + x), round(py + y)),
      closePath: () => shifted.closePath(),
      rect: (px: number, py: number, w: number, h: number) =>
        shifted.rect(round(px + x), round(py + y), w, h),
      arc: (px: number, py: number, r: number, a: number, b: number) =>
        shifted.arc(round(px + x), round(py + y), round(r), a, b),
    } as unknown as Parameters<SymbolType['draw']>[0],
    size,
  );
  return shifted.toString();
}

const round = (value: number): number => Math.round(value * 100) / 100;
