import { attackTitle } from './attack.js';
import type { RobustnessCheck, RobustnessCurve, RobustnessMeasurement } from './robustness.js';

/** With room for any image, an attack that works leaves no more than this right. */
const unboundedLimit = 0.05;
/** More images without any gradient than this are more than chance. */
const zeroGradientLimit = 0.01;
/** A loss that falls by more than this share of its whole rise, from one step to the next, does not just waver. */
const fallLimit = 0.05;

const percent = (value: number): string => `${(value * 100).toFixed(1)} %`;
const list = (epsilons: readonly number[]): string =>
  epsilons.map((epsilon) => Number(epsilon.toPrecision(4))).join(', ');

/**
 * Whether the attacks can be believed: what must hold where gradients show the way, and fails where something hides
 * them (Athalye, Carlini and Wagner 2018, section 3.1; Carlini et al. 2019). Accuracies are compared to 1 % of the
 * images, one image at least.
 */
export function robustnessChecks(measured: RobustnessMeasurement): readonly RobustnessCheck[] {
  return [
    enoughAttacks(measured),
    falling(measured),
    unbounded(measured),
    iterative(measured),
    whiteBox(measured),
    noise(measured),
    steps(measured),
    gradients(measured),
  ];
}

type Judge = (measured: RobustnessMeasurement) => RobustnessCheck;

function enoughAttacks({ curves }: RobustnessMeasurement): RobustnessCheck {
  const sentence = 'An iterative attack, BIM or PGD, stands beside FGSM.';
  return curves.some(({ attack }) => attack !== 'fgsm')
    ? { name: 'attacks', status: 'passed', sentence }
    : {
        name: 'attacks',
        status: 'failed',
        sentence: `${sentence} Only FGSM was run.`,
        meaning:
          'FGSM alone is no evidence of robustness: networks that withstand one step often fall to ten. Run BIM and PGD, too.',
      };
}

/** Of iterative attacks alone: one long step may well go past what a shorter one reaches. */
const falling: Judge = (measured) => {
  const sentence = 'Iterative attacks leave no more right where ε is larger.';
  const strong = measured.curves.filter(({ attack, access }) => attack !== 'fgsm' && access === 'white-box');
  if (strong.length === 0)
    return { name: 'falling', status: 'not-run', sentence, meaning: 'Only FGSM was run. Add PGD or BIM.' };
  if (measured.epsilons.length < 2)
    return { name: 'falling', status: 'not-run', sentence, meaning: 'Name two ε or more.' };
  const left = measured.epsilons.map((_, i) => Math.min(...strong.map(({ accuracies }) => accuracies[i]!)));
  const leastBefore = left.map((_, i) => Math.min(...left.slice(0, i + 1)));
  const rises = above(measured, left, leastBefore);
  return judged(
    'falling',
    rises.length === 0,
    rises.length === 0
      ? sentence
      : `${sentence} They leave more than at a smaller one at ε = ${list(rises)}.`,
    'Every image that a small perturbation takes is in the larger ball, too: there the attack does not find it. Take more steps; where that does not mend it, gradients are masked.',
  );
};

const unbounded: Judge = ({ unbounded: found }) => {
  const sentence = `With room for any image, PGD leaves at most ${percent(unboundedLimit)} right.`;
  if (found === undefined)
    return { name: 'unbounded', status: 'not-run', sentence, meaning: 'Only FGSM was run. Add PGD or BIM.' };
  return judged(
    'unbounded',
    found.accuracy <= unboundedLimit,
    `${sentence} At ε = ${list([found.epsilon])} it left ${percent(found.accuracy)}.`,
    'An attack that may change everything must succeed: it is the attack that fails here, not the network that is robust. Gradients are masked, or the steps are too few.',
  );
};

const iterative: Judge = (measured) => {
  const sentence = 'Iterative attacks leave no more right than FGSM.';
  const [fgsm, ...others] = [own(measured, 'fgsm'), own(measured, 'bim'), own(measured, 'pgd')];
  const strong = others.filter((curve) => curve !== undefined);
  if (fgsm === undefined || strong.length === 0)
    return { name: 'iterative', status: 'not-run', sentence, meaning: 'Run FGSM and BIM or PGD together.' };
  const best = fgsm.accuracies.map((_, i) => Math.min(...strong.map(({ accuracies }) => accuracies[i]!)));
  const weaker = above(measured, best, fgsm.accuracies);
  return judged(
    'iterative',
    weaker.length === 0,
    weaker.length === 0 ? sentence : `${sentence} They leave more at ε = ${list(weaker)}.`,
    'Many small steps must do at least what one does. Where they do less, gradients near the image lead astray (gradient masking, as after training with FGSM), or there are too few steps.',
  );
};

