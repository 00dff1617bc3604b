import {
  CancellationTokenSource,
  ErrorCodes,
  type MessageConnection,
  NotificationType,
  ProgressType,
  RequestType,
  ResponseError,
} from 'vscode-jsonrpc';
import * as z from 'zod';
import { asDcnetError, DcnetError, errorDetailsSchema } from '../core/errors.js';

/** A request: what goes in, what comes out, and what is reported on the way. */
export interface Method<
  P extends z.ZodType = z.ZodType,
  R extends z.ZodType = z.ZodType,
  G extends z.ZodType = z.ZodType,
> {
  readonly params: P;
  readonly result: R;
  readonly progress: G;
}

/** Everything one side can be asked and told. */
export interface Contract {
  readonly requests: Readonly<Record<string, Method>>;
  readonly notifications: Readonly<Record<string, z.ZodType>>;
}

export function method<P extends z.ZodType, R extends z.ZodType>(
  params: P,
  result: R,
): Method<P, R, z.ZodNever>;
export function method<P extends z.ZodType, R extends z.ZodType, G extends z.ZodType>(
  params: P,
  result: R,
  progress: G,
): Method<P, R, G>;
export function method(params: z.ZodType, result: z.ZodType, progress: z.ZodType = z.never()): Method {
  return { params, result, progress };
}

/** What a handler of long work needs: when to give up, and where to say how far it is. */
export interface Context<G> {
  readonly signal: AbortSignal;
  readonly report: (progress: G) => void;
}

/** The implementation of a contract's requests and notifications. */
export type Handlers<C extends Contract> = {
  readonly [K in keyof C['requests']]: (
    params: z.infer<C['requests'][K]['params']>,
    context: Context<z.infer<C['requests'][K]['progress']>>,
  ) => z.infer<C['requests'][K]['result']> | Promise<z.infer<C['requests'][K]['result']>>;
} & {
  readonly [K in keyof C['notifications']]: (event: z.infer<C['notifications'][K]>) => void;
};

/** The other side, to call: every failure arrives as a `DcnetError`. */
export interface Remote<C extends Contract> {
  request<K extends keyof C['requests'] & string>(
    name: K,
    params: z.infer<C['requests'][K]['params']>,
    options?: {
      readonly signal?: AbortSignal | undefined;
      readonly onProgress?: ((progress: z.infer<C['requests'][K]['progress']>) => void) | undefined;
    },
  ): Promise<z.infer<C['requests'][K]['result']>>;
  notify<K extends keyof C['notifications'] & string>(name: K, event: z.infer<C['notifications'][K]>): void;
  readonly closed: Promise<void>;
  dispose(): void;
}

const requestType = (name: string) => new RequestType<Envelope, unknown, unknown>(`request/${name}`);
const notificationType = (name: string) => new NotificationType<unknown>(`event/${name}`);
const progressType = new ProgressType<unknown>();
const envelopeSchema = z.object({ params: z.unknown(), progressToken: z.string().optional() });
type Envelope = z.infer<typeof envelopeSchema>;

/** JSON-RPC's code for an error that carries `ErrorDetails` as its data. */
const dcnetErrorCode = -32000;

/** What the library answers itself when there is no other side. */
const brokenCodes = new Set<number>([
  ErrorCodes.MessageWriteError,
  ErrorCodes.PendingResponseRejected,
  ErrorCodes.ConnectionInactive,
]);

/** A message that cannot be sent any more: the connection closes, which fails every pending request. */
const toldByClosing = (): void => {};

function toResponseError(thrown: unknown): ResponseError<unknown> {
  const error = asDcnetError(thrown);
  return new ResponseError(dcnetErrorCode, error.message, error.details);
}

function fromResponseError(thrown: unknown): DcnetError {
  if (thrown instanceof ResponseError) {
    if (brokenCodes.has(thrown.code)) return new ConnectionBroken(thrown);
    const details = errorDetailsSchema.safeParse(thrown.data);
    if (details.success) return new DcnetError(details.data, { cause: thrown });
    return new DcnetError(
      { code: 'engine', message: thrown.message, remedy: 'Try again; the output channel has the details.' },
      { cause: thrown },
    );
  }
  return asDcnetError(thrown);
}

