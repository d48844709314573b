import { appendFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import * as path from 'node:path';
import { run } from './processes.ts';
import { pack, type Tarball } from './tarballs.ts';

/** Packs a tarball anew with some fields of its `package.json` changed and code added to its main module: a version still to come. */
export async function packEdited(tarball: Tarball, folder: string, fields: object, code: string): Promise<Tarball> {
  mkdirSync(folder, { recursive: true });
  await run('tar', ['-xzf', tarball.file, '-C', folder], folder);
  const source = path.join(folder, 'package');
  const manifest = path.join(source, 'package.json');
  writeFileSync(manifest, JSON.stringify({ ...(JSON.parse(readFileSync(manifest, 'utf8')) as object), ...fields }));
  appendFileSync(path.join(source, 'dist/index.js'), `\n${code}\n`);
  const [edited] = await pack([source], folder);
  return edited;
}
