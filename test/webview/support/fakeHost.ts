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
import type { PanelState } from '../../../src/protocol/panels/shared.js';
import { Assembler, piecesOf } from '../../../src/protocol/pieces.js';
import { type DiffSetup, joinDiff } from './hosts/diff.js';
import { type ErrorsSetup, joinErrors } from './hosts/errors.js';
import { joinLayer, type LayerSetup } from './hosts/layer.js';
import type { Answer, PanelHost } from './hosts/panelHost.js';
import { joinTensors, type TensorsSetup } from './hosts/tensors.js';
import { joinTraining, type TrainingSetup } from './hosts/training.js';

/** What a test gives the page before it loads. */
export type Setup = { readonly state?: PanelState; readonly failReady?: ErrorDetails } & (
  | TrainingSetup
  | LayerSetup
  | ErrorsSetup
  | DiffSetup
  | TensorsSetup
);

/** What a test reads and does in the page. */
export interface FakeHost extends PanelHost {
  readonly requests: { readonly name: string; readonly params: unknown }[];
  state: unknown;
  /** Characters of the longest message to the panel. */
  longestMessage: number;
  /** The next request of this name fails so. */
  failNext: { name: string; error: ErrorDetails } | undefined;
}

declare global {
  var panelSetup: Setup;
  var fakeHost: FakeHost;
  var acquireVsCodeApi: () => unknown;
}

let deliver: DataCallback | undefined;
const assembler = new Assembler();

class FromPanel extends AbstractMessageReader {
  listen(callback: DataCallback) {
    deliver = callback;
    return { dispose: () => undefined };
  }
}

class ToPanel extends AbstractMessageWriter {
  async write(message: Message): Promise<void> {
    for (const piece of piecesOf(message)) {
      const { length } = JSON.stringify(piece);
      globalThis.fakeHost.longestMessage = Math.max(globalThis.fakeHost.longestMessage, length);
      window.postMessage(piece, '*');
    }
  }

  end(): void {}
}

const setup = globalThis.panelSetup;
const requests: { name: string; params: unknown }[] = [];

const answer: Answer = (name, params, result) => {
  requests.push({ name, params });
  const { failNext } = globalThis.fakeHost;
  if (failNext?.name === name) {
    globalThis.fakeHost.failNext = undefined;
    throw new DcnetError(failNext.error);
  }
  return result;
};

const connection = createMessageConnection(new FromPanel(), new ToPanel());

/** The panel's own stand-in. */
function join(): PanelHost {
  switch (setup.panel) {
    case 'training':
      return joinTraining(connection, answer, setup);
    case 'layer':
      return joinLayer(connection, answer, setup);
    case 'errors':
      return joinErrors(connection, answer, setup);
    case 'diff':
      return joinDiff(connection, answer, setup);
    case 'tensors':
      return joinTensors(connection, answer, setup);
  }
}

globalThis.fakeHost = {
  requests,
  longestMessage: 0,
  state: setup.state,
  failNext: setup.failReady && { name: 'ready', error: setup.failReady },
  ...join(),
};
globalThis.acquireVsCodeApi = () => ({
  postMessage: (message: Message) => {
    const whole = assembler.add(structuredClone(message)) as Message | undefined;
    if (whole !== undefined) setTimeout(() => deliver?.(whole), 0);
  },
  getState: () => globalThis.fakeHost.state,
  setState: (state: unknown) => {
    globalThis.fakeHost.state = structuredClone(state);
  },
});
