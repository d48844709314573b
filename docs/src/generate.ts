import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import * as path from 'node:path';
import { Api } from './api.ts';
import { layersOf } from './layers.ts';
import { packagePage } from './package-page.ts';
import { findPackages } from './packages.ts';
import { adapterTable, decisionTables, identityList, papers, placeTable, tiedList } from './tables.ts';

// Writes all that the site takes from the packages: their pages, the API reference, and the tables that pages include.

const docs = path.resolve(import.meta.dirname, '..');

function write(folder: string, files: Readonly<Record<string, string>>): void {
  rmSync(path.join(docs, folder), { recursive: true, force: true });
  mkdirSync(path.join(docs, folder));
  for (const [name, text] of Object.entries(files)) writeFileSync(path.join(docs, folder, `${name}.md`), `${text.trimEnd()}\n`);
}

const packages = findPackages();
const api = await Api.read(packages, path.join(docs, 'tsconfig.api.json'));
await api.write(path.join(docs, 'api'));

const layers = new Map(await Promise.all(packages.map(async (each) => [each.name, each.isBlock ? await layersOf(each) : []] as const)));
write('packages', Object.fromEntries(packages.map((each) => [each.name, packagePage(each, layers.get(each.name)!, api)])));

const all = [...layers.values()].flat();
write('generated', {
  choice: decisionTables(all),
  places: placeTable(all),
  identities: identityList(all),
  tied: tiedList(all),
  adapters: adapterTable(packages, api),
  papers: papers(all),
});
