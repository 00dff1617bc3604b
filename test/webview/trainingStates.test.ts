import { runStatuses } from '../../src/core/run/run.js';
import { makeTrainingView } from './support/runs.js';
import { checkStates, type State } from './support/states.js';

const preparing = makeTrainingView('preparing');
const reading = { done: 12_345, total: 50_000 };

const trainingStates: readonly State[] = [
  ...runStatuses.map(
    (status): State => ({
      name: `training-${status}`,
      setup: { panel: 'training', view: makeTrainingView(status) },
    }),
  ),
  {
    name: 'training-reading',
    setup: { panel: 'training', view: { ...preparing, state: { ...preparing.state, reading } } },
  },
  {
    name: 'training-table',
    setup: { panel: 'training', view: makeTrainingView('completed') },
    prepare: (page) => page.getByRole('button', { name: 'Show as table' }).click(),
  },
  {
    name: 'training-cursor',
    setup: { panel: 'training', view: makeTrainingView('completed') },
    prepare: async (page) => {
      const box = await page.locator('svg.surface').boundingBox();
      if (box) await page.mouse.move(box.x + box.width * 0.4, box.y + 90);
    },
  },
];

checkStates(trainingStates);
