import { writeFileSync } from 'node:fs';
import { inspect } from 'node:util';
import Mocha from 'mocha';

/** What a test's outcome is reported as: the form that the test command reads. */
interface Outcome {
  readonly name: string;
  readonly state: 'passed' | 'failed' | 'skipped';
  /** Why it failed or was skipped. */
  readonly detail?: string;
}

/** What takes longer is told with its seconds. */
const slowMs = 5_000;

/** For tests that say nothing else: longer than the longest single wait of theirs, which says what it waits for. */
const timeoutMs = 150_000;

const skipReasons = new WeakMap<Mocha.Runnable, string>();

/**
 * Skips the test under way, and says why in the report.
 * @param context the test's `this`
 */
export function skip(context: Mocha.Context, reason: string): never {
  // In a hook the context's own test is the hook.
  const test = context.currentTest ?? context.test;
  if (test) skipReasons.set(test, reason);
  return context.skip();
}

/**
 * Runs suites inside VS Code and writes their outcomes to the file that `DCNET_TEST_REPORT` names.
 * @param load defines the suites, once Mocha's `describe` and `it` are there
 * @throws when any test failed, which is how VS Code is told
 */
export async function runSuites(load: () => void): Promise<void> {
  const report = process.env.DCNET_TEST_REPORT;
  if (report === undefined)
    throw new Error('DCNET_TEST_REPORT does not name a file: start the tests with npm test');
  const mocha = new Mocha({ ui: 'bdd', timeout: timeoutMs, forbidOnly: process.env.CI === 'true' });
  const outcomes: Outcome[] = [];
  const add = (outcome: Outcome, ms = 0): void => {
    outcomes.push(outcome);
    const sign = outcome.state === 'passed' ? '✓' : outcome.state === 'failed' ? '✗' : '-';
    const seconds = ms > slowMs ? ` (${Math.round(ms / 1000)} s)` : '';
    console.log(`${sign} ${outcome.name}${seconds}`);
    if (outcome.detail !== undefined) console.log(`    ${outcome.detail}`);
    // After each: what is known survives a workbench that dies.
    writeFileSync(report, JSON.stringify(outcomes, null, 2));
  };
  mocha.reporter(
    class {
      constructor(runner: Mocha.Runner) {
        runner.on('pass', (test) => add({ name: test.fullTitle(), state: 'passed' }, test.duration));
        runner.on('fail', (test, error: Error) =>
          add({ name: test.fullTitle(), state: 'failed', detail: inspect(error) }),
        );
        runner.on('pending', (test) =>
          add({
            name: test.fullTitle(),
            state: 'skipped',
            detail: skipReasons.get(test) ?? 'no reason given',
          }),
        );
      }
    } as unknown as Mocha.ReporterConstructor,
  );
  mocha.suite.emit('pre-require', globalThis, '', mocha);
  load();
  const failures = await new Promise<number>((resolve) => mocha.run(resolve));
  if (failures > 0) throw new Error(`${failures} of ${outcomes.length} tests failed`);
}
