import '../shared/noEval.js';

import type { ErrorDetails } from '../../src/core/errors.js';
import {
  type TrainingView,
  trainingHostContract,
  trainingPanelContract,
} from '../../src/protocol/panels/training.js';
import { joinHost } from '../shared/host.js';
import { TrainingPanel } from './view.js';
import './training.css';

const tell = (request: Promise<unknown>): void => {
  request.catch((thrown: unknown) => panel.showFailure(thrown));
};

const panel = new TrainingPanel({
  run: (request) => tell(host.remote.request(request, {})),
  revealConfig: () => tell(host.remote.request('revealConfig', {})),
  saveFile: (file) => tell(host.remote.request('saveFile', file)),
  selectionChanged: (selectedLayer) => host.remember({ selectedLayer }),
});

function show(view: TrainingView): void {
  if (view.runDirectory !== host.state.runDirectory) host.remember({ runDirectory: view.runDirectory });
  panel.show(view);
}

const host = joinHost(
  trainingPanelContract,
  { show, failed: (error: ErrorDetails) => panel.showFailed(error) },
  trainingHostContract,
);

async function start(): Promise<void> {
  const { selectedLayer } = host.state;
  if (selectedLayer !== undefined) panel.select(selectedLayer);
  show(await host.remote.request('ready', {}));
}

tell(start());
