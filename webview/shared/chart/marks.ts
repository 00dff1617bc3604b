import { area as d3Area, line as d3Line } from 'd3';

export type Attribute = string | number;

/** One SVG element of a chart, as data: what it is, not how it gets into the page. */
export interface Mark {
  readonly tag: 'path' | 'line' | 'rect' | 'circle' | 'text';
  /** Unique in its chart, and the same in every redraw. */
  readonly key: string;
  /** Style classes: `norm`, `angle` or `plain`, and what it is. */
  readonly className: string;
  readonly attributes: Readonly<Record<string, Attribute>>;
  readonly text?: string;
}

/** A place in the chart, in pixels. */
export type Point = readonly [x: number, y: number];

const digits = 2;
const round = (value: number): number => Math.round(value * 100) / 100;

/** A line through points. */
export function line(key: string, className: string, points: readonly Point[]): Mark {
  const d = d3Line<Point>().digits(digits)(points) ?? '';
  return { tag: 'path', key, className: `line ${className}`, attributes: { d } };
}

/** A filled area between a base line and an outline, which is drawn point by point (steps are points too). */
export function area(
  key: string,
  className: string,
  outline: readonly Point[],
  base: { readonly x: number } | { readonly y: number },
): Mark {
  const shape = d3Area<Point>().digits(digits);
  const d =
    'y' in base
      ? shape
          .x((point) => point[0])
          .y0(base.y)
          .y1((point) => point[1])(outline)
      : shape
          .y((point) => point[1])
          .x0(base.x)
          .x1((point) => point[0])(outline);
  return { tag: 'path', key, className: `area ${className}`, attributes: { d: d ?? '' } };
}

/** A straight line. */
export function rule(
  key: string,
  className: string,
  from: Point,
  to: Point,
  attributes: Readonly<Record<string, Attribute>> = {},
): Mark {
  return {
    tag: 'line',
    key,
    className,
    attributes: { x1: round(from[0]), y1: round(from[1]), x2: round(to[0]), y2: round(to[1]), ...attributes },
  };
}

/** An upright rectangle. */
export function rect(
  key: string,
  className: string,
  box: { readonly x: number; readonly y: number; readonly width: number; readonly height: number },
): Mark {
  const { x, y, width, height } = box;
  return {
    tag: 'rect',
    key,
    className,
    attributes: {
      x: round(x),
      y: round(y),
      width: Math.max(0, round(width)),
      height: Math.max(0, round(height)),
    },
  };
}

/** A dot. */
export function dot(key: string, className: string, at: Point, radius: number): Mark {
  return {
    tag: 'circle',
    key,
    className: `dot ${className}`,
    attributes: { cx: round(at[0]), cy: round(at[1]), r: radius },
  };
}

/** Words. `turned` sets them along the y axis, reading upwards. */
export function words(
  key: string,
  className: string,
  at: Point,
  text: string,
  options: {
    readonly anchor?: 'start' | 'middle' | 'end';
    readonly turned?: boolean;
    readonly data?: Readonly<Record<string, Attribute>>;
  } = {},
): Mark {
  const [x, y] = [round(at[0]), round(at[1])];
  return {
    tag: 'text',
    key,
    className,
    text,
    attributes: {
      x,
      y,
      'text-anchor': options.anchor ?? 'start',
      ...(options.turned ? { transform: `rotate(-90 ${x} ${y})` } : {}),
      ...options.data,
    },
  };
}

/** Width in pixels that words of the charts' type size need at most: wide fonts take some 0.62 em a letter. */
export function roomFor(text: string): number {
  return text.length * 7;
}