const whiteBox: Judge = (measured) => {
  const sentence = 'White-box attacks leave no more right than transferred ones.';
  const transferred = measured.curves.filter(({ access }) => access === 'transfer');
  if (transferred.length === 0)
    return {
      name: 'white-box',
      status: 'not-run',
      sentence,
      meaning: 'Name another checkpoint as the source of transferred attacks.',
    };
  const weaker = [
    ...new Set(
      transferred.flatMap(({ attack, accuracies }) =>
        above(measured, own(measured, attack)!.accuracies, accuracies),
      ),
    ),
  ];
  return judged(
    'white-box',
    weaker.length === 0,
    weaker.length === 0 ? sentence : `${sentence} They leave more at ε = ${list(weaker)}.`,
    'The network’s own gradients must lead an attack at least as well as another’s. Where they do not, they are masked: accuracy under white-box attack is no measure of robustness here.',
  );
};

const noise: Judge = (measured) => {
  const sentence = 'Random noise of the same size leaves no fewer right than the attacks.';
  const weaker = [
    ...new Set(
      measured.curves
        .filter(({ access }) => access === 'white-box')
        .flatMap(({ accuracies }) => above(measured, accuracies, measured.noise)),
    ),
  ];
  return judged(
    'noise',
    weaker.length === 0,
    weaker.length === 0 ? sentence : `${sentence} It leaves fewer at ε = ${list(weaker)}.`,
    'An attack that does less than chance goes the wrong way: its gradients tell nothing of the loss.',
  );
};

const steps: Judge = (measured) => {
  const sentence = 'The loss rises with each step of an iterative attack.';
  const curves = measured.curves.filter(({ attack, access }) => attack !== 'fgsm' && access === 'white-box');
  if (curves.length === 0)
    return { name: 'steps', status: 'not-run', sentence, meaning: 'Only FGSM was run. Add PGD or BIM.' };
  const falls = curves.flatMap(({ attack, objectives }) => {
    const at = measured.epsilons.filter((_, i) => doesFall(objectives[i]!));
    return at.length === 0 ? [] : [`${attackTitle(attack)} at ε = ${list(at)}`];
  });
  return judged(
    'steps',
    falls.length === 0,
    falls.length === 0 ? sentence : `${sentence} It falls on the way: ${falls.join('; ')}.`,
    'Either the steps are too long (try more of them: each is then shorter) or the gradients do not point uphill. Until more steps mend it, accuracy under this attack is an upper bound only.',
  );
};

function doesFall(objectives: readonly number[]): boolean {
  const rise = Math.max(...objectives) - objectives[0]!;
  return objectives.some((value, i) => i > 0 && value < objectives[i - 1]! - fallLimit * rise - 1e-6);
}

const gradients: Judge = ({ zeroGradients }) =>
  judged(
    'gradients',
    zeroGradients <= zeroGradientLimit,
    `At most ${percent(zeroGradientLimit)} of the images have no gradient at all: ${percent(zeroGradients)} have none.`,
    'Attacks by gradients cannot move these images, whatever ε is. Saturated scores or a flat operator hide the way, which is no robustness: a transferred attack needs no gradients of the network.',
  );

function judged(
  name: RobustnessCheck['name'],
  passed: boolean,
  sentence: string,
  meaning: string,
): RobustnessCheck {
  return passed ? { name, status: 'passed', sentence } : { name, status: 'failed', sentence, meaning };
}

function own({ curves }: RobustnessMeasurement, attack: RobustnessCurve['attack']) {
  return curves.find((curve) => curve.attack === attack && curve.access === 'white-box');
}

/** The ε at which accuracies are above a limit by more than chance has it. */
function above(
  { epsilons, sampleSize }: RobustnessMeasurement,
  accuracies: readonly number[],
  limits: readonly number[],
): readonly number[] {
  const slack = Math.max(0.01, 1 / sampleSize) + 1e-9;
  return epsilons.filter((_, i) => accuracies[i]! > limits[i]! + slack);
}
