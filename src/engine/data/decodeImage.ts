import { convertIndexedToRgb, type DecodedPng, decode as decodePng } from 'fast-png';
import { decode as decodeJpeg } from 'jpeg-js';
import { dataError } from './dataFiles.js';
import type { Pixels } from './resize.js';

/** An image may have this many pixels: 64 Mi, more than a camera makes. */
const mostPixels = 2 ** 26;
const mostJpegMegabytes = 2048;
const remedy = 'Replace it, or delete it from the folder.';

/**
 * Decode a PNG or JPEG file to 8 bits a channel. Transparency is dropped, 16 bits are cut to their upper 8.
 * @param color three channels, or one: round(0.299 R + 0.587 G + 0.114 B)
 * @throws DcnetError `data`: neither PNG nor JPEG, damaged, or too large
 */
export function decodeImage(bytes: Uint8Array, color: 'rgb' | 'grey', file: string): Pixels {
  const isPng = startsWith(bytes, [0x89, 0x50, 0x4e, 0x47]);
  if (!isPng && !startsWith(bytes, [0xff, 0xd8, 0xff]))
    throw dataError(file, 'The file is neither a PNG nor a JPEG image.', remedy);
  try {
    const image = isPng ? readPng(bytes) : readJpeg(bytes);
    return color === 'rgb' ? toRgb(image) : toGrey(image);
  } catch (thrown) {
    const why = thrown instanceof Error ? thrown.message : String(thrown);
    throw dataError(file, `The image cannot be decoded (${why}).`, remedy, thrown);
  }
}

function startsWith(bytes: Uint8Array, magic: readonly number[]): boolean {
  return magic.every((byte, i) => bytes[i] === byte);
}

function readJpeg(bytes: Uint8Array): Pixels {
  const { width, height, data } = decodeJpeg(bytes, {
    useTArray: true,
    formatAsRGBA: false,
    tolerantDecoding: false,
    maxResolutionInMP: mostPixels / 1e6,
    maxMemoryUsageInMB: mostJpegMegabytes,
  });
  return { width, height, channels: 3, values: data };
}

function readPng(bytes: Uint8Array): Pixels {
  // The sizes stand at a fixed place: they are looked at before memory is taken for them.
  if (bytes.length < 33) throw new Error('it is cut off');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const [width, height] = [view.getUint32(16), view.getUint32(20)];
  if (width * height > mostPixels) throw new Error(`it says that it has ${width}×${height} pixels`);
  const png = decodePng(bytes, { checkCrc: true });
  if (png.palette !== undefined) {
    const values = convertIndexedToRgb(png);
    return { width, height, channels: values.length / (width * height), values };
  }
  return { width, height, channels: png.channels, values: eightBits(png) };
}

function eightBits({ data, depth, width, height, channels }: DecodedPng): Uint8Array {
  if (depth === 16) return Uint8Array.from(data as Uint16Array, (value) => value >> 8);
  if (depth === 8) return new Uint8Array(data.buffer, data.byteOffset, data.length);
  // Grey of 1, 2 or 4 bits: rows begin at whole bytes.
  const values = new Uint8Array(width * height * channels);
  const rowBytes = Math.ceil((width * depth) / 8);
  const most = 2 ** depth - 1;
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const bit = x * depth;
      const byte = data[y * rowBytes + (bit >> 3)]!;
      values[y * width + x] = (((byte >> (8 - depth - (bit & 7))) & most) * 255) / most;
    }
  return values;
}

/** Grey (with or without alpha) or colour (with or without alpha) as colour. */
function toRgb(image: Pixels): Pixels {
  const { channels, values } = image;
  if (channels === 3) return image;
  const count = values.length / channels;
  const isGrey = channels < 3;
  const rgb = new Uint8Array(3 * count);
  for (let i = 0; i < count; i++)
    for (let c = 0; c < 3; c++) rgb[3 * i + c] = values[i * channels + (isGrey ? 0 : c)]!;
  return { ...image, channels: 3, values: rgb };
}

function toGrey(image: Pixels): Pixels {
  const { channels, values } = image;
  const grey = new Uint8Array(values.length / channels);
  for (let i = 0; i < grey.length; i++) {
    const at = i * channels;
    grey[i] =
      channels < 3
        ? values[at]!
        : Math.round(0.299 * values[at]! + 0.587 * values[at + 1]! + 0.114 * values[at + 2]!);
  }
  return { ...image, channels: 1, values: grey };
}
