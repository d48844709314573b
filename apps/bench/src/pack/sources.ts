import { join } from 'node:path';
import type { DiscoveredPackage } from '../node/discover.ts';

/** Names in the packed folder. */
export const BUNDLE = 'bench.mjs';
export const DATA = 'data';
export const NETWORKS = 'networks';
export const PAGE = 'page';
export const WASM = 'wasm';

/** The shell script that starts the packed benchmark. */
export const LAUNCHER = `#!/bin/sh
# Runs Saccade's benchmark with what lies beside this file.
here=$(dirname -- "$(readlink -f -- "$0")")
export LD_LIBRARY_PATH="\${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$here/lib"
"$here/node" --version >/dev/null 2>&1 || LD_LIBRARY_PATH="$LD_LIBRARY_PATH:$here/lib-fallback"
exec "$here/node" "$here/${BUNDLE}" "$@"
`;

/** Source text of the list of packages that `discover` finds at run time, for bundles. */
export function packagesSource(packages: readonly DiscoveredPackage[]): string {
  const entries = packages.map(({ name, version, file }) => {
    const [shownName, shownVersion, shownFile] = [name, version, file].map((text) => JSON.stringify(text));
    return `{ name: ${shownName}, version: ${shownVersion}, load: async () => entriesOf(${shownName}, await import(${shownFile})) }`;
  });
  return `import { entriesOf } from ${source('../compare/packages.ts')};\nexport const packages = [${entries.join(', ')}];\n`;
}

/** The module that the packed benchmark is bundled from. */
export function entrySource(packages: readonly DiscoveredPackage[], versions: Record<string, string>, commit: string | null): string {
  return `
import { join } from 'node:path';
import { launch } from ${source('../cli/launch.ts')};
${packagesSource(packages)}
const here = import.meta.dirname;
await launch({
  program: import.meta.filename,
  packages,
  subsetDir: join(here, '${DATA}'),
  pageDir: join(here, '${PAGE}'),
  networksDir: join(here, '${NETWORKS}'),
  resultsDir: 'results',
  wasmDir: join(here, '${WASM}'),
  versions: () => (${JSON.stringify(versions)}),
  commit: () => ${JSON.stringify(commit)},
  startPeer: null,
  pack: null,
});
`;
}

function source(path: string): string {
  return JSON.stringify(join(import.meta.dirname, path));
}
