import * as z from 'zod';

/**
 * What an error is blamed on, by counterfactual re-scoring with the magnitudes or the angles of a donor: only the
 * donor's magnitudes mend it (`norm`), only its angles (`angle`), either by itself (`both`), or neither of them.
 */
export const verdicts = ['norm', 'angle', 'both', 'neither'] as const;
export const verdictSchema = z.enum(verdicts);
export type Verdict = z.infer<typeof verdictSchema>;

/** Which of the two transplants makes the network classify the image rightly. */
export interface Mended {
  readonly norm: boolean;
  readonly angle: boolean;
}

export function verdictOf({ norm, angle }: Mended): Verdict {
  if (norm) return angle ? 'both' : 'norm';
  return angle ? 'angle' : 'neither';
}

/**
 * How many of the layers, from the image on, decide a verdict: the first half, rounded up. Deeper transplants hand the
 * network what it has already concluded of the donor, and so mend almost everything, whatever the fault was.
 */
export function decidingLayers(layers: number): number {
  return Math.ceil(layers / 2);
}

/**
 * The verdict on one error: that of the earliest deciding layer at which a transplant mends it. Where none does, an
 * error that the cosines of the score layer would not have made is one of its filters' norms: `norm`, at that layer.
 * @param layers outcomes of the transplants, one for each layer with filters but the score layer, in order
 * @param cosinesRight whether the largest cosine of the score layer is the true class's
 * @returns `layer` is where it turns: a position in `layers`, `layers.length` for the score layer, −1 for none
 */
export function decideVerdict(
  layers: readonly Mended[],
  cosinesRight: boolean,
): { readonly verdict: Verdict; readonly layer: number } {
  const deciding = layers.slice(0, decidingLayers(layers.length));
  const layer = deciding.findIndex(({ norm, angle }) => norm || angle);
  if (layer >= 0) return { verdict: verdictOf(deciding[layer]!), layer };
  if (cosinesRight) return { verdict: 'norm', layer: layers.length };
  return { verdict: 'neither', layer: -1 };
}

/** {@link decideVerdict} for people. */
export const verdictDefinition: readonly string[] = [
  'An error is re-scored with one factor exchanged. The donor is the training image of the true class that the network classifies rightly and whose penultimate features stand at the smallest angle to the image’s.',
  'At each layer with filters the image keeps its angles g(θ) and gets the donor’s magnitudes h, patch by patch in order of ‖x‖ (its strongest patch gets the donor’s strongest magnitude, and so on), and the network runs on from there. Then the other way round: the donor’s angles with the image’s magnitudes. A plain layer is read as h = ‖w‖‖x‖, g = cos θ.',
  'Only the magnitudes mend the error: norm. Only the angles: angle. Each by itself: both. None of the two: neither.',
  'The verdict is of the earliest layer, in the first half of them, at which a transplant mends the error: further on a transplant hands over what the network has already concluded of the donor. Where no layer turns it, but the largest cosine of the score layer is the true class’s, the norms of the score layer’s filters are to blame: norm.',
];

/**
 * Angular visual hardness A(x, w_y) / Σᵢ A(x, wᵢ), A the angle between features and a class's weights (Chen et al.
 * 2020, definition 1): 0 for a perfect match, 1/classes where all classes are as far.
 * @param cosines of the features with each class's weights
 */
export function angularVisualHardness(cosines: ArrayLike<number>, label: number): number {
  let sum = 0;
  for (let i = 0; i < cosines.length; i++) sum += angleOf(cosines[i]!);
  return sum === 0 ? 0 : angleOf(cosines[label]!) / sum;
}

/** By how many degrees the features are nearer to the predicted class's weights than to the true class's. */
export function angularMargin(cosines: ArrayLike<number>, label: number, predicted: number): number {
  return ((angleOf(cosines[label]!) - angleOf(cosines[predicted]!)) * 180) / Math.PI;
}

/** Share of the increasing values that are at most `value`; NaN where there are none. */
export function percentileOf(increasing: ArrayLike<number>, value: number): number {
  if (increasing.length === 0) return Number.NaN;
  let [low, high] = [0, increasing.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (increasing[middle]! <= value) low = middle + 1;
    else high = middle;
  }
  return low / increasing.length;
}

function angleOf(cosine: number): number {
  return Math.acos(Math.max(-1, Math.min(1, cosine)));
}
