import { DcnetError } from '../core/errors.js';

/** Where text goes: machines read stdout with `--json`, people read what is left. */
export interface Output {
  readonly json: boolean;
  /** The stream for people. */
  readonly stream: NodeJS.WriteStream;
  /** A line for people. */
  say(line: string): void;
  /** A warning or an error, always on stderr. */
  warn(line: string): void;
  /** The answer for machines; nothing without `--json`. */
  answer(value: unknown): void;
}

export function createOutput(json: boolean): Output {
  const stream = json ? process.stderr : process.stdout;
  return {
    json,
    stream,
    say: (line) => void stream.write(`${line}\n`),
    warn: (line) => void process.stderr.write(`${line}\n`),
    answer: (value) => {
      if (json) process.stdout.write(`${JSON.stringify(value)}\n`);
    },
  };
}

/** Text for a terminal that has closed, or for a reader that has left its pipe, is lost; what is left to do is done. */
export function outliveReaders(): void {
  for (const stream of [process.stdout, process.stderr])
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EIO' && error.code !== 'EPIPE') throw error;
    });
}

/** As shells report a program that Ctrl-C ended. */
export const interruptedExitCode = 130;

/** 1: a run failed; 2: the command or what it was given is wrong. */
export function exitCodeOf({ details }: DcnetError): 1 | 2 {
  switch (details.code) {
    case 'config':
    case 'data':
    case 'checkpoint':
    case 'usage':
    case 'backend':
      return 2;
    case 'diverged':
    case 'memory':
    case 'cancelled':
    case 'io':
    case 'engine':
    case 'internal':
      return 1;
  }
}

export function usageError(message: string, remedy: string): DcnetError {
  return new DcnetError({ code: 'usage', message, remedy });
}

/** `85.5 %`. */
export function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}

/** Three significant digits. */
export function short(value: number): string {
  return String(Number(value.toPrecision(3)));
}

/** `1:05` or `1:02:03`. */
export function clockTime(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const pad = (n: number): string => String(n).padStart(2, '0');
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  return hours > 0 ? `${hours}:${pad(minutes)}:${pad(whole % 60)}` : `${minutes}:${pad(whole % 60)}`;
}

/** Columns set out under each other; the first row is the head. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => [...(row[column] ?? '')].length)),
  );
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell + ' '.repeat(widths[column]! - [...cell].length))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
