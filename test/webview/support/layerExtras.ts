import { angularValue } from '../../../src/core/operator/angular.js';
import type { Inspection } from '../../../src/core/statistics/inspection.js';
import type { FilterAngles, ImageMaps, SampleImages } from '../../../src/protocol/engine.js';
import type { Epoch } from '../../../src/protocol/panels/layer.js';
import { normal } from './random.js';

/** Synthetic answers to what the layer panel asks for. */

const base64 = (bytes: Uint8Array): string => btoa(String.fromCharCode(...bytes));

/** The same layers a little further on: norms larger, angles nearer. */
export function makeSecond(inspection: Inspection): Inspection {
  return {
    ...inspection,
    run: 'fashion-ball',
    checkpoint: '/runs/fashion-ball/checkpoints/epoch-0004.dcnet.safetensors',
    epoch: 4,
    accuracy: 0.841,
    layers: inspection.layers.map((layer, i) => {
      const scale = 1.15 + 0.05 * i;
      const scaled = (edges: readonly number[]): number[] => edges.map((edge) => edge * scale);
      const { norm, joint, radius } = layer;
      return {
        ...layer,
        norm: {
          ...norm,
          histogram: { ...norm.histogram, edges: scaled(norm.histogram.edges) },
          mean: norm.mean * scale,
          median: norm.median * scale,
          p05: norm.p05 * scale,
          p95: norm.p95 * scale,
        },
        joint: { ...joint, normEdges: scaled(joint.normEdges) },
        ...(radius ? { radius: radius.map((value) => value * 0.8) } : {}),
      };
    }),
  };
}

/** A run of eight checkpoints, of which the first `measured` and the last are measured. */
export function makeEpochs(inspection: Inspection, name: string, measured = 8): Epoch[] {
  const layer = inspection.layers.find((candidate) => candidate.name === name)!;
  return Array.from({ length: 8 }, (_, i) => {
    const scale = 0.6 + 0.05 * (i + 1);
    const { norm, angle, radius } = layer;
    return {
      name: `epoch-000${i + 1}`,
      checkpoint: i === 7 ? inspection.checkpoint : `epoch-000${i + 1}.dcnet.safetensors`,
      layer:
        i < measured || i === 7
          ? {
              norm: { ...norm.histogram, edges: norm.histogram.edges.map((edge) => edge * scale) },
              angle: angle.histogram,
              medianNorm: norm.median * scale,
              medianAngle: angle.median,
              radius: radius?.[0],
            }
          : undefined,
    };
  });
}

const side = 28;

/** A bright ring with a gap, drawn a little differently for each index. */
function ring(index: number): Uint8Array {
  return Uint8Array.from({ length: side * side }, (_, at) => {
    const [x, y] = [(at % side) - 13.5, Math.floor(at / side) - 13.5];
    const away = Math.abs(Math.hypot(x, y) - 7 - (index % 3));
    const gap = Math.atan2(y, x) > 2.4 - 0.2 * (index % 5);
    return gap ? 0 : Math.max(0, Math.round(255 - 90 * away));
  });
}

export function makeImages(): SampleImages {
  return {
    count: 1000,
    images: Array.from({ length: 24 }, (_, index) => ({
      index,
      label: index % 10,
      predicted: index % 7 === 3 ? (index + 1) % 10 : index % 10,
      shape: [side, side, 1] as const satisfies readonly number[] as [number, number, number],
      pixels: base64(ring(index)),
    })),
  };
}

export function makeMaps(): ImageMaps {
  const pixels = ring(3);
  const norm = Array.from(
    pixels,
    (value, at) => (value + (pixels[at - 1] ?? 0) + (pixels[at + side] ?? 0)) / 255,
  );
  const angle = Array.from(pixels, (value, at) => 90 - (value - (pixels[at + 1] ?? 0)) / 4);
  const output = norm.map(
    (length, at) => Math.tanh(length) * angularValue('cosine', (angle[at]! * Math.PI) / 180, 1),
  );
  return {
    image: { index: 3, label: 3, shape: [side, side, 1], pixels: base64(pixels) },
    labelName: 'dress',
    predictedName: 'coat',
    height: side,
    width: side,
    norm,
    angle,
    output,
    response: output.map((value) => Math.max(0, value)),
  };
}

/** Angles near 90°, with one pair of twins. */
export function makeAngles(filters = 16): FilterAngles {
  const next = normal(5);
  const values = Array.from({ length: (filters * (filters - 1)) / 2 }, () => 86 + 9 * next());
  values[20] = 21;
  const words = Uint16Array.from(values, (angle) => Math.round((Math.min(180, angle) / 180) * 65535));
  return { filters, angles: base64(new Uint8Array(words.buffer)) };
}
