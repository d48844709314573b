import { execFileSync } from 'node:child_process';
import * as os from 'node:os';
import type { Machine } from '../compare/environment.ts';

/** This machine. */
export function machine(): Machine {
  return {
    cpu: os.cpus()[0]?.model.trim() ?? 'unknown CPU',
    cores: os.availableParallelism(),
    memoryBytes: os.totalmem(),
    platform: `${os.platform()} ${os.arch()}`,
    browser: null,
  };
}

/** The commit that a folder is at, with `+` where tracked files were changed since; null outside of a git repository. */
export function commitOf(folder: string): string | null {
  const git = (...args: string[]) => execFileSync('git', args, { cwd: folder, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  try {
    const commit = git('rev-parse', '--short=12', 'HEAD');
    return git('status', '--porcelain', '--untracked-files=no') === '' ? commit : `${commit}+`;
  } catch {
    return null;
  }
}
