import { existsSync, readdirSync, readFileSync } from 'node:fs';
import * as path from 'node:path';

/** A package of the repository. */
export interface Package {
  /** Its folder's name, as in `packages/cbam`. */
  readonly name: string;
  readonly folder: string;
  readonly readme: string;
  /** Whether it holds attention blocks: those that stand on core do. */
  readonly isBlock: boolean;
  /** Its entries, as they are imported, and the sources of each. */
  readonly entries: readonly { readonly specifier: string; readonly source: string }[];
}

interface Manifest {
  readonly name: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly exports: Readonly<Record<string, { readonly default: string }>>;
}

/** The repository's folder. */
export const root = path.resolve(import.meta.dirname, '../..');

/** All packages, in the order of their names. */
export function findPackages(): Package[] {
  const folders = readdirSync(path.join(root, 'packages')).map((name) => path.join(root, 'packages', name));
  return folders.filter((folder) => existsSync(path.join(folder, 'package.json'))).map(packageIn);
}

function packageIn(folder: string): Package {
  const manifest = JSON.parse(readFileSync(path.join(folder, 'package.json'), 'utf8')) as Manifest;
  const entries = Object.entries(manifest.exports).map(([entry, target]) => ({
    specifier: manifest.name + entry.slice(1),
    source: path.join(folder, target.default.replace('./dist/', 'src/').replace(/\.js$/, '.ts')),
  }));
  const readme = readFileSync(path.join(folder, 'README.md'), 'utf8');
  return { name: path.basename(folder), folder, readme, isBlock: '@saccade/core' in (manifest.dependencies ?? {}), entries };
}
