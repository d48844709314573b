import { cpSync } from 'node:fs';
import * as path from 'node:path';
import * as esbuild from 'esbuild';
import { findChromium, softwareGpuFlags } from '@saccade/backends/chromium';
import { chromium, type Browser, type BrowserContext } from 'playwright-core';
import * as vite from 'vite';
import { Skipped } from '../check.ts';
import type { Project } from '../project.ts';
import { isBlock, type Tarball } from '../tarballs.ts';

const PAGES = ['page-train', 'page-reload'];
/** Answered from the bundle's folder; no server is there. */
const SITE = 'http://install-proof.test/';

type Outputs = Record<string, number[]>;

/** Bundles the app's two pages into a folder. */
export const BUNDLERS = {
  Vite: async (folder: string, destination: string): Promise<void> => {
    const input = PAGES.map((page) => path.join(folder, `${page}.html`));
    await vite.build({
      root: folder,
      logLevel: 'error',
      build: { outDir: destination, emptyOutDir: true, chunkSizeWarningLimit: Infinity, rolldownOptions: { input } },
    });
  },
  esbuild: async (folder: string, destination: string): Promise<void> => {
    const entryPoints = PAGES.map((page) => path.join(folder, `${page}.js`));
    await esbuild.build({ entryPoints, outdir: destination, bundle: true, minify: true, format: 'esm', logLevel: 'silent' });
    for (const page of PAGES) cpSync(path.join(folder, `${page}.html`), path.join(destination, `${page}.html`));
  },
};

/** A Chromium to open pages in, or null where none is installed. */
export async function startBrowser(): Promise<Browser | null> {
  const executablePath = findChromium();
  return executablePath === null ? null : chromium.launch({ executablePath, args: softwareGpuFlags() });
}

/** Writes the modules by which the pages import the packages: with their exports, and bare. */
export function writePageImports(tarballs: readonly Tarball[], project: Project): void {
  const names = tarballs.filter(isBlock).map(({ manifest }) => manifest.name);
  const imports = names.map((name, i) => `import * as package${i} from '${name}';`);
  project.write(
    'packages.js',
    `${imports.join('\n')}\nexport const packages = { ${names.map((name, i) => `'${name}': package${i}`).join(', ')} };\n`,
  );
  project.write('bare.js', names.map((name) => `import '${name}';\n`).join(''));
}

/**
 * Bundles a page that trains a step with each block and saves the models, and a page that imports the blocks for their registration alone
 * and loads these models.
 *
 * All blocks at once: a page reports each by name, and a bundler spends nearly all its time on TensorFlow.js.
 */
export async function provesPages(bundler: keyof typeof BUNDLERS, project: Project, browser: Browser | null): Promise<string> {
  if (browser === null) {
    if (process.env['CI'] === 'true') throw new Error('no Chromium is installed. Install one, or say where it is with CHROME_PATH.');
    throw new Skipped('no Chromium is installed');
  }
  const destination = path.join(project.folder, `bundled-by-${bundler}`);
  await BUNDLERS[bundler](project.folder, destination);
  const context = await browser.newContext();
  try {
    await context.route(`${SITE}**`, (route) => route.fulfill({ path: path.join(destination, new URL(route.request().url()).pathname) }));
    const trained = await outputsOf('page-train', context);
    const reloaded = await outputsOf('page-reload', context);
    const wrong = Object.keys(trained).filter((name) => String(reloaded[name]) !== String(trained[name]));
    if (wrong.length > 0) throw new Error(`the reloaded models of ${wrong.join(', ')} predict something else than the saved ones`);
    return `${Object.keys(trained).length} blocks, Chromium ${browser.version()}`;
  } finally {
    await context.close();
  }
}

async function outputsOf(name: string, context: BrowserContext): Promise<Outputs> {
  const page = await context.newPage();
  const errors: string[] = [];
  page.on('pageerror', (error) => errors.push(error.message));
  await page.goto(`${SITE}${name}.html`);
  const outputs = await page.evaluate(() => (globalThis as { proof?: Promise<Outputs> }).proof);
  if (outputs === undefined) throw new Error(`${name} did not start: ${errors.join('; ')}`);
  return outputs;
}
