import type { CheckpointAction } from '../../src/protocol/panels/shared.js';
import type { ButtonLook } from './controls.js';

/** The buttons of what can be done with a checkpoint, the same in every panel. */
export const checkpointActionLooks: Readonly<Record<CheckpointAction, ButtonLook>> = {
  inspectLayers: { label: 'Inspect Layers', icon: 'layers', appearance: 'icon' },
  explainErrors: { label: 'Explain Errors', icon: 'question', appearance: 'icon' },
  compareCheckpoints: { label: 'Compare with…', icon: 'diff', appearance: 'icon' },
  exportReport: {
    label: 'Report…',
    icon: 'book',
    appearance: 'icon',
    description: 'Export a report on this checkpoint',
  },
};
