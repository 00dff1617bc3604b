import { type KernelExports, runWritten } from './kernelCalls.js';

/** Numbers that tasks of one job are written with. */
const taskNumbers = 2 ** 16;
/** Tasks of one job. */
export const mostTasks = 1024;
/** Of what a kernel threw, characters that are told. */
const mostCharacters = 256;

/** What the threads of a crew tell each other by. */
export interface CrewMemory {
  /** See {@link flag}. */
  readonly flags: Int32Array;
  /** Where each task begins among the numbers. */
  readonly starts: Int32Array;
  readonly numbers: Float64Array;
  /** Of the job: where the first thread's memory lies, and how many bytes each has. */
  readonly scratch: Float64Array;
  /** What the first kernel threw that failed in a job: the number of characters, then their codes. */
  readonly failure: Uint16Array;
}

/** Places among the flags. */
export const flag = {
  /** Goes up by one when a job begins. */
  jobs: 0,
  /** The number of tasks, times {@link mostTasks}·2, and the number that were taken. One number, so that they are read at once. */
  tickets: 1,
  finished: 2,
  failed: 3,
} as const;

export function crewMemory(): CrewMemory {
  return {
    flags: new Int32Array(new SharedArrayBuffer(Object.keys(flag).length * Int32Array.BYTES_PER_ELEMENT)),
    starts: new Int32Array(new SharedArrayBuffer(mostTasks * Int32Array.BYTES_PER_ELEMENT)),
    numbers: new Float64Array(new SharedArrayBuffer(taskNumbers * Float64Array.BYTES_PER_ELEMENT)),
    scratch: new Float64Array(new SharedArrayBuffer(2 * Float64Array.BYTES_PER_ELEMENT)),
    failure: new Uint16Array(new SharedArrayBuffer((1 + mostCharacters) * Uint16Array.BYTES_PER_ELEMENT)),
  };
}

const ticketBase = 2 * mostTasks;

/** The tickets of so many tasks, none of which is taken. */
export function freshTickets(tasks: number): number {
  return tasks * ticketBase;
}

/**
 * Take tasks of the job under way until there are none left. The number of tasks comes with each ticket: who comes late, when
 * the next job has begun, takes one of that.
 * @param thread from 0
 * @returns what a kernel threw first
 */
export function work(kernels: KernelExports, memory: CrewMemory, thread: number): unknown {
  const { flags, starts, numbers, scratch } = memory;
  let failure: unknown;
  for (;;) {
    const ticket = Atomics.add(flags, flag.tickets, 1);
    const tasks = Math.floor(ticket / ticketBase);
    const task = ticket % ticketBase;
    if (task >= tasks) return failure;
    try {
      runWritten(kernels, numbers, starts[task]!, scratch[0]! + thread * scratch[1]!);
    } catch (thrown) {
      failure ??= thrown;
      if (Atomics.exchange(flags, flag.failed, 1) === 0) tell(memory, thrown);
    }
    if (Atomics.add(flags, flag.finished, 1) + 1 === tasks) Atomics.notify(flags, flag.finished);
  }
}

/** Before the task counts as finished: who waits for it reads the whole of it. */
function tell({ failure }: CrewMemory, thrown: unknown): void {
  const text = (thrown instanceof Error ? thrown.message : String(thrown)).slice(0, mostCharacters);
  failure[0] = text.length;
  for (let i = 0; i < text.length; i++) failure[1 + i] = text.charCodeAt(i);
}

/** What the first kernel threw that failed in the last job, after that. */
export function failureIn({ failure }: CrewMemory): string {
  return String.fromCharCode(...failure.subarray(1, 1 + failure[0]!));
}
