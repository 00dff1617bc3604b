// What a test run found, however it was run, and how it is told.

/**
 * @typedef {object} Outcome
 * @property {string} name
 * @property {'passed' | 'failed' | 'skipped'} state
 * @property {string} [detail] why it failed or was skipped
 */

/**
 * The last line of a test run: `N passed, N failed`, with the skipped ones where there are any.
 * @param {readonly Outcome[]} outcomes
 */
export function summaryLine(outcomes) {
  const count = (/** @type {Outcome['state']} */ state) =>
    outcomes.filter((outcome) => outcome.state === state).length;
  const skipped = count('skipped');
  return `${count('passed')} passed, ${count('failed')} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`;
}

/**
 * Every failure and every skip with its reason, one paragraph each.
 * @param {readonly Outcome[]} outcomes
 * @returns {string[]}
 */
export function describeOutcomes(outcomes) {
  return [
    ...outcomes
      .filter(({ state }) => state === 'skipped')
      .map(({ name, detail }) => `- skipped: ${name}: ${detail}`),
    ...outcomes
      .filter(({ state }) => state === 'failed')
      .map(({ name, detail = '' }) => `✗ failed: ${name}\n${detail.replace(/^/gm, '    ')}`),
  ];
}

/**
 * How long each part of a test run took, a line each, and all of them.
 * @param {readonly { readonly title: string, readonly ms: number }[]} parts
 */
export function describeSeconds(parts) {
  const total = parts.reduce((sum, { ms }) => sum + ms, 0);
  const line = (/** @type {string} */ title, /** @type {number} */ ms) =>
    `${(ms / 1000).toFixed(0).padStart(6)} s  ${title}`;
  return [...parts.map(({ title, ms }) => line(title, ms)), line('together', total)].join('\n');
}

/**
 * The exit code of a test run. A run in which nothing ran is a failure.
 * @param {readonly Outcome[]} outcomes
 */
export function exitCode(outcomes) {
  return outcomes.some(({ state }) => state === 'passed') && !outcomes.some(({ state }) => state === 'failed')
    ? 0
    : 1;
}
