/**
 * Packs every package, installs the tarballs into empty projects outside of the repository, and proves there what is promised to those who install
 * them: `node tools/install-proof/src/main.ts [PACKAGE…]`. Needs the packages built, and an npm registry or a filled npm cache for TensorFlow.js.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { Skipped, type Check } from './check.ts';
import { checksOf } from './checks/index.ts';
import { startBrowser } from './checks/pages.ts';
import { inParallel } from './processes.ts';
import { serveRegistry } from './registry.ts';
import { pack, packageFolders, type Tarball } from './tarballs.ts';

const REPOSITORY = path.resolve(import.meta.dirname, '../../..');

async function main(names: readonly string[]): Promise<boolean> {
  const folder = mkdtempSync(path.join(tmpdir(), 'saccade-install-proof-'));
  const tarballs = await pack(packageFolders(REPOSITORY), path.join(folder, 'tarballs'));
  const chosen = choose(tarballs, names);
  console.log(`${tarballs.length} packages packed; ${chosen.length} of them installed in ${folder}`);
  const registry = await serveRegistry(tarballs);
  const browser = await startBrowser();
  const failed: string[] = [];
  try {
    await inParallel(checksOf({ tarballs, chosen, registry, browser, folder }), async (check) => {
      if (!(await holds(check))) failed.push(check.title);
    });
  } finally {
    await browser?.close();
    registry.close();
  }
  if (failed.length === 0) rmSync(folder, { recursive: true });
  else console.log(`\n${failed.length} failed; ${folder} is kept:\n${failed.join('\n')}`);
  return failed.length === 0;
}

/** Packages by name, with or without the scope; all where none is named. */
function choose(tarballs: readonly Tarball[], names: readonly string[]): readonly Tarball[] {
  const known = tarballs.map(({ manifest }) => manifest.name);
  const wanted = names.map((name) => (name.startsWith('@') ? name : `@saccade/${name}`));
  const unknown = wanted.filter((name) => !known.includes(name));
  if (unknown.length > 0) throw new Error(`There is no package ${unknown.join(', ')}. The packages are ${known.join(', ')}.`);
  return names.length === 0 ? tarballs : tarballs.filter(({ manifest }) => wanted.includes(manifest.name));
}

async function holds({ title, prove }: Check): Promise<boolean> {
  try {
    const remark = await prove();
    console.log(`ok   ${title}${remark ? ` (${remark})` : ''}`);
    return true;
  } catch (error) {
    if (error instanceof Skipped) {
      console.log(`skip ${title}: ${error.message}`);
      return true;
    }
    const lines = (error as Error).message.split('\n').filter((line) => !/^\s+at /.test(line));
    console.log(`FAIL ${title}: ${lines.join('\n     ')}`);
    return false;
  }
}

main(process.argv.slice(2)).then(
  (passed) => process.exit(passed ? 0 : 1),
  (error: unknown) => {
    console.error((error as Error).message);
    process.exit(2);
  },
);
