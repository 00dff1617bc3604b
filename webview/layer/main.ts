import '../shared/noEval.js';

import { DcnetError, type ErrorDetails } from '../../src/core/errors.js';
import {
  type LayerView,
  layerHostContract,
  layerPanelContract,
  type SecondView,
} from '../../src/protocol/panels/layer.js';
import { joinHost } from '../shared/host.js';
import { LayerPanel } from './view.js';
import './layer.css';

const tell = (request: Promise<unknown>): void => {
  request.catch((thrown: unknown) => panel.showFailure(thrown));
};

const panel = new LayerPanel({
  selectLayer: (layer) => tell(host.remote.request('selectLayer', { layer })),
  setPinned: (pinned) => {
    host.remember({ pinned });
    tell(host.remote.request('setPinned', { pinned }));
  },
  cancel: () => tell(host.remote.request('cancel', {})),
  retry: () => tell(host.remote.request('retry', {})),
  runAction: (command) => tell(host.remote.request('runAction', { command })),
  act: (action) => tell(host.remote.request('act', { action })),
  saveFile: (file) => tell(host.remote.request('saveFile', file)),
  remember: (change) => host.remember(change),
  select: (selection) => tell(host.remote.request('select', selection)),
  compare: () => tell(host.remote.request('compare', {})),
  stopComparing: () => tell(host.remote.request('stopComparing', {})),
  openCheckpoint: (checkpoint) => tell(host.remote.request('openCheckpoint', { checkpoint })),
  epochs: (layer) => host.remote.request('epochs', { layer }),
  measureEpochs: (signal, onProgress) => host.remote.request('measureEpochs', {}, { signal, onProgress }),
  filterAngles: (layer) => host.remote.request('filterAngles', { layer }),
  sampleImages: (request) => host.remote.request('sampleImages', request),
  imageMaps: (request) => host.remote.request('imageMaps', request),
});

const host = joinHost(
  layerPanelContract,
  {
    show: (view: LayerView) => {
      if (view.status === 'full') host.remember({ checkpoint: view.inspection.checkpoint });
      panel.show(view);
    },
    showSecond: (view: SecondView) => {
      if (view.status !== 'loading')
        host.remember({ second: view.status === 'full' ? view.inspection.checkpoint : undefined });
      panel.showSecond(view);
    },
    failed: (error: ErrorDetails) => panel.showFailure(new DcnetError(error)),
    layerSelected: ({ layer, asked }: { layer: string; asked?: boolean | undefined }) =>
      asked ? panel.select(layer) : panel.follow(layer),
  },
  layerHostContract,
);

async function start(): Promise<void> {
  const { view, selectedLayer, pinned } = await host.remote.request('ready', {});
  panel.setPinned(pinned);
  panel.restore(host.state);
  const wanted = selectedLayer ?? host.state.selectedLayer;
  if (wanted !== undefined) panel.select(wanted);
  if (view.status === 'full') host.remember({ checkpoint: view.inspection.checkpoint, pinned });
  panel.show(view);
}

tell(start());
