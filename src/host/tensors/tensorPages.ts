import type { TensorEntry } from '../../core/checkpoint/safetensors.js';
import { DcnetError } from '../../core/errors.js';
import { linearEdges } from '../../core/statistics/histogram.js';
import type { WorkProgress } from '../../protocol/engine.js';
import {
  pageColumns,
  pageRows,
  type TensorStatistics,
  type TensorValue,
} from '../../protocol/panels/tensors.js';
import { type OpenedTensors, readChunks, readValues } from './tensorReader.js';

const bins = 64;

/**
 * A part of a tensor: at a place on its leading axes, rows and columns of the last two. A tensor of one axis is a row.
 * @throws DcnetError `usage` for a place outside it
 */
export async function readPage(
  tensors: OpenedTensors,
  {
    tensor,
    leading,
    row,
    column,
  }: { tensor: string; leading: readonly number[]; row: number; column: number },
): Promise<TensorValue[][]> {
  const entry = requireTensor(tensors, tensor);
  const [rows, columns] = matrixOf(entry.shape);
  const axes = entry.shape.slice(0, -2);
  const inside = leading.length === axes.length && axes.every((size, axis) => leading[axis]! < size);
  if (!inside || row >= Math.max(1, rows) || column >= Math.max(1, columns))
    throw new DcnetError({
      code: 'usage',
      message: `${tensor} has no such part.`,
      remedy: 'Choose a place inside its shape.',
      file: tensors.file,
    });
  const matrix = axes.reduce((at, size, axis) => at * size + leading[axis]!, 0) * rows * columns;
  const lastRow = Math.min(rows, row + pageRows);
  const lastColumn = Math.min(columns, column + pageColumns);
  const values: TensorValue[][] = [];
  for (let r = row; r < lastRow; r++) {
    const at = matrix + r * columns;
    values.push(Array.from(await readValues(tensors, entry, at + column, at + lastColumn), told));
  }
  return values;
}

/** The last two axes; a scalar is one value, one axis is a row. */
function matrixOf(shape: readonly number[]): readonly [rows: number, columns: number] {
  return [shape.at(-2) ?? 1, shape.at(-1) ?? 1];
}

function told(value: number): TensorValue {
  if (Number.isFinite(value)) return value;
  return Number.isNaN(value) ? 'NaN' : value > 0 ? '∞' : '−∞';
}

/**
 * Least, greatest, mean, standard deviation (of the population), ‖·‖ and histogram of a tensor, in two passes a chunk
 * at a time: its memory does not grow with the tensor.
 * @throws DcnetError `cancelled`
 */
export async function tensorStatistics(
  tensors: OpenedTensors,
  tensor: string,
  { signal, report }: { readonly signal: AbortSignal; readonly report: (progress: WorkProgress) => void },
): Promise<TensorStatistics> {
  const entry = requireTensor(tensors, tensor);
  const total = entry.shape.reduce((a, b) => a * b, 1);
  let [count, notFinite, zeros, sum, squares] = [0, 0, 0, 0, 0];
  let [minimum, maximum] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  let done = 0;
  const pass = async (activity: string, use: (value: number) => void): Promise<void> => {
    for await (const values of readChunks(tensors, entry)) {
      if (signal.aborted)
        throw new DcnetError({
          code: 'cancelled',
          message: 'It was cancelled.',
          remedy: 'Start it again when you like.',
        });
      for (const value of values) use(value);
      done += values.length;
      report({ activity, done, total: 2 * total });
    }
  };
  await pass('Reading values', (value) => {
    count++;
    if (!Number.isFinite(value)) {
      notFinite++;
      return;
    }
    if (value === 0) zeros++;
    sum += value;
    squares += value * value;
    if (value < minimum) minimum = value;
    if (value > maximum) maximum = value;
  });
  if (count === notFinite) return { count, notFinite, zeros };
  const mean = sum / (count - notFinite);
  const edges = linearEdges(minimum, maximum > minimum ? maximum : minimum + 1, bins);
  const counts = new Array<number>(bins).fill(0);
  const width = edges.at(-1)! - minimum;
  let deviations = 0;
  await pass('Counting values', (value) => {
    if (!Number.isFinite(value)) return;
    counts[Math.min(bins - 1, Math.floor(((value - minimum) / width) * bins))]!++;
    deviations += (value - mean) ** 2;
  });
  return {
    count,
    notFinite,
    zeros,
    finite: {
      minimum,
      maximum,
      mean,
      deviation: Math.sqrt(deviations / (count - notFinite)),
      norm: Math.sqrt(squares),
      histogram: { edges, counts },
    },
  };
}

function requireTensor({ tensors, file }: OpenedTensors, name: string): TensorEntry {
  const entry = tensors.get(name);
  if (entry !== undefined) return entry;
  throw new DcnetError({
    code: 'checkpoint',
    message: 'The file has no such tensor any more.',
    remedy: 'Choose one that is listed.',
    file,
    field: name,
  });
}
