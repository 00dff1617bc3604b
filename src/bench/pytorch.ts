import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import * as z from 'zod';
import type { Network } from '../core/config/network.js';
import { evaluationBatch } from '../engine/training/evaluate.js';
import { type NamedOperator, type NetworkPlan, resolve } from './networks.js';

const script = fileURLToPath(new URL('../src/bench/pytorch.py', import.meta.url));

const greetingSchema = z.union([
  z.object({ version: z.string(), threads: z.number().int() }),
  z.object({ missing: z.string() }),
]);
const answerSchema = z.object({ imagesPerSecond: z.number() });

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
    readonly version: string,
    readonly threads: number,
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
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const first = await Promise.race([failed, lines.next()]);
    if (typeof first === 'string') return first;
    if (first.done) return `${python} ended without a word`;
    const greeting = greetingSchema.parse(JSON.parse(first.value));
    if ('missing' in greeting) return `${python} cannot measure (${greeting.missing})`;
    return new Pytorch(child, lines, greeting.version, greeting.threads);
  }

  /** Images a second of some steps of a network. */
  async measure(
    plan: NetworkPlan,
    operator: NamedOperator,
    activity: 'training' | 'inference',
    steps: number,
  ): Promise<number> {
    const { network } = resolve(plan, operator);
    const layers = benchLayers(network);
    const { shape, batch } = plan;
    const key = `${plan.name}, ${operator.name}`;
    const request = { key, layers, shape, batch, activity, steps, evaluationBatch };
    this.child.stdin?.write(`${JSON.stringify(request)}\n`);
    const { value, done } = await this.lines.next();
    if (done) throw new Error(`PyTorch ended while it measured ${key}.`);
    return answerSchema.parse(JSON.parse(value)).imagesPerSecond;
  }

  end(): void {
    this.child.kill();
  }
}
