import type { BenchEntry } from '../entry.ts';

/** A package that takes part, and how to get at its entries. */
export interface BenchPackage {
  readonly name: string;
  readonly version: string;
  /** @throws where the package's bench file cannot be loaded, e.g. because the package was not built */
  readonly load: () => Promise<readonly BenchEntry[]>;
}

/**
 * The entries that a package's bench module exports.
 *
 * @throws where its default export is no list of entries
 */
export function entriesOf(name: string, module: { default?: unknown }): readonly BenchEntry[] {
  const entries = module.default;
  const isEntry = (entry: Partial<BenchEntry> | null) =>
    typeof entry?.block === 'string' && typeof entry.layer === 'function' && typeof entry.baseline === 'function';
  if (!Array.isArray(entries) || entries.length === 0 || !entries.every(isEntry)) {
    throw new Error(
      `${name}: its bench file must default-export a list of entries with at least block, layer, baseline and slot. See BenchEntry in @saccade/bench/entry.`,
    );
  }
  return entries as BenchEntry[];
}
