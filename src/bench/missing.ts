import { isOutOfMemory } from '../engine/training/outOfMemory.js';
import { PytorchError } from './pytorch.js';

/** What could not be measured: told when it is found, and what is measured beside it counts. */
export class Missing {
  /** One line each. */
  readonly texts: string[] = [];
  #hasDefect = false;

  /** @param say tells people */
  constructor(private readonly say: (text: string) => void) {}

  /** Whether anything failed that neither a lack of memory nor PyTorch explains. */
  get hasDefect(): boolean {
    return this.#hasDefect;
  }

  /**
   * @param what `training · CNN-9 32-64-128 · wasm, plain`
   * @param why the reason, or what was thrown
   */
  readonly add = (what: string, why: unknown): void => {
    const text = `${what}: left out, ${reasonOf(why)}`;
    this.texts.push(text);
    this.say(text);
    if (!(why instanceof Error) || why instanceof PytorchError || isOutOfMemory(why)) return;
    this.#hasDefect = true;
    process.stderr.write(`${why.stack}\n`);
  };
}

function reasonOf(why: unknown): string {
  if (!(why instanceof Error)) return String(why);
  const [message = ''] = why.message.split('\n', 1);
  return isOutOfMemory(why) ? `it does not fit into memory (${message})` : message;
}
