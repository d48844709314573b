import { existsSync, globSync, readFileSync } from 'node:fs';
import * as path from 'node:path';
import { describe, expect, test } from 'vitest';
import { adviceFor } from '../../../docs/src/advice.ts';
import { layersOf } from '../../../docs/src/layers.ts';
import { findPackages, root } from '../../../docs/src/packages.ts';
import { runSamples, samplesIn } from '../src/readme.ts';

const docs = path.join(root, 'docs');
// What is written by hand; the packages' pages are their READMEs, which the packages' own tests run.
const pages = ['*.md', 'guide/*.md'].flatMap((pattern) => globSync(pattern, { cwd: docs }));
const scriptsOf = (folder: string): object =>
  (JSON.parse(readFileSync(path.join(root, folder, 'package.json'), 'utf8')) as { readonly scripts: object }).scripts;
const read = (page: string): string => readFileSync(path.join(docs, page), 'utf8');

describe.each(pages)('docs/%s', (page) => {
  const text = read(page);

  test.runIf(samplesIn(text) !== '')('its samples run', async () => {
    await runSamples(path.join(docs, page), docs);
  });

  test('has no code but what is executed, and commands', () => {
    const languages = [...text.matchAll(/^```(.*)\n[^]*?^```$/gm)].map(([, language]) => language);
    expect(languages.filter((language) => language !== 'ts' && language !== 'sh')).toEqual([]);
  });

  test('names scripts that there are', () => {
    const named = [...text.matchAll(/npm run ([\w:-]+)(?: -w @saccade\/([\w-]+))?/g)].map(([, script, of]) => ({
      script,
      folder: of ? `packages/${of}` : '.',
    }));
    expect(named.filter(({ script, folder }) => !(script in scriptsOf(folder)))).toEqual([]);
  });
});

test('pages have samples', () => {
  expect(pages.filter((page) => samplesIn(read(page)) !== '').length).toBeGreaterThan(0);
});

test.each(['README.md', 'CONTRIBUTING.md', 'docs/architecture.md'])('links of %s lead to files', (file) => {
  const links = [...readFileSync(path.join(root, file), 'utf8').matchAll(/\]\((?!https?:|#)([^)#]+)/g)].map(([, link]) => link);
  expect(links.filter((link) => !existsSync(path.join(root, path.dirname(file), link)))).toEqual([]);
});

test('there is advice for every block', async () => {
  const layers = (
    await Promise.all(
      findPackages()
        .filter(({ isBlock }) => isBlock)
        .map(layersOf),
    )
  ).flat();
  const blocks = layers.filter(({ options }) => options !== undefined);
  expect(blocks.length).toBeGreaterThan(0);
  // To mend it: a line in docs/src/advice.ts.
  expect(blocks.filter(({ name }) => !adviceFor(name)).map(({ name }) => name)).toEqual([]);
});
