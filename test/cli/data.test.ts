import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, stat, truncate } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { downloads } from '../../src/core/data/downloads.js';
import { writeTinyCifar } from '../engine/data/tinyCifar.js';
import { temporaryFolder } from '../engine/data/tinyData.js';
import { start } from './command.js';

it('dcnet data get asks for the published files, refuses others, and fetches nothing twice', async () => {
  const asked: string[] = [];
  const server = createServer(({ url }, response) => {
    asked.push(url!);
    response.end('not what was published');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const from = `http://127.0.0.1:${(server.address() as AddressInfo).port}/mirror`;
  const directory = await temporaryFolder();
  const get = (name: string, ...flags: readonly string[]) =>
    start(['data', 'get', name, '--from', from, '--json', ...flags], { directory }).ended;
  try {
    for (const [name, { files }] of Object.entries(downloads)) {
      asked.length = 0;
      const { exitCode, stdout, stderr } = await get(name);
      expect(asked).toEqual([`/mirror/${files[0]!.name}`]); // the first one is wrong already
      expect(exitCode).toBe(2); // bad input
      expect(JSON.parse(stdout)).toMatchObject({ error: { code: 'data' } });
      expect(stderr).toContain(files[0]!.hash.hex);
      expect(existsSync(path.join(directory, 'data', name))).toBe(false);
    }
    expect((await get('imagenet')).exitCode).toBe(2);

    asked.length = 0;
    await mkdir(path.join(directory, 'mine'));
    await writeTinyCifar(path.join(directory, 'mine'), 'cifar10');
    const small = await get('cifar10', '--to', 'mine');
    expect(small.exitCode).toBe(2);
    expect(small.stderr).toContain('data_batch_1.bin of CIFAR-10 is not as it was published');
    expect(small.stderr).toContain('12,292 bytes, not 30,730,000'); // 4 records of 3,073, not 10,000
    expect(small.stderr).toContain(`Delete ${path.join(directory, 'mine')}`);
    expect((await stat(path.join(directory, 'mine', 'data_batch_1.bin'))).size).toBe(12_292);

    const batches = [...[1, 2, 3, 4, 5].map((n) => `data_batch_${n}`), 'test_batch'];
    for (const name of batches) await truncate(path.join(directory, 'mine', `${name}.bin`), 30_730_000);
    const there = await get('cifar10', '--to', 'mine');
    expect(there.exitCode).toBe(0);
    expect(JSON.parse(there.stdout)).toMatchObject({
      fetched: false,
      checked: 'size',
      data: { cifar10: 'mine' },
    });
    expect(there.stderr).toContain('their content could not be checked');
    expect(asked).toEqual([]);
  } finally {
    server.close();
  }
});

it('dcnet data get tells at every tenth how far it is where there is no terminal', async () => {
  const size = 100_000;
  const server = createServer(async (_, response) => {
    response.writeHead(200, { 'content-length': size });
    // A twentieth at a time: two lines are a second apart at least.
    for (let i = 0; i < 20; i++) {
      response.write(Buffer.alloc(size / 20));
      await delay(300);
    }
    response.end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const from = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const directory = await temporaryFolder();
  try {
    for (const flags of [['--json'], []]) {
      const { stdout, stderr } = await start(['data', 'get', 'cifar10', '--from', from, ...flags], {
        directory,
      }).ended;
      const shares = stderr
        .split('\n')
        .flatMap((line) => /^Fetching CIFAR-10: cifar-10-binary\.tar\.gz (\d+) %$/.exec(line)?.[1] ?? [])
        .map(Number);
      expect(shares.length).toBeGreaterThanOrEqual(3);
      expect(shares.length).toBeLessThanOrEqual(10);
      for (const [i, share] of shares.entries())
        expect(share - (shares[i - 1] ?? 0)).toBeGreaterThanOrEqual(10);
      expect(stdout).not.toContain('Fetching');
    }
  } finally {
    server.close();
  }
});
