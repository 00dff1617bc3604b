import { makeErrors } from './support/errors.js';
import { checkStates, type State } from './support/states.js';
import { themes } from './support/themes.js';

const analysis = makeErrors();
const second = makeErrors({ seed: 5, rate: 0.04, checkpoint: 'epoch-0004' });
const picture = { analysis };
const full = { panel: 'errors', view: { status: 'full', picture } } as const;
const some = themes.filter(({ name }) => name === 'dark' || name === 'contrast-light');
const progress = { activity: 'Finding neighbours in the training images', done: 2100, total: 5000 };

const errorsStates: readonly State[] = [
  {
    name: 'errors-empty',
    setup: {
      panel: 'errors',
      view: {
        status: 'empty',
        message:
          'A trained network shows here which images it gets wrong, and whether norm or angle is to blame.',
        action: { label: 'Train DCNet', command: 'train' },
      },
    },
  },
  {
    name: 'errors-loading-first',
    setup: { panel: 'errors', view: { status: 'loading', checkpoint: 'epoch-0006', progress } },
    themes: some,
  },
  {
    name: 'errors-loading',
    setup: {
      panel: 'errors',
      view: { status: 'loading', checkpoint: 'epoch-0005', progress, previous: picture },
    },
    themes: some,
  },
  {
    name: 'errors-error',
    setup: {
      panel: 'errors',
      view: {
        status: 'error',
        previous: picture,
        error: {
          code: 'data',
          message:
            'The data set fashion is not the one that this checkpoint was trained on: its files have changed.',
          remedy: 'Restore the files as they were, or train again.',
          file: 'runs/fashion-001/checkpoints/epoch-0005.dcnet.safetensors',
        },
      },
    },
    themes: some,
  },
  { name: 'errors-full', setup: full },
  {
    name: 'errors-cell',
    setup: {
      ...full,
      state: { errors: { label: 6, predicted: 0, order: 'similarity', normalise: 'row', diagonal: false } },
    },
    prepare: (page) => page.getByRole('button', { name: 'What do verdicts mean?' }).click(),
    themes: some,
  },
  {
    name: 'errors-compared',
    setup: {
      panel: 'errors',
      view: { status: 'full', picture: { analysis, second } },
      state: { errors: { change: 'regressed', matrix: 'difference' } },
    },
  },
  {
    name: 'errors-attacked',
    setup: full,
    prepare: async (page) => {
      await page.getByRole('button', { name: 'Attack every test image' }).click();
      await page.locator('.attack-result').waitFor();
    },
  },
  {
    name: 'errors-none',
    setup: { panel: 'errors', view: { status: 'full', picture: { analysis: makeErrors({ rate: 0 }) } } },
    themes: some,
  },
  {
    name: 'errors-table',
    setup: full,
    prepare: async (page) => {
      for (const toggle of await page.getByRole('button', { name: 'Show as table' }).all())
        await toggle.click();
    },
    themes: some,
  },
  {
    name: 'errors-cursor',
    setup: full,
    prepare: async (page) => {
      await page.locator('.hero svg.surface').focus();
      await page.keyboard.press('ArrowRight');
      for (let i = 0; i < 6; i++) await page.keyboard.press('ArrowDown');
    },
    themes: some,
  },
];

checkStates(errorsStates);
