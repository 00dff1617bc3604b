#!/usr/bin/env node
// `npm run bench:gpu`: packs the WebGPU bench with all it needs into out/bench-gpu, to be copied to a Linux machine with a
// GPU and run there by ./run.sh, without network, Node or npm. `-- --folder <path>` packs it elsewhere,
// `--built` what was built before, `--quick` less tightly.
import { createReadStream, createWriteStream, existsSync } from 'node:fs';
import { chmod, copyFile, cp, mkdir, readdir, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { parseArgs } from 'node:util';
import { createGzip } from 'node:zlib';
import { fromRoot } from './paths.mjs';
import { findProgram, run, runNode, runProgram, StepError } from './system.mjs';

const megabyte = 1024 * 1024;
const limit = 60 * megabyte;

const { values: options } = parseArgs({
  options: {
    folder: { type: 'string', default: fromRoot('out/bench-gpu') },
    built: { type: 'boolean', default: false },
    quick: { type: 'boolean', default: false },
  },
});

/** What a machine may lack, and where it is here; used there only where the machine has none of its own. */
const libraries = ['libvulkan.so.1', 'libstdc++.so.6', 'libgcc_s.so.1'];
const libraryFolders = ['/usr/lib/x86_64-linux-gnu', '/usr/lib64', '/usr/lib', '/usr/lib/chromium'];

const script = `#!/bin/sh
# Checks and times DCNet's WebGPU kernels on this machine's GPU; options are passed on, --help tells them.
set -eu
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM
cp -R "$here/files/." "$work"
gzip -d "$work/node.gz" "$work/node_modules/webgpu/dist/linux-x64/dawn.node.gz"
chmod +x "$work/node"
there() { for file; do [ ! -e "$file" ] || return 0; done; return 1; }
has() { (ldconfig -p || /sbin/ldconfig -p) 2>/dev/null | grep -q "$1"; }
mkdir "$work/lib"
for library in ${libraries.join(' ')}; do
  if [ -e "$work/libraries/$library" ] && ! has "$library"; then
    cp "$work/libraries/$library" "$work/lib/"
    echo "This machine has no $library: the packed one is used."
  fi
done
LD_LIBRARY_PATH="\${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$work/lib"
export LD_LIBRARY_PATH
# In a container NVIDIA's driver may be there without the file by which Vulkan finds it.
if [ -z "\${VK_DRIVER_FILES:-}" ] && has libGLX_nvidia.so.0 && ! there /etc/vulkan/icd.d/nvidia* /usr/share/vulkan/icd.d/nvidia*; then
  echo '{"file_format_version":"1.0.0","ICD":{"library_path":"libGLX_nvidia.so.0","api_version":"1.3.0"}}' >"$work/nvidia.json"
  VK_DRIVER_FILES="$work/nvidia.json"
  VK_ICD_FILENAMES="$work/nvidia.json"
  export VK_DRIVER_FILES VK_ICD_FILENAMES
  echo "NVIDIA's driver has no Vulkan manifest here: one is made for this run."
fi
"$work/node" "$work/benchGpu.js" "$@"
`;

/**
 * @param {string} from
 * @param {string} to
 */
async function zipped(from, to) {
  const strip = await findProgram('strip');
  const bare = `${to}.bare`;
  await copyFile(from, bare);
  // Debugger's symbols are a tenth of it.
  if (strip !== undefined) await run(strip, ['--strip-unneeded', bare]);
  await pipeline(
    createReadStream(bare),
    createGzip({ level: options.quick ? 1 : 9 }),
    createWriteStream(`${to}.gz`),
  );
  await rm(bare);
}

/**
 * @param {string} folder
 * @returns {Promise<number>} bytes
 */
async function sizeOf(folder) {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  const sizes = await Promise.all(
    files.map(async (file) => (await stat(path.join(file.parentPath, file.name))).size),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}

await runProgram(async () => {
  if (process.platform !== 'linux' || process.arch !== 'x64')
    throw new StepError(
      'The GPU bench is packed on Linux x64 only',
      'Run it there: it packs this machine’s Node.',
    );
  const dawn = fromRoot('node_modules/webgpu/dist/linux-x64/dawn.node');
  if (!existsSync(dawn)) throw new StepError('The optional package webgpu is not installed', 'Run: npm ci');
  const built = options.built ? { code: 0 } : await runNode('src/tools/build.mjs', []);
  if (built.code !== 0) throw new StepError('The bench could not be built', 'The messages above say why.');
  const folder = path.resolve(options.folder);
  const files = path.join(folder, 'files');
  await rm(folder, { recursive: true, force: true });
  const dawnFolder = path.join(files, 'node_modules/webgpu/dist/linux-x64');
  for (const made of [dawnFolder, path.join(files, 'libraries')]) await mkdir(made, { recursive: true });
  await copyFile(fromRoot('dist/benchGpu.js'), path.join(files, 'benchGpu.js'));
  await copyFile(fromRoot('src/bench/pytorch.py'), path.join(files, 'pytorch.py'));
  await cp(fromRoot('dist/wasm'), path.join(files, 'wasm'), { recursive: true });
  await copyFile(
    fromRoot('node_modules/webgpu/package.json'),
    path.join(files, 'node_modules/webgpu/package.json'),
  );
  await zipped(process.execPath, path.join(files, 'node'));
  await zipped(dawn, path.join(dawnFolder, 'dawn.node'));
  for (const library of libraries) {
    const found = libraryFolders.map((from) => path.join(from, library)).find((file) => existsSync(file));
    if (found === undefined)
      console.log(`${library} is not packed, for it is not here: the other machine must have it.`);
    else await copyFile(found, path.join(files, 'libraries', library));
  }
  await writeFile(path.join(folder, 'run.sh'), script);
  await chmod(path.join(folder, 'run.sh'), 0o755);
  const size = await sizeOf(folder);
  if (size > limit)
    throw new StepError(
      `${folder} has ${(size / megabyte).toFixed(0)} MB, more than 60`,
      'Is this machine’s Node one with debugging symbols, and strip missing?',
    );
  console.log(
    `${folder}: ${(size / megabyte).toFixed(1)} MB. Copy it to the machine with the GPU and run ./run.sh there.`,
  );
});
