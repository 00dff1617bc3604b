import type { Inspection, LayerInspection } from '../../src/core/statistics/inspection.js';
import type { ImageMaps } from '../../src/protocol/engine.js';
import type { ChartContent, Hue, Picture } from '../shared/chart/content.js';
import { type Mark, rect, words } from '../shared/chart/marks.js';
import { shadedGrid, shadeScale } from '../shared/chart/shades.js';
import { checkpointName, fileSafe, precise, short } from '../shared/format.js';
import type { DataTable } from '../shared/table.js';
import { sourceLine } from './content.js';

interface MapPart {
  readonly name: string;
  readonly hue: Hue;
  readonly values: readonly number[];
  /** From empty to full. */
  readonly range: readonly [number, number];
  readonly ends: readonly [string, string];
  /** Values below 0 are shown too, in no hue: the other way from the filter. */
  readonly isSigned?: boolean;
}

function extremes(values: readonly number[]): readonly [number, number] {
  return values.reduce<readonly [number, number]>(
    ([least, greatest], value) => [Math.min(least, value), Math.max(greatest, value)],
    [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY],
  );
}

function partsOf(maps: ImageMaps): readonly MapPart[] {
  const [, strongest] = extremes(maps.norm);
  const [nearest, farthest] = extremes(maps.angle);
  const [least, most] = extremes(maps.response);
  const most90 = Math.max(90 - nearest, farthest - 90, 1);
  return [
    {
      name: '‖x‖: how strong',
      hue: 'norm',
      values: maps.norm,
      range: [0, strongest],
      ends: ['0', short(strongest)],
    },
    {
      name: 'θ: how well it matches',
      hue: 'angle',
      values: maps.angle.map((angle) => 90 - angle),
      range: [0, most90],
      ends: [`${(90 + most90).toFixed(0)}°`, `${(90 - most90).toFixed(0)}°`],
      isSigned: true,
    },
    {
      name: 'what comes of it',
      hue: 'plain',
      values: maps.response,
      range: [Math.min(0, least), most],
      ends: [short(Math.min(0, least)), short(most)],
    },
  ];
}

/** The image itself first, on the same grid of places. */
function imageValues({ image }: ImageMaps): readonly number[] {
  const [height, width, channels] = image.shape;
  const bytes = Uint8Array.from(atob(image.pixels), (character) => character.charCodeAt(0));
  return Array.from({ length: height * width }, (_, at) => {
    let sum = 0;
    for (let c = 0; c < channels; c++) sum += bytes[at * channels + c]!;
    return sum / channels;
  });
}

