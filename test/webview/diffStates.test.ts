import { behaviour, fullComparison, otherNetwork, sameNetwork } from './support/comparisons.js';
import { checkStates, type State } from './support/states.js';
import { themes } from './support/themes.js';

const some = themes.filter(({ name }) => name === 'dark' || name === 'contrast-light');
const progress = { activity: 'Running both networks', done: 400, total: 1000 };

const diffStates: readonly State[] = [
  {
    name: 'diff-empty',
    setup: {
      panel: 'diff',
      view: { status: 'empty', message: 'Two checkpoints are compared here: config, filters, predictions.' },
    },
  },
  {
    name: 'diff-loading-first',
    setup: {
      panel: 'diff',
      view: {
        status: 'loading',
        a: 'fashion-tanh / epoch-0002',
        b: 'fashion-tanh / epoch-0008',
        progress: { activity: 'Comparing conv3', done: 2, total: 5 },
      },
    },
  },
  {
    name: 'diff-loading',
    setup: {
      panel: 'diff',
      view: {
        status: 'loading',
        a: 'fashion-tanh / epoch-0008',
        b: 'fashion-tanh / epoch-0002',
        progress: { activity: 'Comparing conv3', done: 2, total: 5 },
        previous: fullComparison,
      },
    },
    themes: some,
  },
  {
    name: 'diff-weights',
    setup: {
      panel: 'diff',
      view: {
        status: 'full',
        comparison: { weights: sameNetwork, behaviour: { status: 'loading', progress } },
      },
    },
  },
  {
    name: 'diff-error',
    setup: {
      panel: 'diff',
      view: {
        status: 'error',
        error: {
          code: 'checkpoint',
          message: 'The file announces a header of 9,000 bytes, but has 12 bytes in all.',
          remedy: 'The file is damaged or not a checkpoint: use another copy.',
          file: 'runs/fashion-tanh/checkpoints/epoch-0008.dcnet.safetensors',
        },
      },
    },
    themes: some,
  },
  {
    name: 'diff-no-data',
    setup: {
      panel: 'diff',
      view: {
        status: 'full',
        comparison: {
          weights: otherNetwork,
          behaviour: {
            status: 'none',
            reason: 'A knows 10 classes and B 100, so there is no data to judge both by.',
          },
        },
      },
      state: { selectedLayer: 'conv4' },
    },
    themes: some,
  },
  { name: 'diff-full', setup: { panel: 'diff', view: { status: 'full', comparison: fullComparison } } },
  {
    name: 'diff-other',
    setup: {
      panel: 'diff',
      view: {
        status: 'full',
        comparison: {
          weights: otherNetwork,
          behaviour: {
            status: 'full',
            behaviour: {
              ...behaviour,
              otherData: 'fashion-mnist-dark',
              flips: { ...behaviour.flips, fixed: 40, broken: 51, midP: 0.25 },
              cka: {
                ...behaviour.cka,
                layersB: ['conv1', 'conv2', 'middle', 'conv4', 'extra', 'scores'],
                values: behaviour.cka.values.map((row) => [...row, null]),
              },
            },
          },
        },
      },
      state: { selectedLayer: 'conv3' },
    },
  },
  {
    name: 'diff-cursor',
    setup: { panel: 'diff', view: { status: 'full', comparison: fullComparison } },
    prepare: async (page) => {
      await page.getByRole('img', { name: /^What moved/ }).focus();
      await page.keyboard.press('ArrowRight');
      await page.keyboard.press('ArrowDown');
    },
    themes: some,
  },
];

checkStates(diffStates);
