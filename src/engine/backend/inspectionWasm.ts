import { registerKernel, type TensorInfo, util } from '@tensorflow/tfjs-core';
import type { CountPairsAttributes } from '../inspection/pairCounts.js';
import { jointShift } from '../inspection/pairCounts.js';
import type { SumResponsesAttributes } from '../inspection/responses.js';
import type { KernelModule } from './kernelModule.js';

const filledUp = (length: number): number => (length + 3) & ~3;

/** Register the counting kernels for the wasm backend. They give no tensor: what they count goes into the attributes' `into`. */
export function registerInspectionKernels(module: KernelModule): void {
  registerKernel({
    kernelName: 'CountPairs',
    backendName: 'wasm',
    kernelFunc: ({ inputs, attrs }) => {
      const { projection, norms } = inputs as Record<'projection' | 'norms', TensorInfo>;
      countPairs(module, projection, norms, attrs as unknown as CountPairsAttributes);
      return [];
    },
  });
  registerKernel({
    kernelName: 'SumResponses',
    backendName: 'wasm',
    kernelFunc: ({ inputs, attrs }) => {
      sumResponses(module, inputs.response as TensorInfo, attrs as unknown as SumResponsesAttributes);
      return [];
    },
  });
}

const totalCount = 10;

function countPairs(
  module: KernelModule,
  projection: TensorInfo,
  norms: TensorInfo,
  { images, into, floor, origin, scale, factors, radii }: CountPairsAttributes,
): void {
  const { filters } = into;
  const patches = util.sizeFromShape(norms.shape) / norms.shape[0]!;
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
  // A tensor of another backend is moved here when it is first asked for, which may move all the memory.
  const [dots, lengths] = [module.address(projection), module.address(norms)];
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

function sumResponses(
  module: KernelModule,
  response: TensorInfo,
  { silent, into }: SumResponsesAttributes,
): void {
  const filters = into.sums.length;
  const row = filledUp(filters);
  const values = module.address(response);
  module.withScratch(4 * row, (sums) => {
    const [partial, counts] = [sums + 8 * row, sums + 12 * row];
    module.view(sums, 4 * row).fill(0);
    const rows = util.sizeFromShape(response.shape) / filters;
    module.kernels.sumResponses(rows, filters, silent, values, partial, sums, counts);
    const heap = module.view(sums, 1).buffer;
    const [totals, silents] = [new Float64Array(heap, sums, filters), new Int32Array(heap, counts, filters)];
    for (let f = 0; f < filters; f++) {
      into.sums[f]! += totals[f]!;
      into.silentCounts[f]! += silents[f]!;
    }
  });
}
