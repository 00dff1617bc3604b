import type { MessageConnection } from 'vscode-jsonrpc/browser';
import { openChannel } from '../../../../src/protocol/channel.js';
import type { FilterAngles, ImageMaps, SampleImages } from '../../../../src/protocol/engine.js';
import {
  type Epoch,
  type LayerView,
  layerHostContract,
  layerPanelContract,
  type SecondView,
} from '../../../../src/protocol/panels/layer.js';
import type { Answer, PanelHost } from './panelHost.js';

export interface LayerSetup {
  readonly panel: 'layer';
  readonly view: LayerView;
  readonly selectedLayer?: string;
  readonly pinned?: boolean;
  /** B. */
  readonly second?: SecondView;
  /** Left out: a run of one checkpoint. */
  readonly epochs?: readonly Epoch[];
  readonly images?: SampleImages;
  readonly maps?: ImageMaps;
  readonly angles?: FilterAngles;
}

/** What a test must give before the panel asks for it. */
function given<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('The test gives the panel nothing to answer with.');
  return value;
}

export function joinLayer(
  connection: MessageConnection,
  answer: Answer,
  { view, selectedLayer, pinned = false, second, epochs = [], images, maps, angles }: LayerSetup,
): PanelHost {
  const nothing = (name: string) => (params: unknown) => answer(name, params, {});
  const panel = openChannel(
    connection,
    layerHostContract,
    {
      ready: (params) => {
        if (second) setTimeout(() => panel.notify('showSecond', second));
        return answer('ready', params, { view, selectedLayer, pinned });
      },
      select: nothing('select'),
      openCheckpoint: nothing('openCheckpoint'),
      compare: nothing('compare'),
      stopComparing: nothing('stopComparing'),
      epochs: (params) => answer('epochs', params, [...epochs]),
      measureEpochs: nothing('measureEpochs'),
      filterAngles: (params) => answer('filterAngles', params, given(angles)),
      sampleImages: (params) => answer('sampleImages', params, given(images)),
      imageMaps: (params) => answer('imageMaps', params, given(maps)),
      selectLayer: nothing('selectLayer'),
      setPinned: nothing('setPinned'),
      cancel: nothing('cancel'),
      retry: nothing('retry'),
      runAction: nothing('runAction'),
      act: nothing('act'),
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
