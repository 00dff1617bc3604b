// What becomes of the tests on TensorFlow where its runtime could not be set up.

/** @typedef {import('./outcomes.mjs').Outcome} Outcome */

/** What this machine or its network lacks: a program, another system, npm's registry or PyPI. */
const lacking =
  /(?:^| )(?:is|are) missing\.$|on Linux only|^(?:Installing from npm|Downloading TensorFlow from PyPI) failed/;

const killed = { message: 'It ended without a word.', remedy: 'See what the system logged.' };

/**
 * Skipped where the machine lacks something; failed where what is ours does not compile or compute.
 * @param {string} answer of `dcnet setup tensorflow --json`; empty where it was killed
 * @returns {Outcome}
 */
export function withoutTensorflow(answer) {
  const { message, remedy } = answer === '' ? killed : JSON.parse(answer).error;
  return {
    name: 'the engine on TensorFlow',
    state: lacking.test(message) ? 'skipped' : 'failed',
    detail: `Its runtime could not be set up here: ${message} ${remedy}`,
  };
}
