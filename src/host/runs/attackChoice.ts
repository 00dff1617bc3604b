import * as vscode from 'vscode';
import {
  type AttackNorm,
  type AttackTarget,
  attackNorms,
  defaultAttackedImages,
  defaultEpsilons,
  defaultSteps,
  epsilonsIn,
  mostAttackRestarts,
  mostAttackSteps,
  mostStepSize,
  normTitle,
} from '../../core/attack/attack.js';
import { pickCheckpoint } from './pickCheckpoint.js';
import type { RunStore } from './runStore.js';

const title = 'Robustness Report';

/** What a robustness report asks of its attacks. */
export interface AttackChoice {
  readonly norm: AttackNorm;
  /** Left out: those of the norm. */
  readonly epsilons?: readonly number[] | undefined;
  /** `false`: away from the image's own class. */
  readonly targeted: AttackTarget | false;
  readonly steps: number;
  /** Of BIM and PGD, in pixel values; left out: by ε and steps. */
  readonly stepSize?: number | undefined;
  readonly restarts: number;
  readonly images: number;
  /** A checkpoint whose gradients make transferred attacks, too. */
  readonly source?: string | undefined;
}

export const usualAttack: AttackChoice = {
  norm: 'linf',
  targeted: false,
  steps: defaultSteps,
  restarts: 1,
  images: defaultAttackedImages,
};

type Change = Partial<AttackChoice>;
interface Setting extends vscode.QuickPickItem {
  /** Ask for another value; undefined where the user leaves it as it is. */
  readonly ask?: () => Promise<Change | undefined>;
}

/**
 * Let the user look over what attacks are made, and change it: a list of the settings with their values, where the
 * first entry, which Enter takes, starts.
 * @param classNames of the checkpoint's data, where they are known
 * @returns `undefined` where the user gives it up
 */
export async function chooseAttack(
  runs: RunStore,
  checkpoint: string,
  classNames: readonly string[],
): Promise<AttackChoice | undefined> {
  let choice = usualAttack;
  for (;;) {
    const picked = await vscode.window.showQuickPick(
      [start, ...settingsOf(choice, runs, checkpoint, classNames)],
      {
        title,
        placeHolder: 'Enter starts FGSM, BIM and PGD with these settings; choose a setting to change it',
      },
    );
    if (picked === undefined) return undefined;
    if (picked.ask === undefined) return choice;
    choice = { ...choice, ...(await picked.ask()) };
  }
}

const start: Setting = { label: '$(play) Start' };

function settingsOf(
  choice: AttackChoice,
  runs: RunStore,
  checkpoint: string,
  classNames: readonly string[],
): Setting[] {
  const { norm, epsilons = defaultEpsilons(norm), targeted, steps, stepSize, restarts, images } = choice;
  return [
    { label: 'Norm', description: normTitle(norm), ask: () => askNorm(norm) },
    { label: 'ε', description: epsilons.join(', '), ask: () => askEpsilons(epsilons) },
    { label: 'Goal', description: goalOf(targeted), ask: () => askGoal(classNames) },
    {
      label: 'Steps',
      description: `${steps.toLocaleString('en')}, of BIM and PGD`,
      ask: async () => changed('steps', await askCount('Steps of BIM and PGD', steps, mostAttackSteps)),
    },
    {
      label: 'Step size',
      description: stepSize === undefined ? usualStepSize : `${stepSize} pixel values`,
      ask: () => askStepSize(stepSize),
    },
    {
      label: 'Restarts',
      description: `${restarts.toLocaleString('en')}, of PGD`,
      ask: async () =>
        changed('restarts', await askCount('Random starts of PGD', restarts, mostAttackRestarts)),
    },
    {
      label: 'Images',
      description: `the first ${images.toLocaleString('en')} test images`,
      ask: async () => changed('images', await askCount('At most so many test images', images)),
    },
    {
      label: 'Transfer',
      description:
        choice.source === undefined
          ? noSource
          : `also from ${vscode.workspace.asRelativePath(choice.source)}`,
      ask: () => askSource(runs, checkpoint),
    },
  ];
}

function changed<K extends keyof AttackChoice>(
  key: K,
  value: AttackChoice[K] | undefined,
): Change | undefined {
  return value === undefined ? undefined : { [key]: value };
}

