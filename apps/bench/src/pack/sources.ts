import { join } from 'node:path';
import type { DiscoveredPackage } from '../node/discover.ts';

/** Names in the packed folder. */
export const BUNDLE = 'bench.mjs';
export const DATA = 'data';
export const WASM = 'wasm';

/** The shell script that starts the packed benchmark. */
export const LAUNCHER = `#!/bin/sh
# Runs Saccade's benchmark with what lies beside this file.
here=$(dirname -- "$(readlink -f -- "$0")")
export LD_LIBRARY_PATH="\${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$here/lib"
"$here/node" --version >/dev/null 2>&1 || LD_LIBRARY_PATH="$LD_LIBRARY_PATH:$here/lib-fallback"
exec "$here/node" "$here/${BUNDLE}" "$@"
`;

/** The module that the packed benchmark is bundled from: what \`workspace\` finds at run time is listed here. */
export function entrySource(packages: readonly DiscoveredPackage[], versions: Record<string, string>, commit: string | null): string {
  const source = (path: string) => JSON.stringify(join(import.meta.dirname, path));
  const entries = packages.map(({ name, version, file }) => {
    const [shownName, shownVersion, shownFile] = [name, version, file].map((text) => JSON.stringify(text));
    return `{ name: ${shownName}, version: ${shownVersion}, load: async () => entriesOf(${shownName}, await import(${shownFile})) }`;
  });
  return `
import { join } from 'node:path';
import { launch } from ${source('../cli/launch.ts')};
import { entriesOf } from ${source('../node/entries.ts')};

const here = import.meta.dirname;
await launch({
  program: import.meta.filename,
  packages: [${entries.join(', ')}],
  subsetDir: join(here, '${DATA}'),
  resultsDir: 'results',
  wasmDir: join(here, '${WASM}'),
  versions: () => (${JSON.stringify(versions)}),
  commit: () => ${JSON.stringify(commit)},
  pack: null,
});
`;
}
