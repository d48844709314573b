import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** A package as it is published. */
export interface PublishedPackage {
  readonly name: string;
  readonly folder: string;
  /** From an entry point (`.`, `./torch`) to the file of its types. */
  readonly entries: Readonly<Record<string, string>>;
}

/** The packages of the repository. */
export function publishedPackages(): PublishedPackage[] {
  const packages = join(import.meta.dirname, '../../../packages');
  const folders = readdirSync(packages).map((name) => join(packages, name));
  return folders.filter((folder) => existsSync(join(folder, 'package.json'))).map(readPackage);
}

function readPackage(folder: string): PublishedPackage {
  const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { name: string; exports: Record<string, { types: string }> };
  const entries = Object.entries(manifest.exports).map(([entry, { types }]) => [entry, join(folder, types)]);
  return { name: manifest.name, folder, entries: Object.fromEntries(entries) as Record<string, string> };
}
