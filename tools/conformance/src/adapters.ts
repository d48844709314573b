import { readFileSync, readdirSync, existsSync } from 'node:fs';
import * as path from 'node:path';
import { pathToFileURL } from 'node:url';
import type { FromTorch } from './compare.ts';

/** Official block names → the adapter that builds our layer. */
export type Adapters = ReadonlyMap<string, { readonly package: string; load(): Promise<FromTorch> }>;

interface Manifest {
  readonly name: string;
  readonly exports: Record<string, { readonly default: string }>;
  /** `conformance`: official block name → name of the adapter that `./torch` exports. */
  readonly saccade?: { readonly conformance?: Readonly<Record<string, string>> };
}

/**
 * The adapters that the packages of a repository declare in their package.json, under `saccade.conformance`.
 *
 * @throws where two packages declare the same block
 */
export function findAdapters(repository: string): Adapters {
  const adapters = new Map<string, { package: string; load(): Promise<FromTorch> }>();
  const packages = path.join(repository, 'packages');
  for (const folder of readdirSync(packages)) {
    const file = path.join(packages, folder, 'package.json');
    if (!existsSync(file)) continue;
    const manifest = JSON.parse(readFileSync(file, 'utf8')) as Manifest;
    for (const [block, exported] of Object.entries(manifest.saccade?.conformance ?? {})) {
      const other = adapters.get(block);
      if (other) throw new Error(`Both ${other.package} and ${manifest.name} declare the conformance block "${block}". Remove one.`);
      const load = () => loadAdapter(path.join(packages, folder), manifest, exported);
      adapters.set(block, { package: manifest.name, load });
    }
  }
  return adapters;
}

async function loadAdapter(folder: string, { name, exports }: Manifest, exported: string): Promise<FromTorch> {
  const entry = exports['./torch'];
  if (!entry) throw new Error(`${name} declares a conformance adapter, but its package.json exports no "./torch". Add that export.`);
  const module = (await import(pathToFileURL(path.join(folder, entry.default)).href)) as Record<string, FromTorch>;
  const adapter = module[exported];
  if (!adapter)
    throw new Error(`${name}/torch exports ${Object.keys(module).join(', ') || 'nothing'}, but no "${exported}", which its package.json declares.`);
  return adapter;
}
