import type { DataImage } from '../../src/protocol/images.js';
import { html } from './dom.js';

/**
 * An image of the data, a canvas pixel for each of its own; the style sheet says how large it is shown.
 * @param name what it is, for those who do not see it: `test image 17, a coat`
 */
export function imageElement({ shape, pixels }: DataImage, name: string): HTMLCanvasElement {
  const [height, width, channels] = shape;
  const bytes = Uint8Array.from(atob(pixels), (character) => character.charCodeAt(0));
  return pixelCanvas(width, height, name, (at) => {
    const value = (channel: number): number => bytes[at * channels + Math.min(channel, channels - 1)] ?? 0;
    return [value(0), value(1), value(2)];
  });
}

/** A canvas whose pixels are computed: red, green and blue (0 to 255) of the pixel at row-major position `at`. */
function pixelCanvas(
  width: number,
  height: number,
  name: string,
  colour: (at: number) => readonly [red: number, green: number, blue: number],
): HTMLCanvasElement {
  const canvas = html('canvas', { class: 'pixels', width, height, role: 'img', 'aria-label': name });
  const context = canvas.getContext('2d');
  if (!context) throw new Error('This window offers no canvas to draw images on.');
  const data = context.createImageData(width, height);
  for (let at = 0; at < width * height; at++) {
    const [red, green, blue] = colour(at);
    data.data.set([red, green, blue, 255], at * 4);
  }
  context.putImageData(data, 0, 0);
  return canvas;
}
