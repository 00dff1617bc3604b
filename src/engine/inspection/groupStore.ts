import { readFile } from 'node:fs/promises';
import { gunzipSync, gzipSync } from 'node:zlib';
import * as z from 'zod';
import type { GroupCounts, LayerGroups } from '../../core/statistics/splits.js';
import type { Labels } from '../data/split.js';
import { writeStored } from './store.js';

const scalars = [
  'strong',
  'weak',
  'normSum',
  'normSquares',
  'leastNorm',
  'greatestNorm',
  'complementSum',
  'complementSquares',
  'leastComplement',
  'greatestComplement',
  'beyond',
] as const;

const fileSchema = z.object({
  version: z.literal(1),
  checkpointSha256: z.string(),
  /** The class that the network gives each image, base64: little-endian, so many bytes each. */
  predictions: z.string(),
  predictionBytes: z.union([z.literal(1), z.literal(2)]).default(1),
  layers: z.array(
    z.object({
      name: z.string(),
      jointNormEdges: z.array(z.number()),
      groups: z.number().int(),
      norms: z.number().int(),
      angles: z.number().int(),
      /** Float64 [groups][scalars, norms, angles, joint], little-endian, gzip, base64. */
      counts: z.string(),
    }),
  ),
});

/** What an inspection knows of classes, of right and wrong, and of single images. */
export interface StoredGroups {
  readonly predictions: Labels;
  readonly layers: readonly LayerGroups[];
}

/** Beside an inspection's file: `epoch-0001.test.groups.json`. */
function groupsFile(inspection: string): string {
  return inspection.replace(/\.json$/, '.groups.json');
}

/** What was stored beside an inspection, if it is of this very checkpoint. */
export async function readGroups(
  inspection: string,
  checkpointSha256: string,
): Promise<StoredGroups | undefined> {
  try {
    const parsed = fileSchema.parse(JSON.parse(await readFile(groupsFile(inspection), 'utf8')));
    if (parsed.checkpointSha256 !== checkpointSha256) return undefined;
    return {
      predictions: unpackLabels(Buffer.from(parsed.predictions, 'base64'), parsed.predictionBytes),
      layers: parsed.layers.map(({ name, jointNormEdges, groups, norms, angles, counts }) => {
        const bytes = gunzipSync(Buffer.from(counts, 'base64'));
        const values = new Float64Array(
          bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length),
        );
        const length = values.length / groups;
        return {
          name,
          jointNormEdges,
          groups: Array.from({ length: groups }, (_, i) =>
            unpack(values.subarray(i * length, (i + 1) * length), norms, angles),
          ),
        };
      }),
    };
  } catch {
    // None yet, or of another program or version: measuring again replaces it.
    return undefined;
  }
}

/** @throws DcnetError `io` */
export async function writeGroups(
  inspection: string,
  checkpointSha256: string,
  { predictions, layers }: StoredGroups,
): Promise<void> {
  const file = groupsFile(inspection);
  const content: z.infer<typeof fileSchema> = {
    version: 1,
    checkpointSha256,
    predictions: Buffer.from(predictions.buffer, predictions.byteOffset, predictions.byteLength).toString(
      'base64',
    ),
    predictionBytes: predictions instanceof Uint16Array ? 2 : 1,
    layers: layers.map(({ name, jointNormEdges, groups }) => ({
      name,
      jointNormEdges: [...jointNormEdges],
      groups: groups.length,
      norms: groups[0]?.norms.length ?? 0,
      angles: groups[0]?.angles.length ?? 0,
      counts: gzipSync(new Uint8Array(Float64Array.from(groups.flatMap(pack)).buffer)).toString('base64'),
    })),
  };
  await writeStored(file, content);
}

function unpackLabels(bytes: Buffer, each: 1 | 2): Labels {
  const own = Uint8Array.from(bytes);
  return each === 1 ? own : new Uint16Array(own.buffer);
}

function pack(counts: GroupCounts): number[] {
  const { norms, angles, joint } = counts;
  return [...scalars.map((name) => counts[name]), ...arrayOf(norms), ...arrayOf(angles), ...arrayOf(joint)];
}

function unpack(values: Float64Array, norms: number, angles: number): GroupCounts {
  const [afterScalars, afterNorms] = [scalars.length, scalars.length + norms];
  const named = Object.fromEntries(scalars.map((name, i) => [name, values[i]!])) as Record<
    (typeof scalars)[number],
    number
  >;
  return {
    ...named,
    norms: values.subarray(afterScalars, afterNorms),
    angles: values.subarray(afterNorms, afterNorms + angles),
    joint: values.subarray(afterNorms + angles),
  };
}

const arrayOf = (values: ArrayLike<number>): number[] => Array.from(values);
