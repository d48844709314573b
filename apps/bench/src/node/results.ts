import { mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { BenchError } from '../errors.ts';
import { checkRun, type Run } from '../report/schema.ts';

/** A file that could not be written or read: says which, why, and the fix. */
export class ResultsError extends BenchError {
  override name = 'ResultsError';
}

/**
 * Writes a run as JSON. A file is there whole or not at all; what is no regular file, such as a pipe, is written to directly.
 *
 * @throws {@link ResultsError} where it cannot be written, e.g. on a full disk
 */
export function writeRun(path: string, run: Run): void {
  const text = `${JSON.stringify(checkRun(run, 'The run'), null, 1)}\n`;
  try {
    mkdirSync(dirname(path), { recursive: true });
    const existing = statSync(path, { throwIfNoEntry: false });
    if (existing && !existing.isFile()) writeFileSync(path, text);
    else writeWhole(path, text);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const reason = code === 'ENOSPC' ? 'the disk is full' : message;
    throw new ResultsError(`The results could not be written to ${path}: ${reason}. Free some space, or name another file with --json FILE.`);
  }
}

/**
 * Reads a run back.
 *
 * @throws {@link ResultsError} where the file cannot be read or holds something else
 */
export function readRun(path: string): Run {
  try {
    return checkRun(JSON.parse(readFileSync(path, 'utf8')), path);
  } catch (error) {
    if (error instanceof SyntaxError)
      throw new ResultsError(`${path} is no JSON (${error.message}). Give a file that "saccade-bench --json FILE" wrote.`);
    const { code, message } = error as NodeJS.ErrnoException;
    throw new ResultsError(code ? `${path} cannot be read: ${message}. Give a file that "saccade-bench --json FILE" wrote.` : message);
  }
}

function writeWhole(path: string, text: string): void {
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    writeFileSync(temporary, text);
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}
