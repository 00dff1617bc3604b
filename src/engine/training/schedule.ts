import type { ScheduleConfig } from '../../core/config/trainingSchema.js';

/**
 * The learning rate of a step.
 * @param rate the optimiser's learning rate
 * @param step the step's number, from 0
 * @param totalSteps steps of the whole training
 */
export function learningRateAt(
  schedule: ScheduleConfig,
  rate: number,
  step: number,
  totalSteps: number,
): number {
  const { warmupSteps } = schedule;
  const warmth = step < warmupSteps ? (step + 1) / warmupSteps : 1;
  switch (schedule.type) {
    case 'constant':
      return rate * warmth;
    case 'step':
      return rate * schedule.factor ** schedule.at.filter((at) => step >= at).length * warmth;
    case 'cosine': {
      if (step < warmupSteps) return (rate * (step + 1)) / warmupSteps;
      const rest = Math.max(1, totalSteps - warmupSteps);
      return (rate / 2) * (1 + Math.cos((Math.PI * (step - warmupSteps)) / rest));
    }
  }
}
