import { setTimeout as delay } from 'node:timers/promises';

const checkMs = 50;

/**
 * Wait until something holds, and return what it gave.
 * @throws when it does not hold in time, with the last thing it gave or threw
 */
export async function until<T>(
  what: string,
  look: () => T | undefined | false | Promise<T | undefined | false>,
  limitMs = 30_000,
): Promise<T> {
  const deadline = Date.now() + limitMs;
  let last: unknown;
  for (;;) {
    try {
      const found = await look();
      if (found !== undefined && found !== false) return found;
      last = found;
    } catch (thrown) {
      last = thrown;
    }
    if (Date.now() > deadline) throw new Error(`Not within ${limitMs / 1000} s: ${what}`, { cause: last });
    await delay(checkMs);
  }
}
