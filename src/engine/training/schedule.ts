import type { ScheduleConfig } from '../../core/config/schema.js';

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
  switch (schedule.type) {
    case 'constant':
      return rate;
    case 'step':
      return rate * schedule.factor ** schedule.at.filter((at) => step >= at).length;
    case 'cosine': {
      if (step < schedule.warmupSteps) return (rate * (step + 1)) / schedule.warmupSteps;
      const rest = Math.max(1, totalSteps - schedule.warmupSteps);
      return (rate / 2) * (1 + Math.cos((Math.PI * (step - schedule.warmupSteps)) / rest));
    }
  }
}
