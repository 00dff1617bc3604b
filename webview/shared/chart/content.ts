import type { DataTable } from '../table.js';
import type { Mark, Point } from './marks.js';

export type Hue = 'norm' | 'angle' | 'plain';

export interface LegendItem {
  readonly sign: 'area' | 'line' | 'hairline' | 'level' | 'dot' | 'heat';
  readonly hue: Hue;
  readonly text: string;
  /** Of the second run, checkpoint or split: dashed. */
  readonly second?: boolean;
}

/** One line of the tooltip. The value is exact: the chart itself rounds. */
export interface Reading {
  readonly label: string;
  readonly value: string;
  readonly hue?: Hue;
}

/** Where the cursor stands, and what it reads there. */
export interface CursorStop {
  readonly at: Point;
  readonly marks: readonly Mark[];
  readonly readings: readonly Reading[];
}

/** The places a chart can be read at: a grid walked with the arrow keys (→ column + 1, ↑ row + 1). */
export interface Cursor {
  readonly columns: number;
  readonly rows: number;
  /** Where reading starts. */
  readonly start: readonly [column: number, row: number];
  readonly stop: (column: number, row: number) => CursorStop;
  /** Enter, or a click: the place is chosen. Left out where there is nothing to choose. */
  readonly choose?: (column: number, row: number) => void;
  /** The place under the pointer. */
  readonly locate: (x: number, y: number) => readonly [column: number, row: number] | undefined;
}

/** A chart at a certain width. */
export interface Picture {
  readonly width: number;
  readonly height: number;
  readonly marks: readonly Mark[];
  readonly cursor: Cursor | undefined;
}

/** Everything a chart shows; a new one replaces the old as a whole. */
export interface ChartContent {
  readonly title: string;
  /** One or more sentences that say what the picture shows, for those who do not see it. */
  readonly summary: string;
  readonly legend: readonly LegendItem[];
  /** The numbers behind the picture. */
  readonly tables: () => readonly DataTable[];
  /** Where the numbers come from; printed under a saved picture. */
  readonly source: string;
  /** Without extension. */
  readonly fileName: string;
  readonly draw: (width: number) => Picture;
}
