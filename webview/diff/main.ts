import '../shared/noEval.js';

import { type DiffView, diffHostContract, diffPanelContract } from '../../src/protocol/panels/diff.js';
import { joinHost } from '../shared/host.js';
import { DiffPanel } from './view.js';
import './diff.css';

const tell = (request: Promise<unknown>): void => {
  request.catch((thrown: unknown) => panel.showFailure(thrown));
};

const panel = new DiffPanel({
  swap: () => tell(host.remote.request('swap', {})),
  openConfigDiff: () => tell(host.remote.request('openConfigDiff', {})),
  inspect: (side) => tell(host.remote.request('inspect', { side })),
  pick: () => tell(host.remote.request('pick', {})),
  cancel: () => tell(host.remote.request('cancel', {})),
  retry: () => tell(host.remote.request('retry', {})),
  saveFile: (file) => tell(host.remote.request('saveFile', file)),
  selectionChanged: (selectedLayer) => host.remember({ selectedLayer }),
});

const show = (view: DiffView): void => {
  if (view.status === 'full') {
    const { a, b } = view.comparison.weights;
    const committed = [a, b].findIndex((side) => side.committedVersionOf !== undefined);
    host.remember({
      checkpoint: a.committedVersionOf ?? a.file,
      second: b.committedVersionOf ?? b.file,
      committed: committed < 0 ? undefined : committed === 0 ? 'first' : 'second',
    });
  }
  panel.show(view);
};

const host = joinHost(diffPanelContract, { show }, diffHostContract);

async function start(): Promise<void> {
  const { view } = await host.remote.request('ready', {});
  if (host.state.selectedLayer !== undefined) panel.select(host.state.selectedLayer);
  show(view);
}

tell(start());
