// What becomes of the tests on TensorFlow where its runtime could not be set up.

/** @typedef {import('./outcomes.mjs').Outcome} Outcome */

/** What this machine or its network lacks: a program, another system, npm's registry or PyPI. */
const lacking =
  /(?:^| )(?:is|are) missing\.$|on Linux only|^(?:Installing from npm|Downloading TensorFlow from PyPI) failed/;

/**
 * Skipped where the machine lacks something; failed where what is ours does not compile or compute.
 * @param {{ message: string, remedy: string }} error of `dcnet setup tensorflow`
 * @returns {Outcome}
 */
export function withoutTensorflow({ message, remedy }) {
  return {
    name: 'the engine on TensorFlow',
    state: lacking.test(message) ? 'skipped' : 'failed',
    detail: `Its runtime could not be set up here: ${message} ${remedy}`,
  };
}
