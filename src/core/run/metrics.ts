import { type MetricsRecord, metricsRecordSchema } from './run.js';

/**
 * The records of a `metrics.jsonl`, in the order of the run's steps. The log is append-only, so a run that was killed
 * and resumed from an earlier checkpoint has done some steps twice: what a `resumed` event goes back over is left out.
 * Lines that cannot be read (the last one of a process that was killed while it wrote) are counted.
 */
export function parseMetrics(text: string): {
  readonly records: readonly MetricsRecord[];
  readonly unreadable: number;
} {
  const records: MetricsRecord[] = [];
  let unreadable = 0;
  for (const line of text.split('\n')) {
    if (line === '') continue;
    const record = parseLine(line);
    if (record === undefined) {
      unreadable++;
      continue;
    }
    if (record.type === 'event' && record.event === 'resumed')
      while ((records.at(-1)?.step ?? 0) > record.step) records.pop();
    records.push(record);
  }
  return { records, unreadable };
}

function parseLine(line: string): MetricsRecord | undefined {
  try {
    return metricsRecordSchema.safeParse(JSON.parse(line)).data;
  } catch {
    // Not JSON: the caller counts it.
    return undefined;
  }
}
