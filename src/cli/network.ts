import path from 'node:path';
import { requireConfig } from '../core/config/parse.js';
import { ejectPreset } from '../core/config/presets/eject.js';
import { presetOf } from '../core/config/presets/layersOf.js';
import type { Config } from '../core/config/schema.js';
import type { ImageShape } from '../core/config/shape.js';
import { type LayerSummary, networkSummary } from '../core/config/summary.js';
import { asDcnetError, DcnetError } from '../core/errors.js';
import { replaceFile } from '../engine/checkpoint/atomicFile.js';
import { describeData } from '../engine/data/dataSet.js';
import { locateData } from '../engine/data/location.js';
import { readConfigFile, sayWarnings } from './configFile.js';
import { type Output, table } from './output.js';

interface DataFlags {
  readonly media: string;
  readonly classes?: number;
}

export interface SummaryFlags extends DataFlags {
  /** Shape of an image, in place of the data's. */
  readonly input?: ImageShape;
}

/**
 * What a config's network is made of, layer by layer and in all.
 * @throws DcnetError `config`, or `data` where the data cannot be read and the flags do not stand in for them
 */
export async function summary(config: string, flags: SummaryFlags, output: Output): Promise<void> {
  const { configFile, configText } = await readConfigFile(config);
  const { config: read } = requireConfig(configText, configFile);
  const { input, classes } = flags;
  const data =
    input !== undefined && classes !== undefined
      ? { shape: input, classes }
      : await dataOf(read, configFile, flags, 'Or give --input and --classes.');
  const known = { shape: input ?? data.shape, classes: classes ?? data.classes };
  const { network, problems } = requireConfig(configText, configFile, known);
  sayWarnings(problems, configFile, output);
  if (network === undefined) throw new Error('A valid config with known data has a network.');
  const summed = networkSummary(network);
  output.answer({ config: configFile, ...summed });
  if (output.json) return;
  const { total, layers } = summed;
  const head = ['layer', 'operator', 'output', ...columns.map(([title]) => title)];
  const rows = layers.map((layer) => [layer.name, layer.operator ?? layer.type, layer.outputShape.join('×')]);
  const count = (value: number): string => value.toLocaleString('en');
  output.say(
    table([
      head,
      ...rows.map((row, i) => [...row, ...columns.map(([, key]) => count(layers[i]![key]))]),
      ['total', '', '', ...columns.map(([, key]) => count(total[key]))],
    ]),
  );
  output.say(
    `${count(total.parameters)} parameters are trained; ${count(total.multiplyAdds)} multiply-adds an image, forward, of ${network.inputShape.join('×')}.`,
  );
}

const columns = [
  ['weights', 'weights'],
  ['radii ρ', 'radii'],
  ['k', 'k'],
  ['batch norm', 'batchNorm'],
  ['slopes', 'slopes'],
  ['multiply-adds', 'multiplyAdds'],
] as const satisfies readonly (readonly [string, keyof LayerSummary])[];

/**
 * Put the layers of a config's preset in its place.
 * @throws DcnetError `config`, `data` or `io`
 */
export async function eject(
  config: string,
  { out, ...flags }: DataFlags & { readonly out?: string },
  output: Output,
): Promise<void> {
  const { configFile, configText } = await readConfigFile(config);
  const { config: read } = requireConfig(configText, configFile);
  const preset = presetOf(read);
  const known = preset?.classes ?? flags.classes;
  const classes =
    preset === undefined || known !== undefined
      ? known
      : (await dataOf(read, configFile, flags, 'Or give --classes.')).classes;
  const text = ejectPreset(configText, configFile, classes);
  const file = path.resolve(out ?? configFile);
  try {
    await replaceFile(file, Buffer.from(text));
  } catch (thrown) {
    throw new DcnetError(
      {
        code: 'io',
        message: `The config cannot be written (${(thrown as Error).message}).`,
        remedy: 'Check that the file may be written to, or name another with --out.',
        file,
      },
      { cause: thrown },
    );
  }
  output.answer({ config: file, preset: preset?.preset, classes });
  output.say(`${file}: ${preset?.preset} is ordinary layers now; the network is the same.`);
}

async function dataOf(config: Config, configFile: string, { media }: DataFlags, instead: string) {
  try {
    return await describeData(locateData(config.data, path.dirname(configFile), media));
  } catch (thrown) {
    const { details } = asDcnetError(thrown);
    if (details.code !== 'data') throw thrown;
    throw new DcnetError({ ...details, remedy: `${details.remedy} ${instead}` }, { cause: thrown });
  }
}
