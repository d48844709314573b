import { execFileSync } from 'node:child_process';
import * as path from 'node:path';
import { parseArgs } from 'node:util';
import { createBlock } from './create-block.ts';

const USAGE = 'npm run new-block -- NAME --paper URL [--class CLASS]';

try {
  const { values, positionals } = parseArgs({ allowPositionals: true, options: { paper: { type: 'string' }, class: { type: 'string' } } });
  const [name, ...rest] = positionals;
  if (!name || rest.length > 0) throw new Error(`Received ${positionals.length} names, but one is needed: the paper's short name, such as "eca".`);
  if (!values.paper) throw new Error('No paper given. Name it with --paper URL.');
  const repository = path.resolve(import.meta.dirname, '../../..');
  const folder = createBlock(repository, { name, paper: values.paper, ...(values.class ? { className: values.class } : {}) });
  // Links the package, so that its tests can import it by name.
  execFileSync('npm', ['install', '--prefer-offline', '--no-audit', '--no-fund'], { cwd: repository, stdio: 'inherit' });
  console.log(`Wrote ${path.relative(repository, folder)}. CONTRIBUTING.md says what to fill in; "npm test -- packages/${name}" tests it.`);
} catch (error) {
  console.error(`${(error as Error).message}\nUsage: ${USAGE}`);
  process.exitCode = 2;
}
