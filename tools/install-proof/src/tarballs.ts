import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import * as path from 'node:path';
import { run } from './processes.ts';

/** What the proof reads of a `package.json`. */
export interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly exports: Readonly<Record<string, unknown>>;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
  readonly saccade?: { readonly bench?: string };
}

/** A packed package. */
export interface Tarball {
  readonly manifest: Manifest;
  readonly file: string;
  readonly integrity: string;
  readonly shasum: string;
}

/** The core that all blocks build on. */
export const CORE = '@saccade/core';

/** What trains on the WASM backend; no layers. */
export const WASM = '@saccade/wasm-train';

/** What must be in an app once: layers of one copy do not fit into models of another. */
export const SINGLE = ['@tensorflow/tfjs-core', '@tensorflow/tfjs-layers'];

/** What the apps compute on. The packages bring no backend, as it is the app's to choose. */
export const BACKEND = '@tensorflow/tfjs-backend-cpu';

/** Whether a package holds blocks: they say where the bench finds them. */
export const isBlock = ({ manifest }: Tarball): boolean => manifest.saccade?.bench !== undefined;

/** What a package lets others import: `@saccade/se`, `@saccade/se/torch`. */
export const entriesOf = ({ name, exports }: Manifest): string[] => Object.keys(exports).map((entry) => name + entry.slice(1));

/** The folders of all packages of the repository. */
export function packageFolders(repository: string): string[] {
  const folders = readdirSync(path.join(repository, 'packages')).map((name) => path.join(repository, 'packages', name));
  return folders.filter((folder) => existsSync(path.join(folder, 'package.json')));
}

/**
 * Packs packages as publishing would.
 *
 * @param folders the packages' folders
 * @param destination where the tarballs go
 */
export async function pack(folders: readonly string[], destination: string): Promise<Tarball[]> {
  mkdirSync(destination, { recursive: true });
  const output = await run('npm', ['pack', ...folders, '--json', '--ignore-scripts', '--pack-destination', destination], destination);
  const packed = JSON.parse(output) as { name: string; filename: string; integrity: string; shasum: string }[];
  return folders.map((folder) => {
    const manifest = JSON.parse(readFileSync(path.join(folder, 'package.json'), 'utf8')) as Manifest;
    const { filename, integrity, shasum } = packed.find(({ name }) => name === manifest.name)!;
    return { manifest, file: path.join(destination, filename), integrity, shasum };
  });
}
