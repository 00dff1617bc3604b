import { workerData } from 'node:worker_threads';
import type { CrewThreadSetup } from './crew.js';
import { flag, work } from './crewJob.js';
import type { KernelExports } from './kernelCalls.js';

/** Looks for the next job so often before it sleeps: the kernels of a step follow each other closely. */
const looks = 20_000;

/** A thread of a crew: does tasks of each job, for as long as the process lives. */
function main(): void {
  const { compiled, memory, table, thread, crew } = workerData as CrewThreadSetup;
  const instance = new WebAssembly.Instance(compiled, { env: { memory } });
  const kernels = instance.exports as unknown as KernelExports;
  kernels.placeConstants(table);
  const { flags } = crew;
  let seen = 0;
  for (;;) {
    for (let i = 0; i < looks && Atomics.load(flags, flag.jobs) === seen; i++);
    Atomics.wait(flags, flag.jobs, seen);
    seen = Atomics.load(flags, flag.jobs);
    work(kernels, crew, thread);
  }
}

main();
