import type { RuntimeChoice, RuntimeRecord } from '../core/run/runtime.js';
import { type RuntimeReport, runtimeNames } from '../protocol/engine.js';
import type { Runtime } from './backend/backend.js';

/** A runtime was named in the settings or on the command line; the others were not looked at. */
function askedFor(name: string): RuntimeChoice {
  return {
    choice: `name: ${name} was asked for`,
    others: runtimeNames
      .filter((other) => other !== name)
      .map((other) => ({ name: other, why: `not looked at, since ${name} was asked for` })),
  };
}

/**
 * `auto` took a runtime of those that were looked at.
 * @param imagesPerSecond speeds of the trial, by runtime; empty where there was no choice to make
 */
export function autoChose(
  name: string,
  reports: readonly RuntimeReport[],
  imagesPerSecond: Readonly<Record<string, number>>,
): RuntimeChoice {
  const own = imagesPerSecond[name];
  const others = reports.filter((report) => report.name !== name);
  const why = ({ name: other, available, reason }: RuntimeReport): string => {
    if (!available) return reason ?? 'it does not run here';
    const speed = imagesPerSecond[other];
    return speed === undefined || own === undefined
      ? 'it runs here, as the reference for tests: some hundred times slower'
      : `it runs here, at ${(speed / own).toFixed(2)} × the speed of ${name} in the trial`;
  };
  const rivals = others.flatMap((report) => {
    const speed = imagesPerSecond[report.name];
    return speed === undefined || own === undefined ? [] : [`${(own / speed).toFixed(1)} × ${report.name}`];
  });
  return {
    choice:
      rivals.length === 0
        ? 'auto: nothing faster runs here'
        : `auto: ${rivals.join(' and ')} in a trial on this machine`,
    others: others.map((report) => ({ name: report.name, why: why(report) })),
  };
}

/** A runtime as records keep it. */
export function recordOf({ name, version, device, why = askedFor(name) }: Runtime): RuntimeRecord {
  return { name, version, device, ...why };
}
