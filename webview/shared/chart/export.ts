import { svg } from '../dom.js';
import type { ChartContent } from './content.js';
import { drawMarks } from './draw.js';
import { signMarks } from './legend.js';
import { type Mark, rect, roomFor, words } from './marks.js';

const margin = 16;
const headHeight = 30;
const legendLine = 20;
const sourceHeight = 28;

/** What makes a picture look as it does, beside its geometry. */
const properties = [
  'fill',
  'fill-opacity',
  'stroke',
  'stroke-opacity',
  'stroke-width',
  'stroke-dasharray',
  'stroke-linejoin',
  'opacity',
  'font-family',
  'font-size',
  'font-weight',
  'text-anchor',
  'shape-rendering',
] as const;

/** Any CSS colour as `#rrggbb` and an opacity: programs that open SVG files know few of CSS's notations. */
function plainColour(context: CanvasRenderingContext2D, colour: string): readonly [string, number] {
  context.clearRect(0, 0, 1, 1);
  context.fillStyle = colour;
  context.fillRect(0, 0, 1, 1);
  const [red = 0, green = 0, blue = 0, alpha = 255] = context.getImageData(0, 0, 1, 1).data;
  const hex = [red, green, blue].map((value) => value.toString(16).padStart(2, '0')).join('');
  return [`#${hex}`, alpha / 255];
}

function resolveStyles(element: Element, context: CanvasRenderingContext2D): void {
  const style = getComputedStyle(element);
  for (const property of properties) {
    const value = style.getPropertyValue(property);
    if (value === '') continue;
    const isPaint = property === 'fill' || property === 'stroke';
    if (!isPaint || value === 'none' || value.startsWith('url(')) {
      element.setAttribute(property, value.replaceAll('"', "'"));
      continue;
    }
    const [colour, alpha] = plainColour(context, value);
    element.setAttribute(property, colour);
    const opacity = `${property}-opacity`;
    element.setAttribute(opacity, String(Number(style.getPropertyValue(opacity)) * alpha));
  }
  element.removeAttribute('class');
  for (const name of element.getAttributeNames()) if (name.startsWith('data-')) element.removeAttribute(name);
}

function legendMarks(content: ChartContent, width: number): { marks: readonly Mark[]; height: number } {
  let [x, line] = [margin, 0];
  const marks = content.legend.flatMap((item, i) => {
    const room = 24 + roomFor(item.text) + 14;
    if (x > margin && x + room > width) [x, line] = [margin, line + 1];
    const y = headHeight + line * legendLine;
    const made = [
      ...signMarks(`legend-${i}`, item, x, y + 3),
      words(`legend-${i}`, 'label', [x + 24, y + 12], item.text),
    ];
    x += room;
    return made;
  });
  return { marks, height: content.legend.length > 0 ? (line + 1) * legendLine + 6 : 0 };
}

/**
 * A chart as an SVG file: title, legend, picture and source line, with every colour resolved to this theme's.
 * @param place where the picture may be put for a moment, to take on the style sheet
 */
export function toSvg(content: ChartContent, width: number, place: Element): string {
  const picture = content.draw(width);
  const fullWidth = width + 2 * margin;
  const legend = legendMarks(content, fullWidth - margin);
  const top = headHeight + legend.height;
  const fullHeight = top + picture.height + sourceHeight;
  const root = svg('svg', {
    class: 'exporting',
    width: fullWidth,
    height: fullHeight,
    viewBox: `0 0 ${fullWidth} ${fullHeight}`,
  });
  const frame = svg('g');
  const chart = svg('g', { transform: `translate(${margin} ${top})` });
  root.append(svg('title', {}, content.title), svg('desc', {}, content.summary), frame, chart);
  place.append(root);
  try {
    drawMarks(frame, [
      rect('paper', 'paper', { x: 0, y: 0, width: fullWidth, height: fullHeight }),
      words('title', 'title', [margin, 20], content.title),
      ...legend.marks,
      words('source', 'label', [margin, fullHeight - 11], content.source),
    ]);
    drawMarks(chart, picture.marks);
    const context = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
    if (!context) throw new Error('This window offers no canvas to resolve colours with.');
    const used = new Set<string>();
    for (const element of root.querySelectorAll('path, line, rect, circle, text')) {
      resolveStyles(element, context);
      const pattern = /#(hatch-[a-z]+)/.exec(element.getAttribute('fill') ?? '')?.[1];
      if (pattern) used.add(pattern);
    }
    for (const id of used) {
      const original = document.getElementById(id);
      const copy = original?.cloneNode(true) as Element | undefined;
      const [from, to] = [original?.querySelector('path'), copy?.querySelector('path')];
      if (!copy || !from || !to) continue;
      const stroke = getComputedStyle(from);
      to.setAttribute('stroke', plainColour(context, stroke.stroke)[0]);
      to.setAttribute('stroke-width', stroke.strokeWidth);
      to.removeAttribute('class');
      root.prepend(svg('defs', {}, copy));
    }
    root.removeAttribute('class');
    return new XMLSerializer().serializeToString(root);
  } finally {
    root.remove();
  }
}

/** An SVG file as a PNG of twice its size, base64. */
export async function toPng(source: string): Promise<string> {
  const image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(source)}`;
  await image.decode();
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [image.naturalWidth * 2, image.naturalHeight * 2];
  const context = canvas.getContext('2d');
  if (!context) throw new Error('This window offers no canvas to draw the picture on.');
  context.drawImage(image, 0, 0, canvas.width, canvas.height);
  return canvas.toDataURL('image/png').replace(/^data:image\/png;base64,/, '');
}
