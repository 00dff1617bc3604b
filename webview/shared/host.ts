import {
  AbstractMessageReader,
  AbstractMessageWriter,
  createMessageConnection,
  type DataCallback,
  type Disposable,
  Message,
  type MessageReader,
  type MessageWriter,
} from 'vscode-jsonrpc/browser';
import { type Contract, type Handlers, openChannel, type Remote } from '../../src/protocol/channel.js';
import { type PanelState, panelStateSchema } from '../../src/protocol/panels/shared.js';
import { Assembler, piecesOf } from '../../src/protocol/pieces.js';

interface VsCodeApi {
  postMessage(message: unknown): void;
  getState(): unknown;
  setState(state: unknown): void;
}
declare function acquireVsCodeApi(): VsCodeApi;

/** Messages of the extension host arrive as the window's `message` events. */
class WindowReader extends AbstractMessageReader implements MessageReader {
  private readonly assembler = new Assembler();

  listen(callback: DataCallback): Disposable {
    const receive = (event: MessageEvent<unknown>): void => {
      const message = this.assembler.add(event.data) as Message | null | undefined;
      if (message?.jsonrpc !== '2.0') return; // other libraries on the page may use the same event
      if (Message.isRequest(message) || Message.isNotification(message) || Message.isResponse(message)) {
        callback(message);
      }
    };
    window.addEventListener('message', receive);
    return { dispose: () => window.removeEventListener('message', receive) };
  }
}

class HostWriter extends AbstractMessageWriter implements MessageWriter {
  constructor(private readonly api: VsCodeApi) {
    super();
  }

  async write(message: Message): Promise<void> {
    for (const piece of piecesOf(message)) this.api.postMessage(piece);
  }

  end(): void {}
}

/** The extension host as a panel sees it: the typed channel, and the state kept across reloads. */
export interface Host<Calls extends Contract> {
  readonly remote: Remote<Calls>;
  readonly state: PanelState;
  /** Keep interface state (never results) for a restored panel. */
  remember(change: PanelState): void;
}

/**
 * Join the extension host. May be called once a document.
 * @param serves what this panel answers
 * @param calls what the host answers
 */
export function joinHost<Serves extends Contract, Calls extends Contract>(
  serves: Serves,
  handlers: Handlers<NoInfer<Serves>>,
  calls: Calls,
): Host<Calls> {
  const api = acquireVsCodeApi();
  const remote = openChannel(
    createMessageConnection(new WindowReader(), new HostWriter(api)),
    serves,
    handlers,
    calls,
  );
  // State of an older version has another form and nothing worth keeping: start afresh.
  const kept = panelStateSchema.safeParse(api.getState());
  let state: PanelState = kept.success ? kept.data : {};
  return {
    remote,
    get state() {
      return state;
    },
    remember(change) {
      state = { ...state, ...change };
      api.setState(state);
    },
  };
}
