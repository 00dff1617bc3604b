import { type KernelBackend, registerKernel, type TensorInfo, util } from '@tensorflow/tfjs-core';
import type { CountPairsAttributes } from '../inspection/pairCounts.js';
import { jointShift } from '../inspection/pairCounts.js';
import type { SumResponsesAttributes } from '../inspection/responses.js';
import type { KernelMemory, KernelModule } from './kernelModule.js';
import type { OwnKernels } from './ownKernels.js';

const filledUp = (length: number): number => (length + 3) & ~3;

/** Do something with tensors' values where the kernels find them. */
type WithValues = (
  tensors: readonly TensorInfo[],
  backend: KernelBackend,
  use: (...addresses: number[]) => void,
) => void;

/** Register the counting kernels for the wasm backend. */
export function registerInspectionKernels(module: KernelModule): void {
  // A tensor of another backend is moved here when it is first asked for, which may move all the memory.
  register('wasm', module, (tensors, _, use) => use(...tensors.map((tensor) => module.address(tensor))));
}

/** Register the counting kernels for a backend that has none of its own: what is counted is copied to them. */
export function registerCounting(backendName: 'tensorflow' | 'webgpu', kernels: OwnKernels): void {
  register(backendName, kernels, (tensors, backend, use) => {
    const values = tensors.map(({ dataId }) => backend.readSync(dataId) as Float32Array);
    const length = values.reduce((sum, { length }) => sum + length, 0);
    kernels.withScratch(length, (start) => {
      let at = start;
      const addresses = values.map((one) => {
        kernels.view(at, one.length).set(one);
        at += one.byteLength;
        return at - one.byteLength;
      });
      use(...addresses);
    });
  });
}

/** They give no tensor: what they count goes into the attributes' `into`. */
function register(backendName: string, memory: KernelMemory, withValues: WithValues): void {
  registerKernel({
    kernelName: 'CountPairs',
    backendName,
    kernelFunc: ({ inputs, attrs, backend }) => {
      const { projection, norms } = inputs as Record<'projection' | 'norms', TensorInfo>;
      const patches = util.sizeFromShape(norms.shape) / norms.shape[0]!;
      withValues([projection, norms], backend as KernelBackend, (dots, lengths) =>
        countPairs(
          memory,
          { dots: dots!, lengths: lengths!, patches },
          attrs as unknown as CountPairsAttributes,
        ),
      );
      return [];
    },
  });
  registerKernel({
    kernelName: 'SumResponses',
    backendName,
    kernelFunc: ({ inputs, attrs, backend }) => {
      const { response } = inputs as Record<'response', TensorInfo>;
      withValues([response], backend as KernelBackend, (values) =>
        sumResponses(
          memory,
          values!,
          util.sizeFromShape(response.shape),
          attrs as unknown as SumResponsesAttributes,
        ),
      );
      return [];
    },
  });
}

const totalCount = 10;

/** Addresses of the projections and the norms; patches of an image. */
interface Pairs {
  readonly dots: number;
  readonly lengths: number;
  readonly patches: number;
}

function countPairs(
  module: KernelMemory,
  { dots, lengths, patches }: Pairs,
  { images, into, floor, origin, scale, factors, radii }: CountPairsAttributes,
): void {
  const { filters } = into;
  const row = filledUp(filters);
  // Float64 first, so that they lie on multiples of 8.
  const sizes = [
    2 * totalCount,
    2 * row,
    row,
    row,
    filledUp(radii.length),
    into.norms.length,
    into.joint.length,
  ];
  module.withScratch(
    sizes.reduce((a, b) => a + b),
    (address) => {
      let at = address;
      const [totals, sums, partial, factorRow, radiusRow, normCounts, joint] = sizes.map((size) => {
        const start = at;
        at += 4 * size;
        return start;
      }) as [number, number, number, number, number, number, number];
      module
        .view(
          address,
          sizes.reduce((a, b) => a + b),
        )
        .fill(0);
      module.view(factorRow, filters).set(factors);
      module.view(radiusRow, radii.length).set(radii);
      const heap = module.view(address, 1).buffer;
      const numbers = new Float64Array(heap, totals, totalCount);
      numbers.set([0, 0, 0, 0, Number.POSITIVE_INFINITY, 0, 0, 90, -90, 0]);
      for (const image of images)
        module.kernels.countPairs(
          ...[patches, filters, floor, origin, scale, into.norms.length, jointShift],
          ...[dots + 4 * image * patches * filters, lengths + 4 * image * patches],
          ...[factorRow, radiusRow, radii.length, partial, totals, sums, normCounts, joint],
        );
      const [strong, weak, normSum, normSquares, leastNorm, greatestNorm, squares, least, most, beyond] =
        numbers as unknown as [
          number,
          number,
          number,
          number,
          number,
          number,
          number,
          number,
          number,
          number,
        ];
      Object.assign(into, { strong, weak, normSum, normSquares, leastNorm, greatestNorm, beyond });
      into.complementSquares = squares;
      into.leastComplement = least;
      into.greatestComplement = most;
      into.complements.set(new Float64Array(heap, sums, filters));
      into.norms.set(new Int32Array(heap, normCounts, into.norms.length));
      into.joint.set(new Int32Array(heap, joint, into.joint.length));
    },
  );
}

/** @param values address of `count` responses */
function sumResponses(
  module: KernelMemory,
  values: number,
  count: number,
  { silent, into }: SumResponsesAttributes,
): void {
  const filters = into.sums.length;
  const row = filledUp(filters);
  module.withScratch(4 * row, (sums) => {
    const [partial, counts] = [sums + 8 * row, sums + 12 * row];
    module.view(sums, 4 * row).fill(0);
    module.kernels.sumResponses(count / filters, filters, silent, values, partial, sums, counts);
    const heap = module.view(sums, 1).buffer;
    const [totals, silents] = [new Float64Array(heap, sums, filters), new Int32Array(heap, counts, filters)];
    for (let f = 0; f < filters; f++) {
      into.sums[f]! += totals[f]!;
      into.silentCounts[f]! += silents[f]!;
    }
  });
}
