import type { MetricsRecord } from './run.js';

type StepRecord = Extract<MetricsRecord, { type: 'step' }>;
type EpochRecord = Extract<MetricsRecord, { type: 'epoch' }>;

/**
 * At most `limit` records for a chart, in order of step, spread evenly; events are left out. Neighbouring `step`
 * records are joined: loss and accuracy are means over the joined steps, as a record's own are over its steps, and
 * the rest is the last one's. Of too many `epoch` records every nth is kept, and always the last.
 * @param limit at least 2
 */
export function thinMetrics(records: readonly MetricsRecord[], limit: number): readonly MetricsRecord[] {
  const epochs = records.filter((record) => record.type === 'epoch');
  const steps = records.filter((record) => record.type === 'step');
  const epochLimit = Math.min(epochs.length, Math.floor(limit / 2));
  const thinned = [...joinSteps(steps, limit - epochLimit), ...sample(epochs, epochLimit)];
  return thinned.sort((a, b) => a.step - b.step || order(a) - order(b));
}

/** At the same step the training comes before the test that follows it. */
function order(record: StepRecord | EpochRecord): number {
  return record.type === 'step' ? 0 : 1;
}

function sample(records: readonly EpochRecord[], limit: number): readonly EpochRecord[] {
  if (records.length <= limit) return records;
  return Array.from({ length: limit }, (_, i) => records[Math.ceil(((i + 1) * records.length) / limit) - 1]!);
}

function joinSteps(records: readonly StepRecord[], limit: number): readonly StepRecord[] {
  if (records.length <= limit) return records;
  return Array.from({ length: limit }, (_, i) => {
    const from = Math.floor((i * records.length) / limit);
    const to = Math.floor(((i + 1) * records.length) / limit);
    return join(records.slice(from, to), records[from - 1]?.step ?? 0);
  });
}

function join(group: readonly StepRecord[], before: number): StepRecord {
  const last = group.at(-1)!;
  const weights = group.map(({ step }, i) => Math.max(1, step - (group[i - 1]?.step ?? before)));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const mean = (value: (record: StepRecord) => number): number =>
    group.reduce((sum, record, i) => sum + value(record) * weights[i]!, 0) / total;
  return { ...last, loss: mean(({ loss }) => loss), accuracy: mean(({ accuracy }) => accuracy) };
}
