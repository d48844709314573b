/** Compiles src/kernels/wasm/attend.as into attend-binary.ts beside it: `npm run build:kernels`, after a change. With `--check`, only says whether that is due. */
import { main as compile } from 'assemblyscript/asc';
import { readFileSync, writeFileSync } from 'node:fs';
import * as path from 'node:path';

const folder = path.resolve(import.meta.dirname, '../src/kernels/wasm');
const target = path.join(folder, 'attend-binary.ts');

const FLAGS = ['-O3', '--converge', '--noAssert', '--runtime', 'stub', '--importMemory', '--noExportMemory', '--enable', 'simd,relaxed-simd'];

let binary: Uint8Array | undefined;
const { error } = await compile(['attend.ts', '-o', 'attend.wasm', ...FLAGS], {
  // The source is no TypeScript, and should not look like it to other tools; the compiler knows no other extension.
  readFile: (name: string) => (name === 'attend.ts' ? readFileSync(path.join(folder, 'attend.as'), 'utf8') : null),
  writeFile: (name: string, contents: string | Uint8Array) => {
    if (name === 'attend.wasm') binary = contents as Uint8Array;
  },
});
if (error || !binary) throw error ?? new Error('AssemblyScript wrote no attend.wasm.');

// On a line of its own, as the formatter has it.
const source = `// Made from attend.as by \`npm run build:kernels\`.\nexport const ATTEND =\n  '${Buffer.from(binary).toString('base64')}';\n`;
if (!process.argv.includes('--check')) writeFileSync(target, source);
else if (readFileSync(target, 'utf8') !== source)
  throw new Error('attend-binary.ts is not what attend.as compiles to. Run `npm run build:kernels -w @saccade/core`.');
