import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { findProblems } from './guard.ts';

/** Turns the changesets into versions, ranges and CHANGELOGs, and brings package-lock.json along. Throws, and changes nothing, where a person has to decide. */
export async function versionPackages(root: string): Promise<void> {
  const problems = await findProblems(root);
  if (problems.length > 0) throw new Error(problems.join('\n\n'));
  changeset(root, 'version');
  npm(root, 'install', '--package-lock-only', '--ignore-scripts', '--no-audit', '--no-fund');
}

/** Runs the changesets command line in `root`; returns what it printed. Throws with that if it fails. */
export function changeset(root: string, ...args: string[]): string {
  return run(process.execPath, [fileURLToPath(import.meta.resolve('@changesets/cli/bin.js')), ...args], root);
}

/** Runs npm in `folder`; returns what it printed. Throws with that if it fails. */
export function npm(folder: string, ...args: string[]): string {
  // On Windows npm is a .cmd file, which only a shell can run.
  return run('npm', args, folder, process.platform === 'win32');
}

function run(command: string, args: readonly string[], cwd: string, shell = false): string {
  try {
    return execFileSync(command, args, { cwd, shell, encoding: 'utf8', stdio: 'pipe' });
  } catch (error) {
    const { stdout, stderr } = error as { stdout: string; stderr: string };
    throw new Error(`${args.join(' ')} failed in ${cwd}:\n${stdout}${stderr}`, { cause: error });
  }
}
