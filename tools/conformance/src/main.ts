import { parseArgs } from 'node:util';
import * as path from 'node:path';
import { NODE_BACKENDS, isNodeBackendName, useBackend } from '@saccade/backends';
import { compareWithGolden, findAdapters, goldensIn, readGolden, type Adapters, type Report } from './index.ts';

const USAGE = `npm run conformance -- DIR_OR_FILE… [--backend ${NODE_BACKENDS.join('|')}] [--json]`;

interface Line {
  readonly file: string;
  readonly name: string;
  readonly package: string | null;
  readonly ok: boolean;
  readonly groups: Report['groups'];
  readonly failure?: string;
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { backend: { type: 'string', default: 'cpu' }, json: { type: 'boolean', default: false } },
  });
  if (!isNodeBackendName(values.backend)) throw new Error(`Unknown backend "${values.backend}". The backends are ${NODE_BACKENDS.join(', ')}.`);
  if (positionals.length === 0) throw new Error('No golden given. Name files, or folders that hold some.');
  // npm runs scripts in the repository's root; paths are meant from where the command was typed.
  const files = goldensIn(positionals.map((given) => path.resolve(process.env['INIT_CWD'] ?? '.', given)));
  if (files.length === 0) throw new Error(`No .safetensors file in ${positionals.join(', ')}.`);
  const backend = await useBackend(values.backend);
  if (!values.json) console.log(`${files.length} goldens on ${backend.name} (${backend.device}${backend.software ? ', software' : ''})`);
  const adapters = findAdapters(path.resolve(import.meta.dirname, '../../..'));
  const lines: Line[] = [];
  for (const file of files) {
    const line = await runFile(file, adapters, values.backend);
    lines.push(line);
    if (!values.json) console.log(`${line.ok ? 'ok  ' : 'FAIL'} ${[line.name, ...figures(line)].join('  ')}`);
  }
  const failed = lines.filter(({ ok }) => !ok).length;
  if (values.json) console.log(JSON.stringify({ backend, passed: lines.length - failed, failed, goldens: lines }, null, 2));
  else console.log(`${lines.length - failed} passed, ${failed} failed`);
  return failed === 0 ? 0 : 1;
}

async function runFile(file: string, adapters: Adapters, backend: (typeof NODE_BACKENDS)[number]): Promise<Line> {
  let name = path.basename(file);
  let owner: string | null = null;
  try {
    const golden = readGolden(file);
    name = golden.name;
    const adapter = adapters.get(golden.block);
    if (!adapter) throw new Error(`no package declares the block "${golden.block}"; declared are ${[...adapters.keys()].toSorted().join(', ')}`);
    owner = adapter.package;
    return { file, name, package: owner, ...(await compareWithGolden(golden, await adapter.load(), backend)) };
  } catch (error) {
    return { file, name, package: owner, ok: false, groups: {}, failure: (error as Error).message };
  }
}

function figures({ groups, failure }: Line): string[] {
  return failure === undefined ? Object.entries(groups).map(([group, worst]) => `${group} ${worst.toExponential(0)}`) : [failure];
}

// Dawn keeps the process alive; it must be ended.
main().then(
  (code) => process.exit(code),
  (error: unknown) => {
    console.error(`${(error as Error).message}\nUsage: ${USAGE}`);
    process.exit(2);
  },
);
