import { makeAngles, makeEpochs, makeImages, makeMaps, makeSecond } from './support/layerExtras.js';
import { makeDeadLayer, makeInspection, makePeakedLayer } from './support/layers.js';
import { checkStates, type State } from './support/states.js';
import { themes } from './support/themes.js';

const inspection = makeInspection();
const progress = { activity: 'Measuring conv3', done: 420, total: 1000 };

const layerStates: readonly State[] = [
  {
    name: 'layer-empty',
    setup: {
      panel: 'layer',
      view: {
        status: 'empty',
        message: 'Train a network to see what each of its layers does to its data.',
        action: { label: 'Train DCNet', command: 'train' },
      },
    },
  },
  {
    name: 'layer-loading-first',
    setup: { panel: 'layer', view: { status: 'loading', checkpoint: 'epoch-0008', progress } },
  },
  {
    name: 'layer-loading',
    setup: {
      panel: 'layer',
      view: { status: 'loading', checkpoint: 'epoch-0009', progress, previous: inspection },
    },
  },
  {
    name: 'layer-error',
    setup: {
      panel: 'layer',
      view: {
        status: 'error',
        previous: inspection,
        error: {
          code: 'checkpoint',
          message: 'The checkpoint ends in the middle of tensor conv2/kernel.',
          remedy: 'Take another checkpoint of the run, or train it again.',
          file: 'runs/fashion-tanh/checkpoints/epoch-0009.dcnet.safetensors',
        },
      },
    },
  },
  { name: 'layer-full', setup: { panel: 'layer', view: { status: 'full', inspection } } },
  ...inspection.layers.slice(1).map(
    (layer): State => ({
      name: `layer-full-${layer.name}`,
      setup: {
        panel: 'layer',
        view: { status: 'full', inspection },
        selectedLayer: layer.name,
        pinned: true,
      },
      themes: themes.filter(({ name }) => name === 'dark' || name === 'contrast-light'),
    }),
  ),
  {
    name: 'layer-peaked',
    setup: {
      panel: 'layer',
      view: { status: 'full', inspection: { ...inspection, layers: [makePeakedLayer()] } },
    },
    themes: themes.filter(({ name }) => name === 'light' || name === 'contrast-dark'),
  },
  {
    name: 'layer-dead',
    setup: {
      panel: 'layer',
      view: { status: 'full', inspection: { ...inspection, layers: [makeDeadLayer()] } },
    },
    themes: themes.slice(0, 1),
  },
  {
    name: 'layer-compare',
    setup: {
      panel: 'layer',
      view: { status: 'full', inspection },
      second: { status: 'full', inspection: makeSecond(inspection) },
      epochs: makeEpochs(inspection, 'conv1', 4),
    },
  },
  {
    name: 'layer-second-loading',
    setup: {
      panel: 'layer',
      view: { status: 'full', inspection },
      second: { status: 'loading', checkpoint: 'epoch-0004.dcnet.safetensors', progress },
    },
    themes: themes.slice(0, 1),
  },
  {
    name: 'layer-wrong-shirts',
    setup: {
      panel: 'layer',
      view: {
        status: 'full',
        inspection: { ...inspection, sampleSize: 35, accuracy: 0, selection: { label: 6, outcome: 'wrong' } },
      },
    },
    themes: themes.slice(0, 2),
  },
  {
    name: 'layer-everything',
    setup: {
      panel: 'layer',
      view: { status: 'full', inspection },
      state: { filter: 3, image: 3 },
      epochs: makeEpochs(inspection, 'conv1'),
      images: makeImages(),
      maps: makeMaps(),
      angles: makeAngles(),
    },
    prepare: async (page) => {
      await page.getByRole('button', { name: 'Show the angles between filters' }).click();
      await page.getByRole('slider', { name: 'Radius' }).focus();
      for (let i = 0; i < 40; i++) await page.keyboard.press('ArrowRight');
    },
  },
  {
    name: 'layer-table',
    setup: { panel: 'layer', view: { status: 'full', inspection } },
    prepare: (page) => page.getByRole('button', { name: 'Show as table' }).first().click(),
  },
  {
    name: 'layer-cursor',
    setup: { panel: 'layer', view: { status: 'full', inspection } },
    prepare: async (page) => {
      await page.getByRole('listbox').focus();
      for (let i = 0; i < 4; i++) await page.keyboard.press('Tab');
      await page.keyboard.press('ArrowRight');
    },
  },
];

checkStates(layerStates);
