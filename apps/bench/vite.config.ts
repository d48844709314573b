import { join } from 'node:path';
import { defineConfig, type Plugin } from 'vite';
import { discover } from './src/node/discover.ts';
import { packagesSource } from './src/pack/sources.ts';

const PACKAGES = 'virtual:saccade-packages';
const page = join(import.meta.dirname, 'src/page');

/** The benchmark's page, and the one that headless browsers open. */
export default defineConfig({
  root: page,
  base: './',
  publicDir: false,
  plugins: [packages()],
  // Entries and layers are told apart by the names of their classes.
  build: {
    outDir: join(import.meta.dirname, 'dist'),
    emptyOutDir: true,
    target: 'es2024',
    rolldownOptions: { input: [join(page, 'index.html'), join(page, 'headless.html')], output: { keepNames: true } },
  },
  worker: { format: 'es', plugins: () => [packages()] },
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
});

/** The list of the packages that take part, as a module. */
function packages(): Plugin {
  return {
    name: 'saccade-packages',
    resolveId: (id) => (id === PACKAGES ? `\0${PACKAGES}.ts` : null),
    load: (id) => (id === `\0${PACKAGES}.ts` ? packagesSource(discover(join(import.meta.dirname, '../..'))) : null),
  };
}
