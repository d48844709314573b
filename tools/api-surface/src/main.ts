/** Writes the snapshot of each package's public API, where it changed. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { relative } from 'node:path';
import { apisOf, publishedPackages } from './index.ts';

for (const { file, text } of apisOf(publishedPackages())) {
  if (existsSync(file) && readFileSync(file, 'utf8') === text) continue;
  writeFileSync(file, text);
  console.log(`${relative('.', file)} written`);
}
