import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { whileMarked } from '../../../src/engine/backend/crashMarks.js';
import { userDataFolder } from '../../../src/engine/setup/runtimeFolder.js';
import type { BackendName } from '../../../src/protocol/engine.js';

/** What a process that is at this now leaves word of, as the file's content. */
export function markNow(stage: 'load' | 'trial' | 'start', name: BackendName): Promise<string> {
  const file = path.join(userDataFolder(), `runtime-${stage}-${name}-${process.pid}.json`);
  return whileMarked(stage, name, () => readFile(file, 'utf8'));
}
