import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { discover } from './discover.ts';
import { commitOf } from './environment.ts';
import type { Installation } from './installation.ts';

const BENCH = join(import.meta.dirname, '../..');
const ENGINES = [
  '@tensorflow/tfjs-core',
  '@tensorflow/tfjs-layers',
  '@tensorflow/tfjs-backend-wasm',
  '@tensorflow/tfjs-backend-webgl',
  '@tensorflow/tfjs-backend-webgpu',
  'webgpu',
];

/**
 * The benchmark in its repository.
 *
 * @param program the file that is run
 * @param root the repository's folder, whose packages take part
 */
export function workspace(program: string, root = join(BENCH, '../..')): Installation {
  const packages = discover(root);
  const subsetDir = join(BENCH, 'data/fashion-mnist-subset');
  const [pageDir, networksDir] = [join(BENCH, 'dist'), join(BENCH, 'networks')];
  const versions = () => ({
    node: process.versions.node,
    ...Object.fromEntries([...ENGINES.map((name) => [name, versionOf(name)]), ...packages.map(({ name, version }) => [name, version])]),
  });
  const commit = () => commitOf(root);
  return {
    program,
    packages,
    subsetDir,
    pageDir,
    networksDir,
    resultsDir: join(root, 'results'),
    wasmDir: null,
    versions,
    commit,
    // Loaded when they are needed: these bring other libraries, and a bundler.
    startPeer: async (...peer) => (await import('../peers/start.ts')).startPeer(...peer),
    pack: async (out) => (await import('../pack/pack.ts')).pack(out, { packages, subsetDir, pageDir, networksDir, versions, commit }),
  };
}

function versionOf(name: string): string {
  const { resolve } = createRequire(import.meta.url);
  return (JSON.parse(readFileSync(resolve(`${name}/package.json`), 'utf8')) as { version: string }).version;
}
