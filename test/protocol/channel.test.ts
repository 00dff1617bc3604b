import { Duplex } from 'node:stream';
import { afterEach, describe, expect, it } from 'vitest';
import { createMessageConnection, StreamMessageReader, StreamMessageWriter } from 'vscode-jsonrpc/node';
import * as z from 'zod';
import { DcnetError } from '../../src/core/errors.js';
import { ConnectionBroken, type Contract, method, openChannel } from '../../src/protocol/channel.js';

const contract = {
  requests: {
    double: method(z.object({ value: z.number() }), z.object({ value: z.number() })),
    fail: method(z.object({}), z.object({})),
    wait: method(z.object({}), z.object({}), z.object({ done: z.number() })),
    lie: method(z.object({}), z.object({ value: z.number() })),
  },
  notifications: { told: z.object({ text: z.string() }) },
} satisfies Contract;
const nothing = { requests: {}, notifications: {} } satisfies Contract;

const open: { dispose(): void }[] = [];
afterEach(() => {
  for (const channel of open.splice(0)) channel.dispose();
});

/** Two channels joined in memory. */
function pair() {
  const heard: string[] = [];
  let aborted = false;
  const wires = [new Wire(), new Wire()] as const;
  wires[0].other = wires[1];
  wires[1].other = wires[0];
  const connect = (wire: Wire) =>
    createMessageConnection(new StreamMessageReader(wire), new StreamMessageWriter(wire));
  const server = openChannel(
    connect(wires[0]),
    contract,
    {
      double: ({ value }) => ({ value: 2 * value }),
      fail: () => {
        throw new DcnetError({
          code: 'data',
          message: 'It is cut off.',
          remedy: 'Get it again.',
          file: 'a.idx',
        });
      },
      wait: (_, { signal, report }) =>
        new Promise((_resolve, reject) => {
          report({ done: 1 });
          signal.addEventListener('abort', () => {
            aborted = true;
            reject(new DcnetError({ code: 'cancelled', message: 'Cancelled.', remedy: 'Start again.' }));
          });
        }),
      lie: () => ({ value: 'three' as unknown as number }),
      told: ({ text }) => heard.push(text),
    },
    nothing,
  );
  const client = openChannel(connect(wires[1]), nothing, {}, contract);
  open.push(server, client);
  return { client, server, heard, wires, wasAborted: () => aborted };
}

class Wire extends Duplex {
  other: Wire | undefined;
  override _read(): void {}
  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.other?.push(chunk);
    done();
  }
}

describe('a channel', () => {
  it('answers', async () => {
    await expect(pair().client.request('double', { value: 21 })).resolves.toEqual({ value: 42 });
  });

  it('carries an error’s details to the other side', async () => {
    const failure = await pair()
      .client.request('fail', {})
      .catch((thrown: unknown) => thrown);
    expect(failure).toBeInstanceOf(DcnetError);
    expect((failure as DcnetError).details).toEqual({
      code: 'data',
      message: 'It is cut off.',
      remedy: 'Get it again.',
      file: 'a.idx',
    });
  });

  it('refuses what does not have the agreed form, both ways', async () => {
    const { client } = pair();
    await expect(client.request('double', { value: 'x' as unknown as number })).rejects.toThrow(
      'does not have the agreed form',
    );
    await expect(client.request('lie', {})).rejects.toThrow('The answer to lie');
  });

  it('reports progress and cancels on the other side', async () => {
    const { client, wasAborted } = pair();
    const abort = new AbortController();
    const seen: number[] = [];
    const waiting = client.request(
      'wait',
      {},
      {
        signal: abort.signal,
        onProgress: ({ done }) => {
          seen.push(done);
          abort.abort();
        },
      },
    );
    await expect(waiting).rejects.toMatchObject({ details: { code: 'cancelled' } });
    expect(seen).toEqual([1]);
    expect(wasAborted()).toBe(true);
  });

  it('tells', async () => {
    const { client, heard } = pair();
    client.notify('told', { text: 'hello' });
    await client.request('double', { value: 1 });
    expect(heard).toEqual(['hello']);
  });

  it('fails what is pending when the other side goes away', async () => {
    const { client, wires } = pair();
    const waiting = client.request('wait', {});
    wires[1].push(null);
    wires[1].destroy();
    await expect(waiting).rejects.toMatchObject({ details: { code: 'engine' } });
    await client.closed;
  });

  it('gives up what is being answered when who asked goes away', async () => {
    const { client, server, wires, wasAborted } = pair();
    const waiting = client.request(
      'wait',
      {},
      {
        onProgress: () => {
          wires[0].push(null);
          wires[0].destroy();
        },
      },
    );
    await server.closed;
    expect(wasAborted()).toBe(true);
    client.dispose();
    await expect(waiting).rejects.toThrow();
  });

  it('fails a request that cannot be sent, before the end of the connection is told', async () => {
    const { client, wires } = pair();
    for (const wire of wires)
      wire.write = () => {
        throw new Error('This socket has been ended');
      };
    await expect(client.request('double', { value: 1 })).rejects.toBeInstanceOf(ConnectionBroken);
  });
});