/** No answer: the message could not be sent, though the end of the connection may not have been told yet. */
export class ConnectionBroken extends DcnetError {
  constructor(cause: unknown) {
    super(
      {
        code: 'engine',
        message: `The connection broke (${cause instanceof Error ? cause.message : String(cause)}).`,
        remedy: 'Try again; the output channel has the details.',
      },
      { cause },
    );
  }
}

function parse<S extends z.ZodType>(schema: S, value: unknown, what: string): z.infer<S> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new DcnetError({
    code: 'usage',
    message: `${what} does not have the agreed form: ${z.prettifyError(parsed.error)}`,
    remedy: 'Both sides must be of one version: reload the window.',
  });
}

/**
 * Join two contracts over one connection and start listening. Messages are checked on arrival; a handler that
 * throws answers with its `ErrorDetails`; an aborted signal cancels on the other side; when the connection closes
 * every pending request fails, and the signals of those that are being answered abort.
 * @param serves what this side answers
 * @param calls what the other side answers
 */
export function openChannel<Serves extends Contract, Calls extends Contract>(
  connection: MessageConnection,
  serves: Serves,
  handlers: Handlers<Serves>,
  calls: Calls,
): Remote<Calls> {
  const closing = new AbortController();
  for (const [name, { params }] of Object.entries(serves.requests)) {
    const handler = handlers[name] as unknown as (params: unknown, context: Context<unknown>) => unknown;
    connection.onRequest(requestType(name), async (message, token) => {
      const abort = new AbortController();
      const cancel = (): void => abort.abort();
      token.onCancellationRequested(cancel);
      closing.signal.addEventListener('abort', cancel, { once: true });
      try {
        const envelope = parse(envelopeSchema, message, `The request ${name}`);
        const report = (progress: unknown): void => {
          if (envelope.progressToken !== undefined)
            connection.sendProgress(progressType, envelope.progressToken, progress).catch(toldByClosing);
        };
        return await handler(parse(params, envelope.params, `The request ${name}`), {
          signal: abort.signal,
          report,
        });
      } catch (thrown) {
        return toResponseError(thrown);
      } finally {
        closing.signal.removeEventListener('abort', cancel);
      }
    });
  }
  for (const [name, schema] of Object.entries(serves.notifications)) {
    const handler = handlers[name] as unknown as (event: unknown) => void;
    connection.onNotification(notificationType(name), (event) =>
      handler(parse(schema, event, `The event ${name}`)),
    );
  }

  let nextToken = 1;
  const closed = new Promise<void>((resolve) => {
    connection.onClose(() => {
      closing.abort();
      connection.dispose();
      resolve();
    });
  });
  connection.listen();

  return {
    closed,
    async request(name, params, options = {}) {
      const described = calls.requests[name];
      if (described === undefined) throw new Error(`No such request: ${name}`);
      const source = new CancellationTokenSource();
      const cancel = (): void => source.cancel();
      if (options.signal?.aborted) cancel();
      options.signal?.addEventListener('abort', cancel);
      const progressToken = options.onProgress ? `${nextToken++}` : undefined;
      const progress =
        progressToken === undefined
          ? undefined
          : connection.onProgress(progressType, progressToken, (value) =>
              options.onProgress?.(parse(described.progress, value, `Progress of ${name}`) as never),
            );
      try {
        const result = await connection.sendRequest(
          requestType(name),
          { params, progressToken },
          source.token,
        );
        return parse(described.result, result, `The answer to ${name}`) as never;
      } catch (thrown) {
        throw fromResponseError(thrown);
      } finally {
        progress?.dispose();
        options.signal?.removeEventListener('abort', cancel);
        source.dispose();
      }
    },
    notify(name, event) {
      connection.sendNotification(notificationType(name), event).catch(toldByClosing);
    },
    dispose: () => connection.dispose(),
  };
}
