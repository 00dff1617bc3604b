import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { buffer } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import { type Header, pack } from 'tar-stream';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Download, whereItLies } from '../../../src/core/data/downloads.js';
import { DcnetError } from '../../../src/core/errors.js';
import { downloadData } from '../../../src/engine/download/downloadData.js';
import { temporaryFolder } from '../data/tinyData.js';

let server: Server;
let address: string;
let folder: string;
let answer: (request: IncomingMessage, response: ServerResponse) => void;
let requests: IncomingMessage[];

beforeEach(async () => {
  folder = path.join(await temporaryFolder(), 'set');
  requests = [];
  server = createServer((request, response) => {
    requests.push(request);
    answer(request, response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterEach(async () => {
  server.closeAllConnections();
  server.close();
  await once(server, 'close');
});

const content = Buffer.from(Uint8Array.from({ length: 300_000 }, (_, i) => (i * 7919) >> 3));
const md5 = (bytes: Uint8Array): string => createHash('md5').update(bytes).digest('hex');

function plain(bytes: Uint8Array = content): Download {
  return {
    title: 'Tiny',
    detail: '',
    kind: 'idx',
    files: [
      {
        name: 'a.gz',
        url: `${address}/a.gz`,
        hash: { algorithm: 'md5', hex: md5(bytes) },
        mostBytes: 400_000,
      },
    ],
    classNames: ['x', 'y'],
  };
}

const never = new AbortController().signal;
const get = (what: Download, rest: { signal?: AbortSignal; stallMs?: number; from?: string } = {}) =>
  downloadData(what, { folder, signal: never, report: () => {}, ...rest });

async function failure(work: Promise<unknown>): Promise<DcnetError['details']> {
  const thrown = await work.then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(thrown).toBeInstanceOf(DcnetError);
  expect(existsSync(folder)).toBe(false); // nothing half-written
  return (thrown as DcnetError).details;
}

/** Serves ranges, as most servers do. */
function whole(request: IncomingMessage, response: ServerResponse): void {
  const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
  if (from === 0) return void response.end(content);
  response.writeHead(206, { 'content-range': `bytes ${from}-${content.length - 1}/${content.length}` });
  response.end(content.subarray(from));
}

/** Says that all will come, and cuts the connection after some of it. */
function cut(response: ServerResponse, from = 0, to = 100_000): void {
  response.writeHead(from === 0 ? 200 : 206, {
    'content-length': content.length - from,
    ...(from === 0 ? {} : { 'content-range': `bytes ${from}-${content.length - 1}/${content.length}` }),
  });
  response.write(content.subarray(from, to), () => setTimeout(() => response.destroy(), 50));
}

describe('a download', () => {
  it('lies in its folder, with the names of its classes, and nothing beside it', async () => {
    answer = whole;
    const progress: number[] = [];
    await downloadData(plain(), {
      folder,
      signal: never,
      report: ({ done, total }) => progress.push(done / total),
    });
    expect((await readFile(path.join(folder, 'a.gz'))).equals(content)).toBe(true);
    expect(await readFile(path.join(folder, 'labels.txt'), 'utf8')).toBe('x\ny\n');
    expect(await readdir(path.dirname(folder))).toEqual(['set']);
    expect(progress.at(-1)).toBe(1);
    expect(await get(plain())).toEqual({ fetched: false, checked: 'hash' });
    expect(requests).toHaveLength(1);
  });

  it('comes from another address when asked', async () => {
    answer = whole;
    const what = plain();
    const elsewhere = {
      ...what,
      files: what.files.map((file) => ({ ...file, url: 'http://127.0.0.1:9/a.gz' })),
    };
    await get(elsewhere, { from: `${address}/mirror` });
    expect(requests[0]!.url).toBe('/mirror/a.gz');
  });

  it('that is cut goes on where it was', async () => {
    answer = (request, response) => (requests.length === 1 ? cut(response) : whole(request, response));
    await get(plain());
    expect(requests[1]!.headers.range).toMatch(/^bytes=[1-9]\d*-$/);
    expect((await readFile(path.join(folder, 'a.gz'))).equals(content)).toBe(true);
  });

  it('begins anew where the server knows no ranges', async () => {
    answer = (_, response) => (requests.length === 1 ? cut(response) : void response.end(content));
    await get(plain());
    expect((await readFile(path.join(folder, 'a.gz'))).equals(content)).toBe(true);
  });

  it('that is cut for good says so, and the next one goes on', async () => {
    answer = (_, response) => (requests.length === 1 ? cut(response) : void response.destroy());
    const details = await failure(get(plain()));
    expect(details).toMatchObject({ code: 'io', remedy: /goes on/ });
    answer = whole;
    requests = [];
    await get(plain());
    expect(requests[0]!.headers.range).toMatch(/^bytes=[1-9]/);
    expect((await readFile(path.join(folder, 'a.gz'))).equals(content)).toBe(true);
  });

  it('does not wait for ever for a server that hangs', async () => {
    answer = (_, response) => void response.writeHead(200, { 'content-length': 10 }).write('x');
    expect(await failure(get(plain(), { stallMs: 30 }))).toMatchObject({
      code: 'io',
      message: /sent nothing/,
    });
  });

  it('of a slow server arrives, though it takes longer than a server may be silent', async () => {
    answer = (_, response) => {
      const send = (from: number): void => {
        if (from >= content.length) return void response.end();
        response.write(content.subarray(from, from + 25_000));
        setTimeout(() => send(from + 25_000), 120);
      };
      send(0);
    };
    await get(plain(), { stallMs: 1000 });
    expect(requests).toHaveLength(1);
    expect((await readFile(path.join(folder, 'a.gz'))).equals(content)).toBe(true);
  });

  it('of another hash is thrown away', async () => {
    answer = whole;
    const other = plain(Buffer.from('other'));
    expect(await failure(get(other))).toMatchObject({ code: 'data', message: /MD5 is/ });
    expect(await readdir(`${folder}.download`)).not.toContain('a.gz');
  });

  it('that is too long is cut', async () => {
    answer = (_, response) => {
      const more = (): void => {
        if (!response.destroyed) response.write(content, () => setImmediate(more));
      };
      more();
    };
    expect(await failure(get(plain()))).toMatchObject({ code: 'data', message: /more than 400,000/ });
  });

  it('that is refused says by what', async () => {
    answer = (_, response) => void response.writeHead(404).end();
    expect(await failure(get(plain()))).toMatchObject({ code: 'io', message: /404/ });
    expect(requests).toHaveLength(1);
  });

  it('can be cancelled, and goes on later', async () => {
    const abort = new AbortController();
    answer = (_, response) => {
      response.writeHead(200, { 'content-length': content.length });
      response.write(content.subarray(0, 100_000), () => setTimeout(() => abort.abort(), 50));
    };
    expect(await failure(get(plain(), { signal: abort.signal }))).toMatchObject({ code: 'cancelled' });
    answer = whole;
    requests = [];
    await get(plain());
    expect(requests[0]!.headers.range).toBeDefined();
  });

  it('does not touch a folder that holds something else', async () => {
    answer = whole;
    await mkdir(folder);
    await writeFile(path.join(folder, 'mine.txt'), 'mine');
    await expect(get(plain())).rejects.toMatchObject({ details: { code: 'usage', file: folder } });
    expect(requests).toHaveLength(0);
  });
});

type Member = readonly [Partial<Header> & { name: string }, Buffer?];

async function archive(members: readonly Member[]): Promise<Buffer> {
  const tar = pack();
  for (const [header, bytes] of members) tar.entry(header, bytes ?? Buffer.alloc(0));
  tar.finalize();
  return gzipSync(await buffer(tar));
}

describe('an archive', () => {
  const packed = (bytes: Buffer): Download => {
    answer = (_, response) => void response.end(bytes);
    const [file] = plain(bytes).files;
    return {
      title: 'Tiny',
      detail: '',
      kind: 'cifar10',
      files: [{ ...file!, name: 'a.tar.gz' }],
      members: { 'in/a.bin': { bytes: 100 }, 'in/names.txt': { mostBytes: 50 } },
    };
  };
  const good: readonly Member[] = [
    [{ name: 'in/', type: 'directory' }],
    [{ name: 'in/a.bin' }, Buffer.from('a'.repeat(100))],
    [{ name: 'in/readme.html' }, Buffer.from('read me')],
    [{ name: 'in/names.txt' }, Buffer.from('x\ny\n')],
  ];

  it('gives what is expected of it and nothing else', async () => {
    await get(packed(await archive(good)));
    expect((await readdir(folder)).sort()).toEqual(['SHA256SUMS', 'a.bin', 'names.txt']);
    expect(await readFile(path.join(folder, 'a.bin'), 'utf8')).toBe('a'.repeat(100));
    expect(await get(packed(await archive(good)))).toEqual({ fetched: false, checked: 'hash' });
    await writeFile(path.join(folder, 'names.txt'), 'x\nz\n');
    await expect(get(packed(await archive(good)))).rejects.toMatchObject({ details: { code: 'data' } });
    expect(await readdir(path.dirname(folder))).toEqual(['set']);
  });

  it.each<[string, Member, RegExp]>([
    ['a path that leads out', [{ name: '../../evil.txt' }, Buffer.from('x')], /leads elsewhere/],
    ['an absolute path', [{ name: '/tmp/dcnet-evil.txt' }, Buffer.from('x')], /leads elsewhere/],
    ['a symbolic link', [{ name: 'in/a.bin', type: 'symlink', linkname: '/etc/passwd' }], /is a symlink/],
    ['a hard link', [{ name: 'in/link', type: 'link', linkname: 'in/a.bin' }], /is a link/],
    ['a device', [{ name: 'in/null', type: 'character-device' }], /character-device/],
    ['a member too long', [{ name: 'in/a.bin' }, Buffer.alloc(101)], /101 bytes, more than 100/],
    ['a member too short', [{ name: 'in/a.bin' }, Buffer.alloc(99)], /99 bytes, not 100/],
    ['names too long', [{ name: 'in/names.txt' }, Buffer.alloc(51)], /51 bytes, more than 50/],
    ['a bomb', [{ name: 'in/zeros' }, Buffer.alloc(2 ** 23)], /unpacks to more than/],
  ])('with %s is refused', async (_, member, message) => {
    const bytes = await archive([member, ...good]);
    expect(await failure(get(packed(bytes)))).toMatchObject({ code: 'data', message });
    expect(existsSync('/tmp/dcnet-evil.txt')).toBe(false);
  });

  it('with a member missing, twice or cut off is refused', async () => {
    expect(await failure(get(packed(await archive(good.slice(0, 3)))))).toMatchObject({
      message: /no in\/names.txt/,
    });
    expect(await failure(get(packed(await archive([...good, good[1]!]))))).toMatchObject({
      message: /twice/,
    });
    const bytes = await archive(good);
    expect(await failure(get(packed(bytes.subarray(0, bytes.length - 30))))).toMatchObject({ code: 'data' });
  });
});

describe('a folder that is there already', () => {
  const packed: Download = {
    title: 'Tiny',
    detail: '',
    kind: 'cifar10',
    files: [],
    members: { 'in/a.bin': { bytes: 100 }, 'in/names.txt': { mostBytes: 50 } },
  };
  // sha256sum's own answers for a hundred a, and for x and y on lines of their own.
  const sums = [
    '2816597888e4a0d3a36b82b83316ab32680eb8f00f8cd3b904d681246d285a0e  a.bin',
    '09834d488008f5f1ef589a2d7cedc52425bee9dd23b2212e4c1d673c5cbb54e4  names.txt',
    '',
  ].join('\n');

  const lay = async (files: Readonly<Record<string, string | Buffer>>): Promise<void> => {
    await mkdir(folder);
    for (const [name, content] of Object.entries(files)) await writeFile(path.join(folder, name), content);
  };
  const refusal = async (what: Download): Promise<DcnetError['details']> => {
    const before = await readdir(folder);
    const thrown = await get(what).catch((error: unknown) => error);
    expect(thrown).toBeInstanceOf(DcnetError);
    expect(await readdir(folder)).toEqual(before); // nothing is mended in silence
    expect(requests).toHaveLength(0);
    return (thrown as DcnetError).details;
  };
  const unpacked = { 'a.bin': 'a'.repeat(100), 'names.txt': 'x\ny\n' };

  it('is known by the hashes that were published', async () => {
    await lay({ 'a.gz': content });
    expect(await get(plain())).toEqual({ fetched: false, checked: 'hash' });
    expect(requests).toHaveLength(0);
  });

  it.each([
    ['truncated', content.subarray(0, 299_999)],
    ['altered', Buffer.from(content).fill(1, 5, 6)],
  ])('is refused where a file of it is %s', async (_, bytes) => {
    await lay({ 'a.gz': bytes });
    expect(await refusal(plain())).toMatchObject({
      code: 'data',
      message: `a.gz of Tiny is not as it was published: its MD5 is ${md5(bytes)}, not ${md5(content)}.`,
      file: path.join(folder, 'a.gz'),
      remedy: expect.stringContaining(`Delete ${folder}`),
    });
  });

  it('is known by the hashes that were written down when it was unpacked', async () => {
    await lay({ ...unpacked, SHA256SUMS: sums });
    expect(await get(packed)).toEqual({ fetched: false, checked: 'hash' });
    await writeFile(path.join(folder, 'a.bin'), `b${'a'.repeat(99)}`);
    expect(await refusal(packed)).toMatchObject({
      code: 'data',
      message: /^a\.bin of Tiny .* its SHA256 is .*, not 2816597888/,
    });
  });

  it('is known by published sizes alone where others unpacked it, and this is said', async () => {
    await lay(unpacked);
    const found = await get(packed);
    expect(found).toEqual({ fetched: false, checked: 'size' });
    expect(whereItLies(packed, found, 'here')).toContain('content could not be checked');
    await writeFile(path.join(folder, 'a.bin'), 'a'.repeat(99));
    expect(await refusal(packed)).toMatchObject({ code: 'data', message: /it has 99 bytes, not 100\.$/ });
  });

  it('is refused where a part of it is missing, and called something else where all is', async () => {
    await lay({ 'names.txt': 'x\ny\n' });
    expect(await refusal(packed)).toMatchObject({
      code: 'data',
      message: 'a.bin of Tiny is not as it was published: it is missing.',
    });
    await rm(path.join(folder, 'names.txt'));
    await writeFile(path.join(folder, 'mine.txt'), 'mine');
    expect(await refusal(packed)).toMatchObject({ code: 'usage', file: folder });
  });
});
