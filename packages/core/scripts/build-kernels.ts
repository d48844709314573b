/**
 * Compiles each program src/kernels/wasm/NAME.as into NAME-binary.ts beside it: `npm run build:kernels`, after a change. With `--check`, only says
 * whether that is due. What is no program, but part of one or of several, is in folders beside them.
 */
import { main as compile } from 'assemblyscript/asc';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import * as path from 'node:path';

const folder = path.resolve(import.meta.dirname, '../src/kernels/wasm');

const FLAGS = [
  '-O3',
  '--shrinkLevel',
  '1',
  '--converge',
  '--noAssert',
  '--runtime',
  'stub',
  '--importMemory',
  '--noExportMemory',
  '--enable',
  'simd,relaxed-simd',
];

/** Bytes of all programs together, at most. */
const LIMIT = 27_600;

const names = readdirSync(folder).flatMap((file) => (file.endsWith('.as') ? [path.basename(file, '.as')] : []));
const sizes = new Map<string, number>();
for (const name of names) {
  const binary = await binaryOf(name);
  sizes.set(name, binary.length / 2);
  const target = path.join(folder, `${name}-binary.ts`);
  // In hex, which gzip makes less of than of base64. On a line of its own, as the formatter has it.
  const source = `// Made from ${name}.as by \`npm run build:kernels\`.\nexport const ${constant(name)} =\n  '${binary}';\n`;
  if (!process.argv.includes('--check')) writeFileSync(target, source);
  else if (!existsSync(target) || readFileSync(target, 'utf8') !== source)
    throw new Error(`${name}-binary.ts is not what ${name}.as compiles to. Run \`npm run build:kernels -w @saccade/core\`.`);
}

const total = [...sizes.values()].reduce((sum, bytes) => sum + bytes, 0);
if (total > LIMIT) {
  const list = [...sizes].map(([name, bytes]) => `${name} ${bytes}`).join(', ');
  throw new Error(`The WebAssembly programs have ${total} bytes together, more than ${LIMIT}: ${list}.`);
}

/** @returns the program, hex */
async function binaryOf(name: string): Promise<string> {
  let binary: Uint8Array | undefined;
  let text = '';
  let messages = '';
  const { error } = await compile([`${name}.ts`, '-o', `${name}.wasm`, '-t', `${name}.wat`, ...FLAGS], {
    // The source is no TypeScript, and should not look like it to other tools; the compiler knows no other extension.
    readFile: (file: string) => {
      const source = path.join(folder, file.replace(/\.ts$/, '.as'));
      return file.endsWith('.ts') && existsSync(source) ? readFileSync(source, 'utf8') : null;
    },
    stderr: { write: (text: string | Uint8Array) => (messages += String(text)) },
    writeFile: (file: string, contents: string | Uint8Array) => {
      if (file === `${name}.wasm`) binary = contents as Uint8Array;
      else text = String(contents);
    },
  });
  if (error || !binary) throw new Error(`${name}.as does not compile.\n${messages}`, { cause: error });
  const hex = Buffer.from(binary).toString('hex');
  // For engines without relaxed SIMD plain-simd.ts replaces these bytes.
  const relaxed = hex.match(/../g)!.join(' ').split('fd 85 02').length - 1;
  if (text.split('relaxed_').length - 1 !== relaxed || text.split('f32x4.relaxed_madd').length - 1 !== relaxed)
    throw new Error(`${name}.as: the bytes of f32x4.relaxed_madd stand for something else, too, or there is another relaxed instruction.`);
  return hex;
}

function constant(name: string): string {
  return name.replaceAll('-', '_').toUpperCase();
}
