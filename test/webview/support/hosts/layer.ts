import type { MessageConnection } from 'vscode-jsonrpc/browser';
import { openChannel } from '../../../../src/protocol/channel.js';
import {
  type LayerView,
  layerHostContract,
  layerPanelContract,
} from '../../../../src/protocol/panels/layer.js';
import type { Answer, PanelHost } from './panelHost.js';

export interface LayerSetup {
  readonly panel: 'layer';
  readonly view: LayerView;
  readonly selectedLayer?: string;
  readonly pinned?: boolean;
}

export function joinLayer(
  connection: MessageConnection,
  answer: Answer,
  { view, selectedLayer, pinned = false }: LayerSetup,
): PanelHost {
  const nothing = (name: string) => (params: unknown) => answer(name, params, {});
  const panel = openChannel(
    connection,
    layerHostContract,
    {
      ready: (params) => answer('ready', params, { view, selectedLayer, pinned }),
      selectLayer: nothing('selectLayer'),
      setPinned: nothing('setPinned'),
      cancel: nothing('cancel'),
      retry: nothing('retry'),
      runAction: nothing('runAction'),
      saveFile: (params) => answer('saveFile', params, { saved: true }),
    },
    layerPanelContract,
  );
  return {
    show: (next) => panel.notify('show', next as LayerView),
    selectLayer: (layer) => panel.notify('layerSelected', { layer }),
    fail: () => undefined,
  };
}
