import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { readRun, writeRun } from '../node/results.ts';
import type { Environment, Run } from '../report/schema.ts';

export interface RunSummary {
  /** The file's name without `.json`. */
  readonly id: string;
  readonly environment: Environment;
  /** How many results the run has. */
  readonly results: number;
}

/** The runs that lie in a folder as JSON files. */
export class RunFolder {
  readonly #dir: string;
  /** A list of many runs would otherwise read them all again, each time; by name, size and time of the last change. */
  readonly #summaries = new Map<string, RunSummary | null>();

  constructor(dir: string) {
    this.#dir = dir;
  }

  /** The runs there are, the newest first. Files that hold something else are passed over. */
  list(): RunSummary[] {
    return this.#ids()
      .map((id) => this.#summary(id))
      .filter((summary) => summary !== null)
      .toSorted((a, b) => Date.parse(b.environment.startedAt) - Date.parse(a.environment.startedAt));
  }

  /** A run; null where there is none of this id. */
  read(id: string): Run | null {
    // An id is compared with the names there are, and never part of a path before that.
    return this.#ids().includes(id) ? this.#read(id) : null;
  }

  /** Writes a run and returns its id, in which nothing is of the run's own making: the backend is one of a fixed list. */
  add(run: Run): string {
    const time = new Date().toISOString().replaceAll(':', '-').replace(/\..*/, '');
    const id = `${time}-${run.environment.backend}-${randomBytes(6).toString('hex')}`;
    writeRun(this.#path(id), run);
    return id;
  }

  #ids(): string[] {
    if (!existsSync(this.#dir)) return [];
    return readdirSync(this.#dir, { withFileTypes: true })
      .filter((entry) => entry.isFile() && entry.name.endsWith('.json') && !entry.name.startsWith('.'))
      .map(({ name }) => name.slice(0, -'.json'.length));
  }

  #path(id: string): string {
    return join(this.#dir, `${id}.json`);
  }

  #read(id: string): Run | null {
    try {
      return readRun(this.#path(id));
    } catch {
      return null;
    }
  }

  #summary(id: string): RunSummary | null {
    const file = statSync(this.#path(id), { throwIfNoEntry: false });
    const key = `${id} ${file?.size} ${file?.mtimeMs}`;
    const known = this.#summaries.get(key);
    if (known !== undefined) return known;
    const run = this.#read(id);
    const summary = run && { id, environment: run.environment, results: run.results.length };
    this.#summaries.set(key, summary);
    return summary;
  }
}
