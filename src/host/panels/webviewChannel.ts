import type * as vscode from 'vscode';
import {
  AbstractMessageReader,
  AbstractMessageWriter,
  createMessageConnection,
  type DataCallback,
  type Disposable,
  Message,
  type MessageReader,
  type MessageWriter,
} from 'vscode-jsonrpc/node';
import { type Contract, type Handlers, openChannel, type Remote } from '../../protocol/channel.js';
import { Assembler, piecesOf } from '../../protocol/pieces.js';

/** Messages of a webview's document. */
class WebviewReader extends AbstractMessageReader implements MessageReader {
  readonly #assembler = new Assembler();

  constructor(private readonly webview: vscode.Webview) {
    super();
  }

  listen(callback: DataCallback): Disposable {
    return this.webview.onDidReceiveMessage((message: unknown) => {
      const candidate = this.#assembler.add(message) as Message | null | undefined;
      if (candidate?.jsonrpc !== '2.0') return;
      if (Message.isRequest(candidate) || Message.isNotification(candidate) || Message.isResponse(candidate))
        callback(candidate);
    });
  }
}

class WebviewWriter extends AbstractMessageWriter implements MessageWriter {
  constructor(private readonly webview: vscode.Webview) {
    super();
  }

  async write(message: Message): Promise<void> {
    // False while the document is hidden or being loaded: it asks for everything when it is ready.
    for (const piece of piecesOf(message)) await this.webview.postMessage(piece);
  }

  end(): void {}
}

/**
 * The typed channel to the document in a webview. It outlives the document: one that was hidden and is shown again is
 * a new one, which asks anew.
 */
export function joinWebview<Serves extends Contract, Calls extends Contract>(
  webview: vscode.Webview,
  serves: Serves,
  handlers: Handlers<NoInfer<Serves>>,
  calls: Calls,
): Remote<Calls> {
  const connection = createMessageConnection(new WebviewReader(webview), new WebviewWriter(webview));
  return openChannel(connection, serves, handlers, calls);
}
