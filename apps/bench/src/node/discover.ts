import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { entriesOf, type BenchPackage } from '../compare/packages.ts';

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly saccade?: { readonly bench?: string };
}

/** A workspace package with bench entries, and the file that holds them. */
export interface DiscoveredPackage extends BenchPackage {
  readonly file: string;
}

/**
 * Finds the packages whose package.json names a file of bench entries: `"saccade": {"bench": "./bench/index.ts"}`.
 *
 * @param root the repository's folder; packages lie in `packages/`
 */
export function discover(root: string): DiscoveredPackage[] {
  const folders = readdirSync(join(root, 'packages'), { withFileTypes: true }).map(({ name }) => join(root, 'packages', name));
  return folders.toSorted().flatMap((folder) => {
    const path = join(folder, 'package.json');
    if (!existsSync(path)) return [];
    const { name, version, saccade } = JSON.parse(readFileSync(path, 'utf8')) as Manifest;
    if (!saccade?.bench) return [];
    const file = join(folder, saccade.bench);
    return [{ name, version, file, load: async () => entriesOf(name, await import(pathToFileURL(file).href)) }];
  });
}
