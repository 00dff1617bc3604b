import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Assembler, piecesOf } from '../../src/protocol/pieces.js';

const long = (text: string, times: number) => ({
  jsonrpc: '2.0',
  method: 'show',
  params: text.repeat(times),
});
const bytesOf = (message: unknown): number => Buffer.byteLength(JSON.stringify(message));

describe('messages in pieces', () => {
  it('a short message goes as it is', () => {
    const message = { jsonrpc: '2.0', id: 1, result: {} };
    expect(piecesOf(message)).toEqual([message]);
    expect(new Assembler().add(message)).toBe(message);
  });

  it('a long one is put together again, and no piece has 1 MB, whatever its characters', () => {
    for (const text of ['0.123456,', '‖x‖', '"\\\n', '😀']) {
      const message = long(text, 900_000);
      const pieces = piecesOf(message);
      expect(pieces.length).toBeGreaterThan(3);
      for (const piece of pieces) expect(bytesOf(piece)).toBeLessThan(1e6);
      const assembler = new Assembler();
      const received = pieces.map((piece) => assembler.add(JSON.parse(JSON.stringify(piece))));
      expect(received.slice(0, -1).every((part) => part === undefined)).toBe(true);
      expect(received.at(-1)).toEqual(message);
    }
  });

  it('pieces of several messages may come mixed, and in any order', () => {
    const messages = [long('a', 600_000), long('b', 900_000), { jsonrpc: '2.0', method: 'short' }];
    const pieces = messages.flatMap(piecesOf);
    fc.assert(
      fc.property(fc.shuffledSubarray(pieces, { minLength: pieces.length }), (shuffled) => {
        const assembler = new Assembler();
        const whole = shuffled
          .map((piece) => assembler.add(piece))
          .filter((message) => message !== undefined);
        expect(whole).toHaveLength(messages.length);
        expect(whole).toEqual(expect.arrayContaining(messages));
      }),
      { numRuns: 20 },
    );
  });

  it('what was never finished is forgotten', () => {
    const assembler = new Assembler();
    const [first, ...rest] = piecesOf(long('a', 600_000));
    assembler.add(first);
    for (let i = 0; i < 20; i++) assembler.add(piecesOf(long('b', 600_000))[0]);
    expect(rest.map((piece) => assembler.add(piece)).every((message) => message === undefined)).toBe(true);
  });
});
