import * as z from 'zod';

/** What computes, and why this and nothing else. */
export const runtimeRecordSchema = z.object({
  /** `tensorflow`. */
  name: z.string(),
  version: z.string(),
  /** What it runs on, for people. */
  device: z.string(),
  /** Why it was chosen: `auto: 2.1 × wasm in a trial on this machine`. */
  choice: z.string(),
  /** The other runtimes, each with why it does not compute. */
  others: z.array(z.object({ name: z.string(), why: z.string() })),
});
export type RuntimeRecord = z.infer<typeof runtimeRecordSchema>;

/** Why a runtime computes and the others do not. */
export type RuntimeChoice = Pick<RuntimeRecord, 'choice' | 'others'>;

/** `wasm 4.22.0 on CPU (WebAssembly SIMD), one thread`. */
export function describeRuntime({ name, version, device }: RuntimeRecord): string {
  return `${name} ${version} on ${device}`;
}

/** Why it was chosen and the others were not, a line each. */
export function explainRuntime({ choice, others }: RuntimeRecord): readonly string[] {
  return [`Chosen by ${choice}`, ...others.map(({ name, why }) => `Not ${name}: ${why}`)].map((line) =>
    line.endsWith('.') ? line : `${line}.`,
  );
}

/** All of it as one paragraph. */
export function runtimeParagraph(record: RuntimeRecord): string {
  return [`${describeRuntime(record)}.`, ...explainRuntime(record)].join(' ');
}
