import { join } from 'node:path';
import { defineConfig, type Plugin } from 'vite';
import { discover } from './src/node/discover.ts';
import { packagesSource } from './src/pack/sources.ts';

const PACKAGES = 'virtual:saccade-packages';
const page = join(import.meta.dirname, 'src/page');

// TensorFlow.js starts the threads of its wasm backend with the source text of a function, which must not depend on what minifiers do around it.
const output = { minify: { compress: false, mangle: false, codegen: true } };

/** The benchmark's page, and the one that headless browsers open. */
export default defineConfig({
  root: page,
  base: './',
  publicDir: false,
  plugins: [packages()],
  build: {
    outDir: join(import.meta.dirname, 'dist'),
    emptyOutDir: true,
    target: 'es2024',
    rolldownOptions: { input: [join(page, 'index.html'), join(page, 'headless.html')], output },
  },
  worker: { format: 'es', plugins: () => [packages()], rolldownOptions: { output } },
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