function draw(maps: ImageMaps, width: number): Picture {
  const { height: rows, width: columns, image } = maps;
  const parts = partsOf(maps);
  const gap = 18;
  const across = width < 560 ? 2 : 4;
  const side = Math.min(210, (width - gap * (across - 1) - 2) / across);
  const pitch = side + 74;
  const cell = side / Math.max(rows, columns);
  const placeOf = (i: number) => ({
    x: 1 + (i % across) * (side + gap),
    y: 20 + Math.floor(i / across) * pitch,
  });
  const pixel = side / Math.max(image.shape[0], image.shape[1]);
  const frame = (key: string, i: number, w: number, h: number): Mark =>
    rect(key, 'frame-line', { ...placeOf(i), width: w, height: h });
  const marks: Mark[] = [
    words('image-name', 'value', [placeOf(0).x, placeOf(0).y - 6], `image ${image.index}`),
    ...shadedGrid('image', 'cell', imageValues(maps), image.shape[1], [0, 255], {
      ...placeOf(0),
      cell: pixel,
    }),
    frame('image-frame', 0, image.shape[1] * pixel, image.shape[0] * pixel),
    ...parts.flatMap((part, index): readonly Mark[] => {
      const i = index + 1;
      const { x, y } = placeOf(i);
      const look = part.hue === 'plain' ? 'cell' : `cell ${part.hue}`;
      const scaleAt = y + rows * cell + 8;
      return [
        words(`name-${i}`, 'value', [x, y - 6], part.name),
        ...shadedGrid(`map-${i}`, look, part.values, columns, part.range, { x, y, cell }),
        frame(`frame-${i}`, i, columns * cell, rows * cell),
        ...(part.isSigned
          ? [
              ...shadedGrid(
                `against-${i}`,
                'cell',
                part.values.map((value) => -value),
                columns,
                part.range,
                {
                  x,
                  y,
                  cell,
                },
              ),
              ...shadeScale(`against-${i}`, 'cell', { x: x + side / 2, y: scaleAt, width: -side / 2 }),
              ...shadeScale(`scale-${i}`, look, { x: x + side / 2, y: scaleAt, width: side / 2 }),
              words(`middle-${i}`, 'label', [x + side / 2, scaleAt + 20], '90°', { anchor: 'middle' }),
            ]
          : shadeScale(`scale-${i}`, look, { x, y: scaleAt, width: side })),
        words(`from-${i}`, 'label', [x, scaleAt + 20], part.ends[0]),
        words(`to-${i}`, 'label', [x + side, scaleAt + 20], part.ends[1], { anchor: 'end' }),
      ];
    }),
  ];
  const strongest = maps.response.indexOf(Math.max(...maps.response));
  return {
    width,
    height: 20 + pitch * (Math.ceil(4 / across) - 1) + side + 36,
    marks,
    cursor: {
      columns,
      rows,
      start: [strongest % columns, rows - 1 - Math.floor(strongest / columns)],
      locate: (px, py) => {
        for (let i = 1; i <= 3; i++) {
          const { x, y } = placeOf(i);
          const [column, row] = [Math.floor((px - x) / cell), Math.floor((py - y) / cell)];
          if (column >= 0 && row >= 0 && column < columns && row < rows) return [column, rows - 1 - row];
        }
        return undefined;
      },
      stop: (column, up) => {
        const row = rows - 1 - up;
        const at = row * columns + column;
        const box = (i: number): Mark => {
          const { x, y } = placeOf(i);
          return rect(`cursor-${i}`, 'target', {
            x: x + column * cell,
            y: y + row * cell,
            width: cell,
            height: cell,
          });
        };
        const { x, y } = placeOf(2);
        return {
          at: [x + (column + 0.5) * cell, y + (row + 0.5) * cell],
          marks: [box(1), box(2), box(3)],
          readings: [
            { label: 'row, column', value: `${row}, ${column}` },
            { label: '‖x‖', value: precise(maps.norm[at]!), hue: 'norm' },
            { label: 'θ', value: `${precise(maps.angle[at]!)}°`, hue: 'angle' },
            { label: 'output', value: precise(maps.output[at]!) },
            { label: 'after normalisation and activation', value: precise(maps.response[at]!) },
          ],
        };
      },
    },
  };
}

function table(maps: ImageMaps): DataTable {
  const cell = (value: number, text: string) => ({ text, value });
  return {
    caption: 'Each place of the maps, by row and column from the top left',
    columns: [
      { label: 'row' },
      { label: 'column' },
      { label: '‖x‖', hue: 'norm' },
      { label: 'θ', hue: 'angle' },
      { label: 'output' },
      { label: 'response' },
    ],
    rows: maps.norm.map((norm, at) => [
      cell(Math.floor(at / maps.width), String(Math.floor(at / maps.width))),
      cell(at % maps.width, String(at % maps.width)),
      cell(norm, short(norm)),
      cell(maps.angle[at]!, `${maps.angle[at]!.toFixed(1)}°`),
      cell(maps.output[at]!, short(maps.output[at]!)),
      cell(maps.response[at]!, short(maps.response[at]!)),
    ]),
  };
}

/** Norm, angle and output of one filter over one image, side by side. */
export function mapsContent(
  inspection: Inspection,
  layer: LayerInspection,
  filter: number,
  maps: ImageMaps,
): ChartContent {
  const { image, labelName, predictedName } = maps;
  const taken = labelName === predictedName ? 'rightly' : `as ${predictedName}, wrongly`;
  const strongest = maps.norm.indexOf(Math.max(...maps.norm));
  const nearest = maps.angle.indexOf(Math.min(...maps.angle));
  const place = (at: number): string => `row ${Math.floor(at / maps.width)}, column ${at % maps.width}`;
  return {
    title: `Filter ${filter} of ${layer.name} over image ${image.index}: ${labelName}, taken ${taken}`,
    summary: `Strongest at ${place(strongest)} (‖x‖ ${short(maps.norm[strongest]!)}); best match at ${place(nearest)} (${maps.angle[nearest]!.toFixed(1)}°).`,
    legend: [
      { sign: 'dot', hue: 'norm', text: '‖x‖ of the patch' },
      {
        sign: 'dot',
        hue: 'angle',
        text: 'θ between patch and filter: full where they match, grey where they oppose',
      },
      { sign: 'dot', hue: 'plain', text: 'response after normalisation and activation' },
    ],
    tables: () => [table(maps)],
    source: `${sourceLine(inspection, layer)} › image ${image.index}, filter ${filter}`,
    fileName: fileSafe(
      `${checkpointName(inspection.checkpoint)}-${layer.name}-image-${image.index}-filter-${filter}`,
    ),
    draw: (width) => draw(maps, width),
  };
}
