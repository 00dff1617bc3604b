import { setTimeout as delay } from 'node:timers/promises';

const checkMs = 50;
/** What still comes, however busy the machine, comes within this; what has come is not waited for. */
export const usualLimitMs = 90_000;
/** So much of what was seen last is told. */
const mostShown = 1_000;

/**
 * Wait until something holds, and return what it gave.
 * @throws when it does not hold in time, with the last thing it gave or threw
 */
export async function until<T>(
  what: string,
  look: () => T | undefined | false | Promise<T | undefined | false>,
  limitMs = usualLimitMs,
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
    if (Date.now() > deadline) {
      const message = `Not within ${limitMs / 1000} s: ${what}; last seen: ${shown(last)}`;
      throw new Error(message, { cause: last });
    }
    await delay(checkMs);
  }
}

function shown(seen: unknown): string {
  const text = seen instanceof Error ? seen.message : (JSON.stringify(seen) ?? String(seen));
  return text.length > mostShown ? `${text.slice(0, mostShown)}…` : text;
}
