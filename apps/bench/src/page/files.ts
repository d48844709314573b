import { checkRun, type Run } from '../report/schema.ts';

/** A run of all blocks with all of its samples is about 1 MB. */
const MOST_BYTES = 64 * 2 ** 20;

/**
 * Reads a run from a file of the user's.
 *
 * @throws where it is none, saying what is wrong with it
 */
export async function readFile(file: File): Promise<Run> {
  if (file.size > MOST_BYTES) {
    throw new Error(`${file.name} has ${Math.round(file.size / 1e6)} MB, and no result of this benchmark is so large. Give a file that it saved.`);
  }
  return checkRun(parse(await file.text(), file.name), file.name);
}

/** Hands a run to the user as a file, in the format of the command line's `--json`. */
export function saveFile(run: Run): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([`${JSON.stringify(run, null, 2)}\n`], { type: 'application/json' }));
  link.download = `saccade-${run.environment.startedAt.slice(0, 19).replaceAll(':', '-')}-${run.environment.backend}.json`;
  link.click();
  // Not at once: some browsers read it only after the click.
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

function parse(text: string, name: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`${name} is no JSON: ${(error as Error).message}. Give a file that this benchmark saved.`, { cause: error });
  }
}
