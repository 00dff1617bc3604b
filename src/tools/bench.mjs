#!/usr/bin/env node
// `npm run bench`: bundles the bench as the product is bundled, and runs it; `-- --help` tells its options.
import { fromRoot } from './paths.mjs';
import { runNode, runProgram } from './system.mjs';

await runProgram(async () => {
  const built = await runNode('src/tools/build.mjs', [], { output: 'stderr' });
  if (built.code !== 0) throw new Error('The bench could not be built.');
  const { code } = await runNode('dist/bench.js', process.argv.slice(2), { cwd: fromRoot() });
  process.exitCode = code;
});
