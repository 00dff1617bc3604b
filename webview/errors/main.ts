import '../shared/noEval.js';

import {
  type ErrorsView,
  errorsHostContract,
  errorsPanelContract,
} from '../../src/protocol/panels/errors.js';
import { joinHost } from '../shared/host.js';
import { ErrorsPanel } from './view.js';
import './errors.css';

const tell = (request: Promise<unknown>): void => {
  request.catch((thrown: unknown) => panel.showFailure(thrown));
};

const panel = new ErrorsPanel({
  cancel: () => tell(host.remote.request('cancel', {})),
  retry: () => tell(host.remote.request('retry', {})),
  runAction: (command) => tell(host.remote.request('runAction', { command })),
  compare: () => tell(host.remote.request('compare', {})),
  stopComparing: () => tell(host.remote.request('stopComparing', {})),
  act: (action) => tell(host.remote.request('act', { action })),
  saveFile: (file) => tell(host.remote.request('saveFile', file)),
  evidence: (of, index) => host.remote.request('evidence', { of, index }),
  images: (indices) => host.remote.request('images', { indices }),
  attack: (chosen, options) => host.remote.request('attack', chosen, options),
  attackedImages: (chosen, indices) => host.remote.request('attackedImages', { ...chosen, indices }),
  chose: (errors) => host.remember({ errors }),
});

const host = joinHost(errorsPanelContract, { show }, errorsHostContract);

function show(view: ErrorsView): void {
  if (view.status === 'full') {
    const { analysis, second } = view.picture;
    host.remember({ checkpoint: analysis.checkpoint, second: second?.checkpoint });
  }
  panel.show(view);
}

async function start(): Promise<void> {
  const { view } = await host.remote.request('ready', {});
  if (host.state.errors) panel.restore(host.state.errors);
  show(view);
}

tell(start());
