import * as z from 'zod';

/** What kind of thing went wrong; decides exit codes and where a message is shown. */
const errorCodes = [
  /** A config is not valid: the message names file, line, column and field. */
  'config',
  /** A data set is missing, truncated or inconsistent. */
  'data',
  /** A checkpoint is missing, damaged or does not fit. */
  'checkpoint',
  /** The command line or a request was used wrongly. */
  'usage',
  /** Training met NaN, infinity or divergence. */
  'diverged',
  /** A step did not fit into the memory of the device. */
  'memory',
  /** The requested runtime is not available here. */
  'backend',
  /** The user cancelled. */
  'cancelled',
  /** A file or folder could not be read or written. */
  'io',
  /** The engine process ended or was unreachable, or its device is lost. */
  'engine',
  /** A defect of ours. */
  'internal',
] as const;

export const errorDetailsSchema = z.object({
  code: z.enum(errorCodes),
  /** What happened, to what: one sentence. */
  message: z.string(),
  /** What to do next: one sentence. */
  remedy: z.string(),
  file: z.string().optional(),
  /** The field in question, as a path: `layers[2].kernel`. */
  field: z.string().optional(),
  /** 1-based position in `file`. */
  line: z.number().int().positive().optional(),
  column: z.number().int().positive().optional(),
});

export type ErrorDetails = z.infer<typeof errorDetailsSchema>;

/** The one error type that crosses rooms and processes: what happened, to what, and what to do. */
export class DcnetError extends Error {
  override readonly name = 'DcnetError';

  constructor(
    readonly details: ErrorDetails,
    options?: { cause?: unknown },
  ) {
    super(details.message, options);
  }

  /** `file:line:column: field: message. remedy` with the parts that are known. */
  describe(): string {
    const { file, line, column, field, message, remedy } = this.details;
    const where = [file, line, column].filter((part) => part !== undefined).join(':');
    return [where, field, `${message} ${remedy}`].filter((part) => part).join(': ');
  }
}

/** Any thrown value as a `DcnetError`; what is not one already is reported as a defect of ours. */
export function asDcnetError(thrown: unknown): DcnetError {
  if (thrown instanceof DcnetError) return thrown;
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return new DcnetError(
    {
      code: 'internal',
      message,
      remedy: 'This is a defect: please report it with the output channel’s text.',
    },
    { cause: thrown },
  );
}
