import { once } from 'node:events';
import net from 'node:net';
import { createMessageConnection, SocketMessageReader, SocketMessageWriter } from 'vscode-jsonrpc/node';
import type { RunState, Summary } from '../../../src/core/run/run.js';
import { type Handlers, openChannel, type Remote } from '../../../src/protocol/channel.js';
import {
  type EngineContract,
  type EngineEventsContract,
  engineContract,
  engineEventsContract,
} from '../../../src/protocol/engine.js';

/** Who is connected to an engine process, and what it was told. */
export interface Client {
  readonly remote: Remote<EngineContract>;
  readonly states: RunState[];
  readonly summaries: Summary[];
  leave(): void;
}

/** Connect to the engine that listens at an address. */
export async function connect(address: string): Promise<Client> {
  const socket = net.connect(address);
  await once(socket, 'connect');
  const states: RunState[] = [];
  const summaries: Summary[] = [];
  const handlers: Handlers<EngineEventsContract> = {
    runChanged: ({ state }) => void states.push(state),
    runFinished: ({ summary }) => void summaries.push(summary),
    log: () => {},
  };
  const rpc = createMessageConnection(new SocketMessageReader(socket), new SocketMessageWriter(socket));
  const remote = openChannel(rpc, engineEventsContract, handlers, engineContract);
  return {
    remote,
    states,
    summaries,
    leave: () => {
      remote.dispose();
      socket.destroy();
    },
  };
}
