import { removeAt } from './fix.js';
import type { NetworkProblem } from './networkProblem.js';
import type { Config } from './schema.js';

type ImageShape = readonly [height: number, width: number, channels: number];

/** What does not fit in how images reach the network, and for how long: normalisation, augmentation, length. */
export function inputProblems(config: Config, shape: ImageShape | undefined): readonly NetworkProblem[] {
  return [...lengthProblems(config), ...(shape === undefined ? [] : shapeProblems(config, shape))];
}

function lengthProblems({ epochs, steps }: Config): readonly NetworkProblem[] {
  if (epochs === undefined || steps === undefined) return [];
  return [
    {
      severity: 'error',
      path: ['steps'],
      message: 'A training is as long as its epochs or its steps say, but not both.',
      remedy: 'Take one of them out.',
      fixes: [removeAt(['epochs'], '"epochs"'), removeAt(['steps'], '"steps"')],
    },
  ];
}

function shapeProblems(
  { normalization, augmentation }: Config,
  [height, width, channels]: ImageShape,
): readonly NetworkProblem[] {
  const problems: NetworkProblem[] = (['mean', 'scale'] as const).flatMap((field): NetworkProblem[] => {
    const value = normalization[field];
    if (typeof value === 'number' || value.length === channels) return [];
    return [
      {
        severity: 'error',
        path: ['normalization', field],
        message: `normalization.${field} has ${value.length} values, but the images have ${channels} ${channels === 1 ? 'channel' : 'channels'}.`,
        remedy: 'Give one number for all, or one a channel.',
      },
    ];
  });
  const crop = augmentation?.crop;
  if (crop !== undefined && (crop[0] > height || crop[1] > width))
    problems.push({
      severity: 'error',
      path: ['augmentation', 'crop'],
      message: `A crop of ${crop.join('×')} is larger than the ${height}×${width} images.`,
      remedy: `Use at most [${height}, ${width}], or larger images.`,
    });
  const border = Math.min(height, width);
  if (augmentation !== undefined && augmentation.mirrorPad > border)
    problems.push({
      severity: 'error',
      path: ['augmentation', 'mirrorPad'],
      message: `A mirrored border of ${augmentation.mirrorPad} is wider than the ${height}×${width} images.`,
      remedy: `Use at most ${border}.`,
    });
  return problems;
}
