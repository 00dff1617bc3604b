import { SingleBar } from 'cli-progress';
import { isOver, type RunState } from '../core/run/run.js';
import type { WorkProgress } from '../protocol/engine.js';
import { clockTime, type Output, percent } from './output.js';

/** Where nobody watches a bar, a line says how far it is at every epoch, and this often between. */
const lineIntervalMs = 10_000;

/** Lines of other work are this many percent and this long apart: what is over sooner has none. */
const workPercent = 10;
const workIntervalMs = 1000;

/** Tells on stderr how far long work is, where nobody watches a line that changes. */
export function createWorkLines(output: Output): (progress: WorkProgress) => void {
  let [said, saidAt] = [0, performance.now()];
  return ({ activity, done, total }) => {
    const now = performance.now();
    const share = Math.floor((100 * done) / total);
    // Another activity may begin at nothing again.
    if (Math.abs(share - said) < workPercent || now - saidAt < workIntervalMs) return;
    [said, saidAt] = [share, now];
    output.warn(`${activity} ${share} %`);
  };
}

/** Shows how far a training is. */
export interface TrainingProgress {
  show(state: RunState): void;
  /** Take the bar away. */
  end(): void;
}

export function createTrainingProgress(output: Output): TrainingProgress {
  return output.stream.isTTY ? barProgress(output) : lineProgress(output);
}

function barProgress({ stream }: Output): TrainingProgress {
  const look = {
    stream,
    hideCursor: true,
    fps: 10,
    barsize: 24,
    barCompleteChar: '█',
    barIncompleteChar: '░',
  };
  const bar = new SingleBar({
    ...look,
    format:
      'epoch {epoch} {bar} step {value}/{total} · loss {loss} · accuracy {accuracy} · test {test} · {rate} images/s · {left} left',
  });
  const readingBar = new SingleBar({ ...look, format: 'reading images {bar} {value}/{total}' });
  let started = false;
  return {
    show(state) {
      if (state.status === 'preparing' && state.reading !== undefined) {
        if (!readingBar.isActive) readingBar.start(state.reading.total, 0);
        readingBar.update(state.reading.done);
      } else readingBar.stop();
      if (state.status === 'queued' || state.status === 'preparing' || isOver(state.status)) return;
      if (!started) bar.start(state.totalSteps, state.step, texts(state));
      started = true;
      bar.setTotal(state.totalSteps);
      bar.update(state.step, texts(state));
    },
    end: () => {
      readingBar.stop();
      bar.stop();
    },
  };
}

function lineProgress(output: Output): TrainingProgress {
  let last: RunState | undefined;
  let saidAt = 0;
  return {
    show(state) {
      const now = performance.now();
      const isNews =
        state.status !== last?.status ||
        state.testAccuracy !== last.testAccuracy ||
        state.epoch !== last.epoch;
      if (isNews || now - saidAt >= lineIntervalMs) {
        saidAt = now;
        output.say(line(state));
      }
      last = state;
    },
    end: () => {},
  };
}

function line(state: RunState): string {
  if (state.status === 'preparing' && state.reading !== undefined)
    return `reading images · ${state.reading.done} of ${state.reading.total}`;
  if (state.step === 0 || state.loss === undefined) return state.status;
  const { epoch, loss, accuracy, test, rate, left } = texts(state);
  return `${state.status} · epoch ${epoch} · step ${state.step}/${state.totalSteps} · loss ${loss} · accuracy ${accuracy}${state.adversarial === undefined ? '' : ` (adversarial: ${state.adversarial})`} · test ${test} · ${rate} images/s · ${left} left`;
}

function texts(state: RunState) {
  return {
    epoch: `${Math.min(state.epoch, state.epochs)}/${state.epochs}`,
    loss: state.loss?.toFixed(3) ?? '–',
    accuracy: state.accuracy === undefined ? '–' : percent(state.accuracy),
    test: state.testAccuracy === undefined ? '–' : percent(state.testAccuracy),
    rate: state.imagesPerSecond?.toFixed(0) ?? '–',
    left: state.secondsLeft === undefined ? '–' : clockTime(state.secondsLeft),
  };
}
