import '../shared/noEval.js';

import {
  type TensorsView,
  tensorsHostContract,
  tensorsPanelContract,
} from '../../src/protocol/panels/tensors.js';
import { joinHost } from '../shared/host.js';
import { TensorsPanel } from './view.js';
import './tensors.css';

const tell = (request: Promise<unknown>): void => {
  request.catch((thrown: unknown) => panel.showFailure(thrown));
};

const panel = new TensorsPanel({
  page: async (place) => (await host.remote.request('page', place)).values,
  statistics: (tensor, options) => host.remote.request('statistics', { tensor }, options),
  act: (action) => tell(host.remote.request('act', { action })),
  openConfig: () => tell(host.remote.request('openConfig', {})),
  saveFile: (file) => tell(host.remote.request('saveFile', file)),
  selectionChanged: (selectedLayer) => host.remember({ selectedLayer }),
});

const host = joinHost(
  tensorsPanelContract,
  { show: (view: TensorsView) => panel.show(view) },
  tensorsHostContract,
);

async function start(): Promise<void> {
  const view = await host.remote.request('ready', {});
  if (host.state.selectedLayer !== undefined) panel.select(host.state.selectedLayer);
  panel.show(view);
}

tell(start());
