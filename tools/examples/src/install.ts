import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '../../..');

/**
 * Copies an example out of the repository and installs it there: our packages from tarballs, as they would be published, all others from the registry.
 *
 * @param name its folder in `examples`
 * @param folder an empty folder outside of the repository
 * @returns the folder of the installed example
 */
export function installExample(name: string, folder: string): string {
  const [tarballs, installed] = ['tarballs', name].map((part) => join(folder, part));
  const isSource = (path: string) => !/[/\\](node_modules|dist)$/.test(path);
  cpSync(join(root, 'examples', name), installed, { recursive: true, filter: isSource });
  const { dependencies } = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8')) as { dependencies: Record<string, string> };
  // What the example does not name comes with what it does; npm finds it only if given.
  const ours = new Set([...Object.keys(dependencies).filter((dependency) => dependency.startsWith('@saccade/')), '@saccade/core']);
  mkdirSync(tarballs, { recursive: true });
  npm(root, 'pack', '--json', '--pack-destination', tarballs, ...[...ours].flatMap((dependency) => ['--workspace', dependency]));
  const packed = [...ours].map((dependency) => join(tarballs, tarballOf(dependency)));
  npm(installed, 'install', '--prefer-offline', '--no-audit', '--no-fund', '--no-package-lock', ...packed);
  return installed;
}

function tarballOf(name: string): string {
  const { version } = JSON.parse(readFileSync(join(root, 'node_modules', name, 'package.json'), 'utf8')) as { version: string };
  return `${name.slice(1).replace('/', '-')}-${version}.tgz`;
}

function npm(folder: string, ...args: string[]): void {
  run('npm', args, folder);
}

/**
 * Runs a program to its end.
 *
 * @returns what it wrote to its standard output
 * @throws with all its output where it fails
 */
export function run(program: string, args: readonly string[], folder: string): string {
  try {
    return execFileSync(program, args, { cwd: folder, encoding: 'utf8', stdio: 'pipe', shell: process.platform === 'win32' });
  } catch (error) {
    const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string };
    throw new Error(`${program} ${args.join(' ')} failed in ${folder}:\n${stdout}${stderr}`, { cause: error });
  }
}
