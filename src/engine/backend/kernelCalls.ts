/** What src/engine/backend/kernels exports for the tensors; every parameter is a number, an address or a flag. */
export const kernelNames = [
  'adamStep',
  'channelAffine',
  'channelMoments',
  'convolve',
  'convolveTiles',
  'countPairs',
  'filterGradient',
  'filterGradientOfTiles',
  'finishFilterGradient',
  'maxPoolGradient',
  'normalizationGradient',
  'normalizationSums',
  'packFilters',
  'packFlippedFilters',
  'patchNorms',
  'patchNormsGradient',
  'productBackward',
  'productForward',
  'sumResponses',
  'transformFilters',
] as const;

export type KernelName = (typeof kernelNames)[number];

/** An instance of the kernels' module. Each has a table of constants, and works in the memory that it was made with. */
export type KernelExports = Readonly<Record<KernelName, (...parameters: number[]) => void>> & {
  constantFloats(): number;
  placeConstants(at: number): void;
};

/** A kernel and its parameters. */
export type Call = readonly [name: KernelName, ...parameters: number[]];

/** Calls in this order, by one thread. */
export type KernelTask = readonly Call[];

/** A parameter from here on is so many bytes into the memory that each thread has for itself while tasks run. */
export const scratchAt = 2 ** 40;

/** Tasks written as numbers: of each its number of calls, then of each call the kernel, the number of parameters, and those. */
export function writeTask(task: KernelTask, to: Float64Array, at: number): number {
  to[at++] = task.length;
  for (const [name, ...parameters] of task) {
    to[at++] = kernelNames.indexOf(name);
    to[at++] = parameters.length;
    for (const parameter of parameters) to[at++] = parameter;
  }
  return at;
}

/** How many numbers {@link writeTask} takes. */
export function lengthOf(task: KernelTask): number {
  return task.reduce((sum, call) => sum + 1 + call.length, 1);
}

/**
 * Run a task that {@link writeTask} wrote.
 * @param scratch address of the thread's own memory
 */
export function runWritten(kernels: KernelExports, written: Float64Array, at: number, scratch: number): void {
  let next = at;
  for (let calls = written[next++]!; calls > 0; calls--) {
    const name = kernelNames[written[next]!]!;
    const count = written[next + 1]!;
    const parameters: number[] = [];
    for (let i = 0; i < count; i++) parameters.push(placed(written[next + 2 + i]!, scratch));
    next += 2 + count;
    kernels[name](...parameters);
  }
}

/** As {@link runWritten}, of a task as it is. */
export function runTask(kernels: KernelExports, task: KernelTask, scratch: number): void {
  for (const [name, ...parameters] of task)
    kernels[name](...parameters.map((parameter) => placed(parameter, scratch)));
}

function placed(parameter: number, scratch: number): number {
  return parameter >= scratchAt ? parameter - scratchAt + scratch : parameter;
}