async function askNorm(before: AttackNorm): Promise<Change | undefined> {
  const picked = await vscode.window.showQuickPick(
    attackNorms.map((norm) => ({ norm, label: normTitle(norm), description: normWords[norm] })),
    { title, placeHolder: 'How is a perturbation measured?' },
  );
  if (picked === undefined || picked.norm === before) return undefined;
  // Sizes in one norm say nothing in another.
  return { norm: picked.norm, epsilons: undefined, stepSize: undefined };
}

const normWords: Readonly<Record<AttackNorm, string>> = {
  linf: 'the largest change of a pixel',
  l2: 'the Euclidean length over the whole image',
};

async function askEpsilons(epsilons: readonly number[]): Promise<Change | undefined> {
  const text = await vscode.window.showInputBox({
    title,
    prompt: 'ε in pixel values of 0 to 255, with commas',
    value: epsilons.join(', '),
    validateInput: (input) => {
      const read = epsilonsIn(input);
      return typeof read === 'string' ? read : undefined;
    },
  });
  const read = text === undefined ? undefined : epsilonsIn(text);
  return typeof read === 'object' ? { epsilons: read } : undefined;
}

function goalOf(targeted: AttackChoice['targeted']): string {
  return typeof targeted === 'object'
    ? `towards the class ${targeted.class}`
    : goals.find((goal) => goal.targeted === targeted)!.label;
}

const goals = [
  { targeted: false, label: 'away from the own class', description: 'untargeted' },
  { targeted: 'least-likely', label: 'towards the least likely class', description: 'of the clean image' },
  { targeted: 'random', label: 'towards a random class', description: 'a wrong one' },
  { targeted: 'next', label: 'towards the next class', description: 'the one after the own' },
] as const;
const oneClass = { label: 'towards one class…', description: 'its own images are left out' };

async function askGoal(classNames: readonly string[]): Promise<Change | undefined> {
  const picked = await vscode.window.showQuickPick([...goals, oneClass], {
    title,
    placeHolder: 'Where do attacks move an image?',
  });
  if (picked === undefined) return undefined;
  if ('targeted' in picked) return { targeted: picked.targeted };
  const named =
    classNames.length > 0
      ? await vscode.window.showQuickPick([...classNames], { title, placeHolder: 'Towards which class?' })
      : await vscode.window.showInputBox({ title, prompt: 'The class’s name, or its number from 0' });
  return named ? { targeted: { class: named } } : undefined;
}

const usualStepSize = '1.25 ε/steps of BIM, 2.5 ε/steps of PGD';

async function askStepSize(stepSize: number | undefined): Promise<Change | undefined> {
  const text = await vscode.window.showInputBox({
    title,
    prompt: `Step of BIM and PGD, in pixel values, at every ε; empty: ${usualStepSize}`,
    value: stepSize?.toString() ?? '',
    validateInput: (input) => {
      const value = Number(input);
      return input.trim() === '' || (value > 0 && value <= mostStepSize)
        ? undefined
        : 'It must be a number above 0, or nothing.';
    },
  });
  return text === undefined ? undefined : { stepSize: text.trim() === '' ? undefined : Number(text) };
}

async function askCount(
  prompt: string,
  value: number,
  most = Number.MAX_SAFE_INTEGER,
): Promise<number | undefined> {
  const text = await vscode.window.showInputBox({
    title,
    prompt,
    value: String(value),
    validateInput: (input) => {
      const count = Number(input);
      if (!Number.isInteger(count) || count < 1) return 'It must be a whole number above 0.';
      return count > most ? `It may be ${most.toLocaleString('en')} at most.` : undefined;
    },
  });
  return text === undefined ? undefined : Number(text);
}

const noSource = 'none: white box only';

async function askSource(runs: RunStore, checkpoint: string): Promise<Change | undefined> {
  const none = { label: noSource, description: 'attacks by the network’s own gradients' };
  const other = {
    label: 'from another checkpoint…',
    description: 'also attacks that its gradients make',
  };
  const picked = await vscode.window.showQuickPick([none, other], {
    title,
    placeHolder: 'A transferred attack that does more than one’s own shows masked gradients',
  });
  if (picked !== other) return picked && { source: undefined };
  const source = await pickCheckpoint(
    runs,
    title,
    'Whose gradients make the transferred attacks?',
    checkpoint,
  );
  return source === undefined ? undefined : { source };
}
