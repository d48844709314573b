import { execFile } from 'node:child_process';
import { availableParallelism } from 'node:os';

/** Without what `npm run` tells its scripts: an npm that they start would take it for its own settings. The caller's own npm settings stay. */
const ENVIRONMENT = Object.fromEntries(
  Object.entries(process.env).filter(([key]) => !/^npm_(?:package|lifecycle|command|execpath|node_execpath|config_(?:local_)?prefix)/.test(key)),
);

/** A command that ended with an error. */
export class CommandError extends Error {
  /** All that the command wrote. */
  readonly output: string;

  constructor(command: string, output: string) {
    super(`${command} failed:\n${output.trim()}`);
    this.output = output;
  }
}

/**
 * Runs a program to its end.
 *
 * @returns what it wrote to its standard output
 * @throws {@link CommandError} with all that it wrote, where it fails
 */
export function run(program: string, args: readonly string[], cwd: string): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(program, [...args], { cwd, env: ENVIRONMENT, encoding: 'utf8', maxBuffer: 2 ** 28 }, (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else reject(new CommandError([program, ...args].join(' '), stderr + stdout || error.message));
    });
  });
}

/** Works on all items, as many at a time as the machine has cores. */
export async function inParallel<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const waiting = items.values();
  const worker = async (): Promise<void> => {
    for (const item of waiting) await work(item);
  };
  await Promise.all(Array.from({ length: availableParallelism() }, worker));
}
