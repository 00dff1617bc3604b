import { fileURLToPath } from 'node:url';
import { Argument, Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { version } from '../../package.json';
import {
  type AttackName,
  type AttackTarget,
  attackNames,
  attackNorms,
  defaultAttackedImages,
  defaultEpsilons,
  defaultSteps,
  epsilonsIn,
  targetRules,
} from '../core/attack/attack.js';
import { angularNames, magnitudeNames, weightingNames } from '../core/config/operatorSchema.js';
import type { ImageShape } from '../core/config/shape.js';
import { type DownloadName, downloadNames } from '../core/data/downloads.js';
import { asDcnetError } from '../core/errors.js';
import { type ExperimentName, experimentNames, scales } from '../core/reproduce/experiment.js';

import { useTensorflowOf } from '../engine/backend/tensorflow.js';
import { backendSchema, precisionSchema, tensorflowVariants } from '../protocol/engine.js';
import { compare } from './compare.js';
import { dataGet, dataInfo } from './data.js';
import { doctor, evaluate, inspect, predict } from './look.js';
import { eject, summary } from './network.js';
import { operator } from './operator.js';
import { createOutput, exitCodeOf, type Output, outliveReaders } from './output.js';
import { report } from './report.js';
import { reproduce } from './reproduce/reproduce.js';
import { robustness } from './robustness.js';
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

function attackList(text: string): AttackName[] {
  const chosen = text.split(',').map((name) => name.trim());
  const unknown = chosen.find((name) => !attackNames.some((known) => known === name));
  if (unknown !== undefined)
    throw new InvalidArgumentError(`There is no attack ${unknown}: allowed are ${attackNames.join(', ')}.`);
  return attackNames.filter((name) => chosen.includes(name));
}

function attackTarget(text: string): AttackTarget {
  if (text.endsWith('.safetensors'))
    throw new InvalidArgumentError('That is a file, not a class: put the checkpoint before --targeted.');
  return targetRules.find((rule) => rule === text) ?? { class: text };
}

function sizes(text: string): readonly number[] {
  const values = epsilonsIn(text);
  if (typeof values === 'string') throw new InvalidArgumentError(values);
  return values;
}

function size(text: string): number {
  const value = number(text);
  if (value <= 0) throw new InvalidArgumentError('It must be above 0.');
  return value;
}

/** `32x32x3`. */
function imageShape(text: string): ImageShape {
  const sizes = text.split(/[x×]/).map(count);
  if (sizes.length !== 3)
    throw new InvalidArgumentError('It must be height, width and channels, such as 32x32x3.');
  return [sizes[0]!, sizes[1]!, sizes[2]!];
}

const jsonOption = () => new Option('--json', 'machine-readable output on stdout; text for people on stderr');
const splitOption = () =>
  new Option('--split <split>', 'which images of the data set').choices(['test', 'train']).default('test');
const mediaOption = () =>
  new Option('--media <directory>', 'where the bundled data sets are')
    .default(fileURLToPath(new URL('../media', import.meta.url)))
    .hideHelp();
const tensorflowOption = () =>
  new Option(
    '--tensorflow <folder>',
    'where the TensorFlow runtime lies; default DCNET_RUNTIME, else where dcnet setup puts it',
  );
const networkOptions = (): readonly Option[] => [
  tensorflowOption(),
  new Option(
    '--workers <number>',
    'threads that compute on wasm; default one a core, up to 8. Results do not depend on it',
  ).argParser(count),
  new Option('--backend <backend>', 'what computes').choices(backendSchema.options).default('auto'),
  new Option(
    '--precision <precision>',
    'fp16: decoupled convolutions keep activations and weights in 16 bits while they compute; webgpu only',
  )
    .choices(precisionSchema.options)
    .default('fp32'),
  mediaOption(),
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
  program.hook('preAction', (_, command) => {
    const { tensorflow } = command.opts<{ tensorflow?: string }>();
    // A set-up makes what the others need.
    if (tensorflow !== undefined && command.name() !== 'setup') useTensorflowOf(tensorflow);
  });
  const outputOf = ({ json = false }: { json?: boolean }): Output => createOutput(json);

  add(program, 'train [config]', 'train a config (*.dcnet.json); Ctrl-C stops with a checkpoint', [
    new Option('--name <name>', 'name of the run; default the config’s and a number'),
    new Option('--runs <directory>', 'where runs are kept; default runs/ beside the config'),
    new Option('--resume <run>', 'go on with a stopped run: its folder, or its name in the runs directory'),
    new Option('--on-memory <what>', 'when a step does not fit into memory: compute each batch in halves')
      .choices(['stop', 'halve'])
      .default('stop'),
    new Option('--no-inspection', 'leave out the inspection that follows a completed run'),
    ...networkOptions(),
  ]).action(async (config: string | undefined, flags) => finish(await train(config, flags, outputOf(flags))));

  add(program, 'summary <config>', 'layers of a config: shapes, weights, radii, multiply-adds, all exact', [
    new Option('--input <shape>', 'of an image, such as 32x32x3; default the data’s').argParser(imageShape),
    new Option('--classes <number>', 'default the data’s').argParser(count),
    mediaOption(),
    jsonOption(),
  ]).action((config: string, flags) => summary(config, flags, outputOf(flags)));

  add(program, 'eject <config>', 'put the layers of a config’s preset in its place', [
    new Option('--out <file>', 'the file; default the config itself'),
    new Option('--classes <number>', 'default the preset’s, else the data’s').argParser(count),
    mediaOption(),
    jsonOption(),
  ]).action((config: string, flags) => eject(config, flags, outputOf(flags)));

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

  add(program, 'robustness <checkpoint>', 'accuracy under attacks, with checks for masked gradients', [
    splitOption(),
    new Option('--attacks <names>', 'fgsm, bim, pgd, with commas')
      .default(attackNames, 'all')
      .argParser(attackList),
    new Option('--norm <norm>', 'how a perturbation is measured').choices(attackNorms).default('linf'),
    new Option(
      '--epsilons <sizes>',
      'in pixel values of 0 to 255, with commas; default by the norm',
    ).argParser(sizes),
    new Option('--steps <number>', 'of BIM and PGD').argParser(count).default(defaultSteps),
    new Option(
      '--step-size <size>',
      'of BIM and PGD, in pixel values, at every ε; default 1.25 ε/steps and 2.5 ε/steps',
    ).argParser(size),
    new Option('--restarts <number>', 'random starts of PGD').argParser(count).default(1),
    new Option(
      '--targeted [class]',
      'towards a class, not just away from the right one: least-likely, random, next, or one by its name or number',
    )
      .preset('least-likely')
      .argParser(attackTarget),
    new Option('--source <checkpoint>', 'transfer attacks from this network, too'),
    new Option('--images <number>', 'at most so many').argParser(count).default(defaultAttackedImages),
    new Option('--seed <number>', 'of random starts and noise').argParser(count).default(1),
    new Option('--output <file>', 'write the report as one HTML file that needs no other'),
    ...networkOptions(),
  ]).action((checkpoint: string, flags) =>
    robustness(
      checkpoint,
      { ...flags, epsilons: flags.epsilons ?? defaultEpsilons(flags.norm) },
      outputOf(flags),
    ),
  );

  add(program, 'operator', 'h(‖x‖), g(θ) and f = h·g at a point, or both curves', [
    new Option('--magnitude <name>', 'magnitude function').choices(magnitudeNames).makeOptionMandatory(),
    new Option('--angular <name>', 'angular activation').choices(angularNames).makeOptionMandatory(),
    new Option('--alpha <number>', 'α; default 1').argParser(number),
    new Option('--beta <number>', 'β; default 0.5 for seg, 1 for mix').argParser(number),
    new Option('--k <number>', 'k of the sigmoid; default 0.3').argParser(number),
    new Option('--exponent <number>', 'B of the square cosine; default 2').argParser(number),
    new Option('--radius <number>', 'radius in use, R (ρ, or ρ·E‖x‖)').argParser(number).default(1),
    new Option('--weighting <name>', 'how ‖w‖ enters h').choices(weightingNames).default('none'),
    new Option('--weight-norm <number>', '‖w‖, where h is weighted; default 1').argParser(number),
    new Option('--rho <number>', 'ρ beside ‖w‖ in separate-tanh; default R').argParser(number),
    new Option('--norm <number>', '‖x‖ of the point').argParser(number),
    new Option('--angle <radians>', 'θ of the point, in radians').argParser(number),
    jsonOption(),
  ]).action((flags) => operator(flags, outputOf(flags)));

  const data = program.command('data').description('data sets: fetch one, or look into one');
  add(data, 'get', 'fetch a data set from its official address; what was cut goes on', [
    new Option('--to <folder>', 'where it shall lie; default data/<name>'),
    new Option('--from <url>', 'an address that has the same files'),
    jsonOption(),
  ])
    .addArgument(new Argument('<name>', 'which one').choices(downloadNames))
    .action((name: DownloadName, flags) => dataGet(name, flags, outputOf(flags)));
  add(
    data,
    'info <place>',
    'shape, classes, counts and hash of a config’s data, of a folder or of an .npz file',
    [mediaOption(), jsonOption()],
  ).action((place: string, flags) => dataInfo(place, flags, outputOf(flags)));

  add(
    program,
    'reproduce',
    'run a table or figure of the paper again, and report beside its numbers; what was stopped goes on',
    [
      new Option(
        '--scale <scale>',
        'small: Fashion-MNIST, two cores, within an hour; full: the paper’s data and sizes',
      )
        .choices(scales)
        .default('small'),
      new Option('--only <pattern...>', 'rows, columns or runs; * stands for anything').default([], 'all'),
      new Option('--seeds <number>', 'trainings of each cell').argParser(count).default(1),
      new Option(
        '--parallel <number>',
        'trainings at once, each in a process of its own, with one thread where several run; default one a core for small',
      ).argParser(count),
      new Option('--steps <number>', 'of each training; default the scale’s. The report lists it').argParser(
        count,
      ),
      new Option('--data <folder>', 'the data set; default where dcnet data get and Debian put it'),
      new Option('--out <folder>', 'where runs and report are kept').default('reproduce'),
      ...networkOptions(),
    ],
  )
    .addArgument(new Argument('<experiment>', 'which table or figure').choices(experimentNames))
    .action(async (experiment: ExperimentName, flags) =>
      finish(await reproduce(experiment, flags, outputOf(flags))),
    );

  add(program, 'doctor', 'what runs here and what does not, each with the reason', [
    tensorflowOption(),
    jsonOption(),
  ]).action((flags) => doctor(outputOf(flags)));

  add(program, 'setup <runtime>', 'install a faster runtime: tensorflow or webgpu', [
    new Option('--variant <variant>', 'of tensorflow; default: what fits this machine').choices(
      tensorflowVariants,
    ),
    tensorflowOption(),
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

outliveReaders();
main().then((exitCode) => {
  // The last line must reach its reader before the process ends: `process.exit` would cut a pipe short.
  process.exitCode = exitCode;
  process.stdout.write('', () => process.exit());
});
