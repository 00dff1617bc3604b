import '../../../webview/shared/noEval.js';

// Stands in for the extension host inside the page: the real contracts over the real channel, answers from fixtures.
import {
  AbstractMessageReader,
  AbstractMessageWriter,
  createMessageConnection,
  type DataCallback,
  type Message,
} from 'vscode-jsonrpc/browser';
import { DcnetError, type ErrorDetails } from '../../../src/core/errors.js';
import { openChannel } from '../../../src/protocol/channel.js';
import {
  type LayerView,
  layerHostContract,
  layerPanelContract,
  type PanelState,
  type TrainingView,
  trainingHostContract,
  trainingPanelContract,
} from '../../../src/protocol/panels.js';

/** What a test gives the page before it loads. */
export type Setup = { readonly state?: PanelState; readonly failReady?: ErrorDetails } & (
  | { readonly panel: 'training'; readonly view: TrainingView }
  | {
      readonly panel: 'layer';
      readonly view: LayerView;
      readonly selectedLayer?: string;
      readonly pinned?: boolean;
    }
);

/** What a test reads and does in the page. */
export interface FakeHost {
  readonly requests: { readonly name: string; readonly params: unknown }[];
  state: unknown;
  /** The next request of this name fails so. */
  failNext: { name: string; error: ErrorDetails } | undefined;
  show(view: unknown): void;
  selectLayer(layer: string): void;
  fail(error: ErrorDetails): void;
}

declare global {
  var panelSetup: Setup;
  var fakeHost: FakeHost;
  var acquireVsCodeApi: () => unknown;
}

let deliver: DataCallback | undefined;

class FromPanel extends AbstractMessageReader {
  listen(callback: DataCallback) {
    deliver = callback;
    return { dispose: () => undefined };
  }
}

class ToPanel extends AbstractMessageWriter {
  async write(message: Message): Promise<void> {
    window.postMessage(message, '*');
  }

  end(): void {}
}

const setup = globalThis.panelSetup;
const requests: { name: string; params: unknown }[] = [];

function answer<T>(name: string, params: unknown, result: T): T {
  requests.push({ name, params });
  const { failNext } = globalThis.fakeHost;
  if (failNext?.name === name) {
    globalThis.fakeHost.failNext = undefined;
    throw new DcnetError(failNext.error);
  }
  return result;
}

const connection = createMessageConnection(new FromPanel(), new ToPanel());
const nothing = (name: string) => (params: unknown) => answer(name, params, {});
const saved = (params: unknown) => answer('saveFile', params, { saved: true });

function joinPanel(): Pick<FakeHost, 'show' | 'selectLayer' | 'fail'> {
  if (setup.panel === 'training') {
    const names = ['pause', 'continue', 'stop', 'resume', 'inspect', 'revealConfig'] as const;
    const handlers = Object.fromEntries(names.map((name) => [name, nothing(name)])) as Record<
      (typeof names)[number],
      (params: unknown) => Record<string, never>
    >;
    const { view } = setup;
    const panel = openChannel(
      connection,
      trainingHostContract,
      { ...handlers, ready: (params) => answer('ready', params, view), saveFile: saved },
      trainingPanelContract,
    );
    return {
      show: (next) => panel.notify('show', next as TrainingView),
      fail: (error) => panel.notify('failed', error),
      selectLayer: () => undefined,
    };
  }
  const { view, selectedLayer, pinned = false } = setup;
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
      saveFile: saved,
    },
    layerPanelContract,
  );
  return {
    show: (next) => panel.notify('show', next as LayerView),
    selectLayer: (layer) => panel.notify('layerSelected', { layer }),
    fail: () => undefined,
  };
}

globalThis.fakeHost = {
  requests,
  state: setup.state,
  failNext: setup.failReady && { name: 'ready', error: setup.failReady },
  ...joinPanel(),
};
globalThis.acquireVsCodeApi = () => ({
  postMessage: (message: Message) => {
    const copy = structuredClone(message);
    setTimeout(() => deliver?.(copy), 0);
  },
  getState: () => globalThis.fakeHost.state,
  setState: (state: unknown) => {
    globalThis.fakeHost.state = structuredClone(state);
  },
});
