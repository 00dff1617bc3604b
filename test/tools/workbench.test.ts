import { describe, expect, it } from 'vitest';
import { workbenchUrl } from '../../src/tools/workbench/server.mjs';

describe('the address of the workbench', () => {
  it('names the folder and brings the token along', () => {
    const url = new URL(workbenchUrl({ port: 4000, token: 'secret' }, { folder: '/home/me/my nets' }));
    expect(url.origin).toBe('http://localhost:4000');
    expect(Object.fromEntries(url.searchParams)).toEqual({ tkn: 'secret', folder: '/home/me/my nets' });
  });

  it('names the extensions under development and the tests to run', () => {
    const url = new URL(
      workbenchUrl(
        { port: 4000, token: undefined },
        { folder: '/w', developmentPaths: ['/a b'], testsPath: '/tests.js' },
      ),
    );
    expect(JSON.parse(url.searchParams.get('payload') ?? '')).toEqual([
      ['extensionDevelopmentPath', 'vscode-remote://localhost:4000/a%20b'],
      ['extensionTestsPath', 'vscode-remote://localhost:4000/tests.js'],
      ['skipWelcome', 'true'],
    ]);
  });
});
