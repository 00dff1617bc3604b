import type { Locator, Page } from 'playwright-core';

/** The points of a path that has straight lines only, in the order drawn. */
function pathPoints(d: string): (readonly [number, number])[] {
  const points: [number, number][] = [];
  let at: [number, number] = [0, 0];
  for (const [, command, rest = ''] of d.matchAll(/([MLHVZ])([^MLHVZ]*)/g)) {
    const numbers = [...rest.matchAll(/-?\d+(?:\.\d+)?/g)].map(Number);
    const steps: [number, number][] =
      command === 'H'
        ? numbers.map((x) => [x, at[1]])
        : command === 'V'
          ? numbers.map((y) => [at[0], y])
          : numbers.flatMap((x, i): [number, number][] => (i % 2 === 0 ? [[x, numbers[i + 1]!]] : []));
    points.push(...steps);
    at = steps.at(-1) ?? at;
  }
  return points;
}

/** A mark of the chart. */
export function mark(page: Page, key: string): Locator {
  return page.locator(`svg.surface [data-mark="${key}"]`);
}

/** The points that a mark is drawn through. */
export async function markPoints(page: Page, key: string): Promise<(readonly [number, number])[]> {
  const d = await mark(page, key).getAttribute('d');
  if (d === null) throw new Error(`No path ${key}`);
  return pathPoints(d);
}

/**
 * Pixels → data along one axis, read off the axis' own ticks as a reader would.
 * @param along the attribute that a tick's place is in
 */
export async function readAxis(
  page: Page,
  key: string,
  along: 'x1' | 'y1',
): Promise<(pixel: number) => number> {
  const ticks = await page
    .locator(`svg.surface [data-mark^="${key}-tick-"]`)
    .evaluateAll(
      (elements, attribute) =>
        elements.map((element) => [
          Number(element.getAttribute(attribute)),
          Number(element.getAttribute('data-value')),
        ]),
      along,
    );
  const sorted = ticks.sort((a, b) => a[0]! - b[0]!);
  const [first, last] = [sorted[0], sorted.at(-1)];
  if (!first || !last || first === last) throw new Error(`Axis ${key} has ${ticks.length} ticks`);
  const slope = (last[1]! - first[1]!) / (last[0]! - first[0]!);
  return (pixel) => first[1]! + (pixel - first[0]!) * slope;
}
