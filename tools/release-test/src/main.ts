import * as path from 'node:path';
import { parseArgs } from 'node:util';
import { findProblems } from './guard.ts';
import { versionPackages } from './version.ts';

const USAGE = 'node tools/release-test/src/main.ts check [--since REF] | version';
const root = path.resolve(import.meta.dirname, '../../..');

try {
  const { values, positionals } = parseArgs({ allowPositionals: true, options: { since: { type: 'string' } } });
  const command = positionals.join(' ');
  if (command === 'check') await check(values.since);
  else if (command === 'version') await versionPackages(root);
  else throw new Error(`Received "${command}", but the command is check or version.\nUsage: ${USAGE}`);
} catch (error) {
  console.error((error as Error).message);
  process.exitCode = 1;
}

async function check(since?: string): Promise<void> {
  const problems = await findProblems(root, since);
  if (problems.length > 0) throw new Error(problems.join('\n\n'));
  console.log(`Changesets are in order${since ? ` since ${since}` : ''}.`);
}
