import { existsSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { DcnetError } from '../../core/errors.js';
import { type CrewMemory, crewMemory, failureIn, flag, freshTickets, mostTasks, work } from './crewJob.js';
import { type KernelExports, type KernelTask, lengthOf, writeTask } from './kernelCalls.js';

/** What a thread is started with. */
export interface CrewThreadSetup {
  readonly compiled: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  /** Address of the thread's table of constants. */
  readonly table: number;
  /** From 1; 0 is the one that the crew helps. */
  readonly thread: number;
  readonly crew: CrewMemory;
}

/** Looks for the last tasks' end so often before it sleeps: tasks are about equally long. */
const looks = 20_000;

/**
 * Threads that run kernels along with this one, in the same memory. They wait for work by themselves: this thread, which
 * hands it out, is never kept from going on alone while they start.
 */
export class Crew {
  readonly #memory = crewMemory();
  /** Threads, this one included. */
  readonly count: number;
  /** What ended a thread, which does no task any more. */
  #ended: Error | undefined;

  /**
   * @param compiled the kernels' module
   * @param memory a shared one, in which all work
   * @param tables addresses of the tables of constants, of one for each thread to start
   * @throws DcnetError `backend` where the threads' program is missing
   */
  constructor(compiled: WebAssembly.Module, memory: WebAssembly.Memory, tables: readonly number[]) {
    this.count = 1 + tables.length;
    const program = threadProgram();
    if (!existsSync(program))
      throw new DcnetError({
        code: 'backend',
        message: `The program of the threads that compute is missing: ${program}.`,
        remedy: `Install the extension again, or run npm run build in a clone; ${oneThread}.`,
      });
    for (const [i, table] of tables.entries()) {
      const workerData: CrewThreadSetup = { compiled, memory, table, thread: i + 1, crew: this.#memory };
      // They end with the process, which does not wait for them.
      const worker = new Worker(program, { workerData });
      worker.once('error', (thrown) => {
        this.#ended ??= thrown;
      });
      worker.unref();
    }
  }

  /**
   * Run tasks, in any order, and return when all are done.
   * @param kernels of this thread
   * @param scratch address of the threads' own memory, and the bytes that each has
   * @throws whatever a kernel of this thread threw, or Error where one of another did; DcnetError `backend` where a thread has ended
   */
  run(kernels: KernelExports, tasks: readonly KernelTask[], scratch: readonly [number, number]): void {
    if (this.#ended !== undefined)
      throw new DcnetError(
        {
          code: 'backend',
          message: `A thread that computes has ended: ${this.#ended.message}.`,
          remedy: `Start again; ${oneThread}.`,
        },
        { cause: this.#ended },
      );
    for (let next = 0; next < tasks.length; ) {
      const { numbers, starts } = this.#memory;
      let count = 0;
      for (let at = 0; count < mostTasks && next < tasks.length; count++, next++) {
        const task = tasks[next]!;
        if (at + lengthOf(task) > numbers.length) break;
        starts[count] = at;
        at = writeTask(task, numbers, at);
      }
      if (count === 0) throw new Error('A task has too many calls.');
      this.#job(kernels, count, scratch);
    }
  }

  #job(kernels: KernelExports, tasks: number, scratch: readonly [number, number]): void {
    const { flags } = this.#memory;
    this.#memory.scratch.set(scratch);
    Atomics.store(flags, flag.finished, 0);
    Atomics.store(flags, flag.failed, 0);
    Atomics.store(flags, flag.tickets, freshTickets(tasks));
    Atomics.add(flags, flag.jobs, 1);
    Atomics.notify(flags, flag.jobs);
    const failure = work(kernels, this.#memory, 0);
    const finished = () => Atomics.load(flags, flag.finished);
    for (let i = 0; i < looks && finished() < tasks; i++);
    for (let done = finished(); done < tasks; done = finished()) Atomics.wait(flags, flag.finished, done);
    if (failure !== undefined) throw failure;
    if (Atomics.load(flags, flag.failed) !== 0)
      throw new Error(`A kernel failed in another thread: ${failureIn(this.#memory)}`);
  }
}

const oneThread = 'one thread needs none (--workers 1, setting dcnet.workers)';

/** The thread's program: beside the bundled engine; from source, in the build's output. */
function threadProgram(): string {
  const here = path.dirname(fileURLToPath(import.meta.url));
  return path.join(here, import.meta.url.endsWith('.ts') ? '../../../dist' : '', 'kernelThread.js');
}
