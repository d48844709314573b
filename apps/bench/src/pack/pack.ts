import { spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, cpSync, existsSync, mkdirSync, readdirSync, realpathSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { build, type BuildFailure } from 'esbuild';
import { BenchError, UsageError } from '../errors.ts';
import type { DiscoveredPackage } from '../node/discover.ts';
import { BUNDLE, DATA, entrySource, LAUNCHER, NETWORKS, PAGE, WASM } from './sources.ts';

/** A folder that could not be made. */
export class PackError extends BenchError {
  override name = 'PackError';
}

const { resolve: locate } = createRequire(import.meta.url);

/** What is packed. */
export interface Packing {
  readonly packages: readonly DiscoveredPackage[];
  readonly subsetDir: string;
  readonly pageDir: string;
  readonly networksDir: string;
  readonly versions: () => Record<string, string>;
  readonly commit: () => string | null;
}

const LIBRARY_FOLDERS = ['/lib/x86_64-linux-gnu', '/usr/lib/x86_64-linux-gnu', '/lib64', '/usr/lib64', '/usr/lib'];
/** The Vulkan loader, which comes with some drivers only. */
const VULKAN = ['libvulkan.so.1'];
/** What Node needs besides the C library. Used where the other machine has none, since its driver may need its own, newer one. */
const RUNTIME = ['libstdc++.so.6', 'libgcc_s.so.1', 'libatomic.so.1'];

/**
 * Makes a folder that runs the benchmark on another x86-64 Linux machine, without Node and without a network.
 *
 * @param out a folder that does not exist or is empty
 * @throws UsageError where it holds something, {@link PackError} where a block cannot be bundled
 */
export async function pack(out: string, packing: Packing): Promise<void> {
  const target = resolve(out);
  if (existsSync(target) && readdirSync(target).length > 0) throw new UsageError(`--out ${out} is not empty. Name a new folder.`);
  await bundle(target, packing);
  for (const folder of ['lib', 'lib-fallback', WASM]) mkdirSync(join(target, folder), { recursive: true });
  packNode(target);
  packBackends(target);
  copyLibraries(VULKAN, join(target, 'lib'));
  copyLibraries(RUNTIME, join(target, 'lib-fallback'));
  for (const [from, to] of [
    [packing.subsetDir, DATA],
    [packing.pageDir, PAGE],
    [packing.networksDir, NETWORKS],
  ]) {
    cpSync(from, join(target, to), { recursive: true });
  }
  const launcher = join(target, 'saccade-bench');
  writeFileSync(launcher, LAUNCHER);
  chmodSync(launcher, 0o755);
  const bytes = readdirSync(target, { recursive: true, encoding: 'utf8' }).reduce((sum, file) => sum + statSync(join(target, file)).size, 0);
  process.stdout.write(
    `Packed ${Math.round(bytes / 2 ** 20)} MiB into ${target}. To compress: tar -C ${dirname(target)} -c ${target.split('/').at(-1)} | xz -9 -T0 > saccade-bench.tar.xz\n`,
  );
}

async function bundle(target: string, { packages, versions, commit }: Packing): Promise<void> {
  await build({
    stdin: { contents: entrySource(packages, versions(), commit()), resolveDir: import.meta.dirname, loader: 'ts' },
    outfile: join(target, BUNDLE),
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node24',
    // Dawn is loaded from beside its own JavaScript; packing, and driving Chrome, are not possible from a packed benchmark.
    external: ['webgpu', 'playwright-core'],
    // The CommonJS modules inside expect these. Class names are kept: messages name blocks by them.
    banner: {
      js: "import { createRequire as packedRequire } from 'node:module';\nglobalThis.require = packedRequire(import.meta.url);\nglobalThis.__dirname = import.meta.dirname;\nglobalThis.__filename = import.meta.filename;",
    },
    legalComments: 'linked',
    logLevel: 'silent',
  }).catch((error: BuildFailure) => {
    throw new PackError(
      `The blocks cannot be bundled: ${error.errors.map(({ text }) => text).join('; ')}. Build the packages with "npm run build", and see that their bench files are there.`,
    );
  });
}

function packNode(target: string): void {
  const node = join(target, 'node');
  // The official binary of the npm package, not the one of a distribution, which may need a library beside it.
  copyFileSync(join(dirname(locate('node/package.json')), 'bin/node'), node);
  chmodSync(node, 0o755);
  // Symbols are for debuggers alone. Without strip the folder is larger, and works as well.
  spawnSync('strip', ['--strip-all', node]);
}

function packBackends(target: string): void {
  const webgpu = dirname(locate('webgpu'));
  const packed = join(target, 'node_modules/webgpu');
  for (const path of ['package.json', 'index.js', 'LICENSE.md', 'dist/linux-x64'])
    cpSync(join(webgpu, path), join(packed, path), { recursive: true });
  const wasm = dirname(locate('@tensorflow/tfjs-backend-wasm'));
  for (const file of readdirSync(wasm).filter((name) => name.endsWith('.wasm'))) copyFileSync(join(wasm, file), join(target, WASM, file));
}

function copyLibraries(names: readonly string[], folder: string): void {
  for (const name of names) {
    const found = LIBRARY_FOLDERS.map((place) => join(place, name)).find((path) => existsSync(path));
    if (found) copyFileSync(realpathSync(found), join(folder, name));
  }
}
