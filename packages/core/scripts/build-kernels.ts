/** Compiles each src/kernels/wasm/NAME.as into NAME-binary.ts beside it: `npm run build:kernels`, after a change. With `--check`, only says whether that is due. */
import { main as compile } from 'assemblyscript/asc';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import * as path from 'node:path';

const folder = path.resolve(import.meta.dirname, '../src/kernels/wasm');

const FLAGS = ['-O3', '--converge', '--noAssert', '--runtime', 'stub', '--importMemory', '--noExportMemory', '--enable', 'simd,relaxed-simd'];

const names = readdirSync(folder).flatMap((file) => (file.endsWith('.as') ? [path.basename(file, '.as')] : []));
for (const name of names) {
  let binary: Uint8Array | undefined;
  const { error } = await compile([`${name}.ts`, '-o', `${name}.wasm`, ...FLAGS], {
    // The source is no TypeScript, and should not look like it to other tools; the compiler knows no other extension.
    readFile: (file: string) => (file === `${name}.ts` ? readFileSync(path.join(folder, `${name}.as`), 'utf8') : null),
    writeFile: (file: string, contents: string | Uint8Array) => {
      if (file === `${name}.wasm`) binary = contents as Uint8Array;
    },
  });
  if (error || !binary) throw error ?? new Error(`AssemblyScript wrote no ${name}.wasm.`);

  const target = path.join(folder, `${name}-binary.ts`);
  // In hex, which gzip makes less of than of base64. On a line of its own, as the formatter has it.
  const source = `// Made from ${name}.as by \`npm run build:kernels\`.\nexport const ${name.toUpperCase()} =\n  '${Buffer.from(binary).toString('hex')}';\n`;
  if (!process.argv.includes('--check')) writeFileSync(target, source);
  else if (readFileSync(target, 'utf8') !== source)
    throw new Error(`${name}-binary.ts is not what ${name}.as compiles to. Run \`npm run build:kernels -w @saccade/core\`.`);
}
