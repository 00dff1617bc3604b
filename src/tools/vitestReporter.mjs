// Writes the outcome of each vitest test, with the reason of each skip, to the file that DCNET_TEST_REPORT names.
import { writeFileSync } from 'node:fs';

/** @typedef {import('./outcomes.mjs').Outcome} Outcome */

/** @typedef {import('vitest/node').Reporter} Reporter */

/** @implements {Reporter} */
export default class OutcomeReporter {
  /** @param {readonly import('vitest/node').TestModule[]} modules */
  onTestRunEnd(modules) {
    const report = process.env.DCNET_TEST_REPORT;
    if (report === undefined) throw new Error('DCNET_TEST_REPORT does not name a file');
    writeFileSync(report, JSON.stringify(modules.flatMap(outcomesOf), null, 2));
  }
}

/**
 * @param {import('vitest/node').TestModule} module
 * @returns {Outcome[]}
 */
function outcomesOf(module) {
  const broken = module.errors().map(
    (error) =>
      /** @type {Outcome} */ ({
        name: where(module),
        state: 'failed',
        detail: error.stack ?? error.message,
      }),
  );
  return [...broken, ...[...module.children.allTests()].map((test) => outcomeOf(module, test))];
}

/**
 * @param {import('vitest/node').TestModule} module
 * @param {import('vitest/node').TestCase} test
 * @returns {Outcome}
 */
function outcomeOf(module, test) {
  const name = `${where(module)} > ${test.fullName}`;
  const result = test.result();
  switch (result.state) {
    case 'passed':
      return { name, state: 'passed' };
    case 'failed':
      return {
        name,
        state: 'failed',
        detail: result.errors.map((error) => error.stack ?? error.message).join('\n'),
      };
    case 'skipped':
      return { name, state: 'skipped', detail: result.note ?? 'no reason given' };
    case 'pending':
      return { name, state: 'failed', detail: 'It did not run to its end.' };
  }
}

/**
 * The file of a test, and the backend where it is not the usual one: the same tests may run on several.
 * @param {import('vitest/node').TestModule} module
 */
function where({ relativeModuleId }) {
  const backend = process.env.DCNET_TEST_BACKEND;
  return backend === undefined ? relativeModuleId : `${relativeModuleId} on ${backend}`;
}
