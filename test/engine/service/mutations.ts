import fc from 'fast-check';

/** Numbers that a damaged or hostile header holds. */
const numbers = [
  0n,
  1n,
  2n,
  7n,
  127n,
  255n,
  256n,
  65535n,
  2n ** 24n,
  2n ** 31n - 1n,
  2n ** 31n,
  2n ** 32n - 1n,
  2n ** 53n,
  2n ** 63n,
  2n ** 64n - 1n,
];

/** A place in a file: as often in its first bytes, where the header is, as anywhere else. */
const place = fc.oneof(fc.nat(63), fc.nat(2 ** 24));

type Mutation = (bytes: Buffer) => Buffer;

const mutation: fc.Arbitrary<Mutation> = fc.oneof(
  fc.tuple(place, fc.nat(7)).map(
    ([at, bit]): Mutation =>
      (bytes) => {
        if (bytes.length > 0) bytes[at % bytes.length]! ^= 1 << bit;
        return bytes;
      },
  ),
  fc.tuple(place, fc.nat(255)).map(
    ([at, value]): Mutation =>
      (bytes) => {
        if (bytes.length > 0) bytes[at % bytes.length] = value;
        return bytes;
      },
  ),
  place.map(
    (at): Mutation =>
      (bytes) =>
        bytes.subarray(0, at % (bytes.length + 1)),
  ),
  fc.tuple(place, fc.uint8Array({ minLength: 1, maxLength: 40 })).map(
    ([at, chunk]): Mutation =>
      (bytes) => {
        const where = at % (bytes.length + 1);
        return Buffer.concat([bytes.subarray(0, where), chunk, bytes.subarray(where)]);
      },
  ),
  fc.tuple(place, fc.integer({ min: 1, max: 200 })).map(
    ([at, length]): Mutation =>
      (bytes) => {
        const where = at % (bytes.length + 1);
        return Buffer.concat([bytes.subarray(0, where), bytes.subarray(where + length)]);
      },
  ),
  // A chunk twice, or elsewhere.
  fc.tuple(place, place, fc.integer({ min: 1, max: 200 })).map(
    ([from, to, length]): Mutation =>
      (bytes) => {
        const chunk = bytes.subarray(from % (bytes.length + 1), (from % (bytes.length + 1)) + length);
        const where = to % (bytes.length + 1);
        return Buffer.concat([bytes.subarray(0, where), chunk, bytes.subarray(where)]);
      },
  ),
  // Lengths and counts: 4 or 8 bytes, either order.
  fc
    .tuple(
      fc.constantFrom(0, 1, 4, 8, 12, 16),
      fc.constantFrom(...numbers),
      fc.constantFrom('4B', '4L', '8L'),
    )
    .map(
      ([at, value, kind]): Mutation =>
        (bytes) => {
          if (bytes.length < at + 8) return bytes;
          if (kind === '4B') bytes.writeUInt32BE(Number(value & 0xffffffffn), at);
          if (kind === '4L') bytes.writeUInt32LE(Number(value & 0xffffffffn), at);
          if (kind === '8L') bytes.writeBigUInt64LE(value, at);
          return bytes;
        },
    ),
);

/** One to four mutations, one after another. */
export const mutations: fc.Arbitrary<(original: Buffer) => Buffer> = fc
  .array(mutation, { minLength: 1, maxLength: 4 })
  .map(
    (all) => (original) => all.reduce((bytes, mutate) => Buffer.from(mutate(bytes)), Buffer.from(original)),
  );

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** Every place in a JSON value: its holder and its key there. */
function places(value: Json, found: [Json[] | { [key: string]: Json }, string | number][] = []) {
  if (typeof value !== 'object' || value === null) return found;
  for (const key of Array.isArray(value) ? value.keys() : Object.keys(value)) {
    const holder = value as { [key: string | number]: Json };
    found.push([value, key]);
    places(holder[key]!, found);
  }
  return found;
}

const jsonValue: fc.Arbitrary<Json> = fc.oneof(
  fc.constantFrom<Json>(
    0,
    -1,
    1,
    2,
    3,
    0.5,
    1e9,
    2 ** 31,
    2 ** 53,
    1e308,
    -0,
    '',
    'conv',
    'tanh',
    'F32',
    null,
    true,
    [],
    {},
  ),
  fc.integer({ min: -10, max: 5000 }),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.string({ maxLength: 12 }),
  fc.jsonValue({ maxDepth: 2 }) as fc.Arbitrary<Json>,
);

/** One to three values of a JSON document replaced, taken out, doubled or exchanged. */
export const jsonMutations: fc.Arbitrary<(original: unknown) => unknown> = fc
  .array(fc.tuple(fc.nat(), fc.constantFrom('set', 'delete', 'double', 'exchange'), jsonValue, fc.nat()), {
    minLength: 1,
    maxLength: 3,
  })
  .map((changes) => (original) => {
    const root = { root: structuredClone(original) as Json };
    for (const [at, kind, value, other] of changes) {
      const all = places(root);
      const [holder, key] = all[at % all.length] as [{ [key: string | number]: Json }, string | number];
      const [fromHolder, fromKey] = all[other % all.length] as (typeof all)[number] &
        [{ [key: string]: Json }, string];
      if (kind === 'set') holder[key] = value;
      if (kind === 'exchange')
        holder[key] = structuredClone((fromHolder as { [key: string]: Json })[fromKey]!);
      if (key === 'root') continue;
      if (kind === 'delete') {
        if (Array.isArray(holder)) holder.splice(Number(key), 1);
        else delete holder[key];
      }
      if (kind === 'double') {
        if (Array.isArray(holder)) holder.push(structuredClone(holder[Number(key)]!));
        else holder[`${key}2`] = structuredClone(holder[key]!);
      }
    }
    return root.root;
  });
