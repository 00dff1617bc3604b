import * as z from 'zod';

/** Characters of a message's text in one piece: whatever the characters, a piece is well under 1 MB. */
const longestPiece = 250_000;
/** Messages of which some piece is still missing: a document that was closed in between leaves them behind. */
const mostUnfinished = 8;

const pieceSchema = z.object({
  /** Tells the pieces of one message from those of another. */
  pieceOf: z.number().int(),
  index: z.number().int().nonnegative(),
  count: z.number().int().positive(),
  text: z.string(),
});
type Piece = z.infer<typeof pieceSchema>;

let lastMessage = 0;

/**
 * A message as it is sent: itself, or where it is long the pieces of its JSON, so that no single message holds up a
 * window that has others to deliver.
 */
export function piecesOf(message: unknown): readonly unknown[] {
  const text = JSON.stringify(message);
  if (text.length <= longestPiece) return [message];
  lastMessage++;
  const count = Math.ceil(text.length / longestPiece);
  return Array.from(
    { length: count },
    (_, index): Piece => ({
      pieceOf: lastMessage,
      index,
      count,
      text: text.slice(index * longestPiece, (index + 1) * longestPiece),
    }),
  );
}

/** Puts messages together again; those of several senders must not be mixed. */
export class Assembler {
  readonly #unfinished = new Map<number, string[]>();

  /** @returns a whole message, or `undefined` while pieces of it are missing */
  add(received: unknown): unknown {
    const parsed = pieceSchema.safeParse(received);
    if (!parsed.success) return received;
    const { pieceOf, index, count, text } = parsed.data;
    const pieces = this.#unfinished.get(pieceOf) ?? [];
    this.#unfinished.set(pieceOf, pieces);
    pieces[index] = text;
    if (Object.keys(pieces).length < count) {
      const [oldest] = this.#unfinished.keys();
      if (this.#unfinished.size > mostUnfinished) this.#unfinished.delete(oldest!);
      return undefined;
    }
    this.#unfinished.delete(pieceOf);
    return JSON.parse(pieces.join(''));
  }
}
