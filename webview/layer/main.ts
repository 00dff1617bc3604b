import '../shared/noEval.js';

import { type LayerView, layerHostContract, layerPanelContract } from '../../src/protocol/panels/layer.js';
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
  saveFile: (file) => tell(host.remote.request('saveFile', file)),
  selectionChanged: (selectedLayer) => host.remember({ selectedLayer }),
});

const host = joinHost(
  layerPanelContract,
  {
    show: (view: LayerView) => {
      if (view.status === 'full') host.remember({ checkpoint: view.inspection.checkpoint });
      panel.show(view);
    },
    layerSelected: ({ layer, asked }: { layer: string; asked?: boolean | undefined }) =>
      asked ? panel.select(layer) : panel.follow(layer),
  },
  layerHostContract,
);

async function start(): Promise<void> {
  const { view, selectedLayer, pinned } = await host.remote.request('ready', {});
  panel.setPinned(pinned);
  const wanted = selectedLayer ?? host.state.selectedLayer;
  if (wanted !== undefined) panel.select(wanted);
  if (view.status === 'full') host.remember({ checkpoint: view.inspection.checkpoint, pinned });
  panel.show(view);
}

tell(start());
