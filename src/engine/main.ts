import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { asDcnetError, DcnetError } from '../core/errors.js';
import { backendSchema, precisionSchema } from '../protocol/engine.js';
import { endSignals } from './backend/crashMarks.js';
import { lookForTensorflowIn } from './backend/tensorflow.js';
import { EngineServer } from './server.js';
import { startRuntime } from './startRuntime.js';

/** Without a client and without work the engine ends after this long. */
const idleLimitMs = 30_000;
/** Without a client a run goes on for this long, so that a reloaded window finds it; then it is stopped. */
const orphanLimitMs = 60_000;

/** 0 stands for as many as serve. */
function isCount(workers: number): boolean {
  return Number.isInteger(workers) && workers >= 0;
}

/** The engine process: answers the engine contract on a socket until nobody needs it. */
async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      socket: { type: 'string' },
      presence: { type: 'string' },
      backend: { type: 'string', default: 'auto' },
      precision: { type: 'string', default: 'fp32' },
      tensorflow: { type: 'string', default: '' },
      workers: { type: 'string', default: '0' },
      media: { type: 'string', default: fileURLToPath(new URL('../media', import.meta.url)) },
      'idle-limit-ms': { type: 'string', default: String(idleLimitMs) },
      'orphan-limit-ms': { type: 'string', default: String(orphanLimitMs) },
    },
  });
  const backend = backendSchema.safeParse(values.backend);
  const precision = precisionSchema.safeParse(values.precision);
  const limits = [Number(values['idle-limit-ms']), Number(values['orphan-limit-ms'])] as const;
  const workers = Number(values.workers);
  if (
    values.socket === undefined ||
    !backend.success ||
    !precision.success ||
    !limits.every((limit) => limit >= 0) ||
    !isCount(workers)
  )
    throw new DcnetError({
      code: 'usage',
      message:
        'The engine is started with --socket <path> [--presence <file>] [--backend auto|wasm|tensorflow|webgpu|cpu] [--precision fp32|fp16] [--tensorflow <folder>] [--workers <number>].',
      remedy: 'The extension does that; by hand, use the command line dcnet.',
    });

  if (values.tensorflow !== '') lookForTensorflowIn(values.tensorflow);
  const runtime = await startRuntime(backend.data, precision.data, workers === 0 ? undefined : workers);
  const server = new EngineServer({
    runtime,
    mediaDirectory: values.media,
    socket: values.socket,
    presenceFile: values.presence,
    idleLimitMs: limits[0],
    orphanLimitMs: limits[1],
  });
  for (const signal of endSignals) process.on(signal, () => server.end(`it got ${signal}`));
  const crash = (thrown: unknown): void => {
    console.error(thrown);
    server.crash(asDcnetError(thrown));
    process.exit(1);
  };
  process.on('uncaughtException', crash);
  process.on('unhandledRejection', crash);
  // Another process gets another device: the run goes on there when it is resumed.
  void runtime.lost?.then((error) => {
    console.error(error.describe());
    server.crash(error);
    process.exit(1);
  });
  await server.listen();
  await server.ended;
}

main().then(
  () => process.exit(0),
  (thrown: unknown) => {
    console.error(asDcnetError(thrown).describe());
    process.exit(1);
  },
);
