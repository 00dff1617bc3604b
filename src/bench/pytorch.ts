import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import * as z from 'zod';
import type { Network } from '../core/config/network.js';
import { evaluationBatch } from '../engine/training/evaluate.js';
import { type NamedOperator, type NetworkPlan, resolve } from './networks.js';

const script = fileURLToPath(new URL('../src/bench/pytorch.py', import.meta.url));

const greetingSchema = z.union([
  z.object({ version: z.string(), threads: z.number().int(), device: z.string() }),
  z.object({ missing: z.string() }),
]);
const answerSchema = z.union([z.object({ imagesPerSecond: z.number() }), z.object({ failed: z.string() })]);

/** What a request asks for, beside the network. */
type Work =
  | { readonly activity: 'training'; readonly steps: number }
  | { readonly activity: 'inference'; readonly images: number };

/** PyTorch did not measure something, and why: what it is compared with is measured all the same. */
export class PytorchError extends Error {}

/** A network's layers as pytorch.py reads them. */
export function benchLayers(network: Network): readonly object[] {
  return network.layers.map((layer) => ({
    ...layer,
    operator: layer.type === 'conv' || layer.type === 'dense' ? (layer.operator ?? null) : null,
    inputs: layer.inputShape.at(-1),
  }));
}

/** PyTorch, in a process of its own that is asked for one figure at a time: see pytorch.py. */
export class Pytorch {
  private constructor(
    private readonly child: ChildProcess,
    private readonly lines: AsyncIterator<string>,
    /** How the process ended. */
    private readonly ended: Promise<string>,
    readonly version: string,
    readonly threads: number,
    /** The GPU's name, or `CPU`. */
    readonly device: string,
  ) {}

  /**
   * @param python a Python program
   * @param program pytorch.py, where it lies elsewhere, and its arguments: see there
   * @returns why there is none, where it cannot be run or has no torch
   */
  static async start(
    python: string,
    program: { readonly script: string; readonly args: readonly string[] } = { script, args: [] },
  ): Promise<Pytorch | string> {
    const child = spawn(python, [program.script, ...program.args], { stdio: ['pipe', 'pipe', 'inherit'] });
    const failed = new Promise<string>((told) => {
      child.once('error', ({ message }) => told(`${python} cannot be run (${message})`));
    });
    const ended = new Promise<string>((told) => {
      child.once('exit', (code, signal) =>
        told(signal === null ? `exit code ${code}` : `ended by ${signal}`),
      );
    });
    child.stdin.on('error', () => undefined); // it ended: the answer that does not come tells
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const first = await Promise.race([failed, lines.next()]);
    if (typeof first === 'string') return first;
    if (first.done) return `${python} ended without a word (${await ended})`;
    const greeting = greetingSchema.safeParse(parsed(first.value));
    if (!greeting.success) {
      child.kill();
      return `${python} does not greet as pytorch.py does (${first.value})`;
    }
    if ('missing' in greeting.data) return `${python} cannot measure (${greeting.data.missing})`;
    const { version, threads, device } = greeting.data;
    return new Pytorch(child, lines, ended, version, threads, device);
  }

  /**
   * Images a second of some training steps of a network, each of the plan's batch.
   * @throws PytorchError where it has none, by a lack of memory for example
   */
  train(plan: NetworkPlan, operator: NamedOperator, steps: number): Promise<number> {
    return this.#measure(plan, operator, { activity: 'training', steps });
  }

  /**
   * Images a second of an evaluation of so many images, in the engine's batches.
   * @throws PytorchError as {@link train}
   */
  infer(plan: NetworkPlan, operator: NamedOperator, images: number): Promise<number> {
    return this.#measure(plan, operator, { activity: 'inference', images });
  }

  async #measure(plan: NetworkPlan, operator: NamedOperator, work: Work): Promise<number> {
    const { network } = resolve(plan, operator);
    const layers = benchLayers(network);
    const { shape, batch } = plan;
    const key = `${plan.name}, ${operator.name}`;
    const request = { key, layers, shape, batch, evaluationBatch, ...work };
    this.child.stdin?.write(`${JSON.stringify(request)}\n`);
    const { value, done } = await this.lines.next();
    if (done) throw new PytorchError(`its process is over (${await this.ended})`);
    const answer = answerSchema.safeParse(parsed(value));
    if (!answer.success) throw new PytorchError(`it answers ${value}`);
    if ('failed' in answer.data) throw new PytorchError(answer.data.failed);
    return answer.data.imagesPerSecond;
  }

  end(): void {
    this.child.kill();
  }
}

/** `undefined` where it is no JSON. */
function parsed(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
