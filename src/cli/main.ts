import { fileURLToPath } from 'node:url';
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { version } from '../../package.json';
import { angularNames, magnitudeNames } from '../core/config/schema.js';
import { asDcnetError } from '../core/errors.js';

import { backendSchema, tensorflowVariants } from '../protocol/engine.js';
import { compare } from './compare.js';
import { doctor, evaluate, inspect, predict } from './look.js';
import { operator } from './operator.js';
import { createOutput, exitCodeOf, type Output } from './output.js';
import { report } from './report.js';
import { setup } from './setup.js';
import { train } from './train.js';

/** A number on the command line. */
function number(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value)) throw new InvalidArgumentError('It must be a number.');
  return value;
}

function count(text: string): number {
  const value = number(text);
  if (!Number.isInteger(value) || value < 1)
    throw new InvalidArgumentError('It must be a whole number above 0.');
  return value;
}

const jsonOption = () => new Option('--json', 'machine-readable output on stdout; text for people on stderr');
const splitOption = () =>
  new Option('--split <split>', 'which images of the data set').choices(['test', 'train']).default('test');
const networkOptions = (): readonly Option[] => [
  new Option('--backend <backend>', 'what computes').choices(backendSchema.options).default('auto'),
  new Option('--media <directory>', 'where the bundled data sets are')
    .default(fileURLToPath(new URL('../media', import.meta.url)))
    .hideHelp(),
  jsonOption(),
];

function add(program: Command, usage: string, description: string, options: readonly Option[]): Command {
  const command = program.command(usage).description(description);
  for (const option of options) command.addOption(option);
  return command;
}

/** The command line. @param finish is told the exit code of a command that decides it */
function createProgram(finish: (exitCode: number) => void): Command {
  const program = new Command('dcnet')
    .description('Train decoupled networks and look into them.')
    .version(version)
    .showHelpAfterError('(dcnet --help tells more)')
    .addHelpText('after', '\nExit codes: 0, 1 for a failed run, 2 for bad usage or input.')
    .exitOverride();
  const outputOf = ({ json = false }: { json?: boolean }): Output => createOutput(json);

  add(program, 'train [config]', 'train a config (*.dcnet.json); Ctrl-C stops with a checkpoint', [
    new Option('--name <name>', 'name of the run; default the config’s and a number'),
    new Option('--runs <directory>', 'where runs are kept; default runs/ beside the config'),
    new Option('--resume <run>', 'go on with a stopped run: its folder, or its name in the runs directory'),
    new Option(
      '--workers <number>',
      'threads that share each batch on wasm; default as many as serve. The result depends on it by rounding',
    ).argParser(count),
    new Option('--on-memory <what>', 'when a step does not fit into memory: compute each batch in halves')
      .choices(['stop', 'halve'])
      .default('stop'),
    ...networkOptions(),
  ]).action(async (config: string | undefined, flags) => finish(await train(config, flags, outputOf(flags))));

  add(program, 'evaluate <checkpoint>', 'accuracy and loss of a checkpoint', [
    splitOption(),
    ...networkOptions(),
  ]).action((checkpoint: string, flags) => evaluate(checkpoint, flags, outputOf(flags)));

  add(program, 'predict <checkpoint> <images>', 'scores for the images of an IDX or .npy file', [
    ...networkOptions(),
  ]).action((checkpoint: string, images: string, flags) =>
    predict(checkpoint, images, flags, outputOf(flags)),
  );

  add(program, 'inspect <checkpoint>', 'norms and angles of every layer, with histograms', [
    splitOption(),
    new Option('--limit <images>', 'at most so many images').argParser(count),
    ...networkOptions(),
  ]).action((checkpoint: string, flags) => inspect(checkpoint, flags, outputOf(flags)));

  add(program, 'compare <a> <b>', 'what changed between two checkpoints: config, filters, predictions', [
    new Option('--weights-only', 'compare the files and run neither network'),
    ...networkOptions(),
  ]).action((a: string, b: string, flags) => compare(a, b, flags, outputOf(flags)));

  add(program, 'report <checkpoint>', 'the inspection as one HTML file that needs no other', [
    splitOption(),
    new Option('--out <file>', 'the file; default the run’s and the checkpoint’s name, here'),
    ...networkOptions(),
  ]).action((checkpoint: string, flags) => report(checkpoint, flags, outputOf(flags)));

  add(program, 'operator', 'h(‖x‖), g(θ) and f = h·g at a point, or both curves', [
    new Option('--magnitude <name>', 'magnitude function').choices(magnitudeNames).makeOptionMandatory(),
    new Option('--angular <name>', 'angular activation').choices(angularNames).makeOptionMandatory(),
    new Option('--alpha <number>', 'α; default 1').argParser(number),
    new Option('--beta <number>', 'β; default 0.5 for seg, 1 for mix').argParser(number),
    new Option('--k <number>', 'k of the sigmoid; default 0.3').argParser(number),
    new Option('--radius <number>', 'radius in use, R').argParser(number).default(1),
    new Option('--norm <number>', '‖x‖ of the point').argParser(number),
    new Option('--angle <radians>', 'θ of the point, in radians').argParser(number),
    jsonOption(),
  ]).action((flags) => operator(flags, outputOf(flags)));

  add(program, 'doctor', 'what runs here and what does not, each with the reason', [jsonOption()]).action(
    (flags) => doctor(outputOf(flags)),
  );

  add(program, 'setup <runtime>', 'install a faster runtime: tensorflow', [
    new Option('--variant <variant>', 'default: what fits this machine').choices(tensorflowVariants),
    jsonOption(),
  ]).action((runtime: string, flags) => setup(runtime, flags, outputOf(flags)));
  return program;
}

async function main(): Promise<number> {
  let exitCode = 0;
  try {
    await createProgram((code) => {
      exitCode = code;
    }).parseAsync();
    return exitCode;
  } catch (thrown) {
    // Commander has said what is wrong; help and version are no errors.
    if (thrown instanceof CommanderError) return thrown.exitCode === 0 ? 0 : 2;
    const error = asDcnetError(thrown);
    const output = createOutput(process.argv.includes('--json'));
    output.answer({ error: error.details });
    output.warn(`error: ${error.describe()}`);
    if (error.details.code === 'internal') output.warn(String((error.cause as Error | undefined)?.stack));
    return exitCodeOf(error);
  }
}

main().then((exitCode) => {
  // The last line must reach its reader before the process ends: `process.exit` would cut a pipe short.
  process.exitCode = exitCode;
  process.stdout.write('', () => process.exit());
});
