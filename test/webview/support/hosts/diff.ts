import type { MessageConnection } from 'vscode-jsonrpc/browser';
import { openChannel } from '../../../../src/protocol/channel.js';
import { type DiffView, diffHostContract, diffPanelContract } from '../../../../src/protocol/panels/diff.js';
import type { Answer, PanelHost } from './panelHost.js';

export interface DiffSetup {
  readonly panel: 'diff';
  readonly view: DiffView;
}

export function joinDiff(connection: MessageConnection, answer: Answer, { view }: DiffSetup): PanelHost {
  const nothing = (name: string) => (params: unknown) => answer(name, params, {});
  const panel = openChannel(
    connection,
    diffHostContract,
    {
      ready: (params) => answer('ready', params, { view }),
      swap: nothing('swap'),
      openConfigDiff: nothing('openConfigDiff'),
      inspect: nothing('inspect'),
      pick: nothing('pick'),
      cancel: nothing('cancel'),
      retry: nothing('retry'),
      saveFile: (params) => answer('saveFile', params, { saved: true }),
    },
    diffPanelContract,
  );
  return {
    show: (next) => panel.notify('show', next as DiffView),
    selectLayer: () => undefined,
    fail: () => undefined,
  };
}
