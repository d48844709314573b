import { perform } from './crew.ts';
import type { Task, TaskOutcome } from './tasks.ts';

/** What all measurements of a run share. */
export interface Setting {
  /** The file that serves tasks when run with the argument `worker`. */
  readonly program: string;
  /** Ends the run. */
  readonly signal: AbortSignal;
  /** Told what is being measured, and the milliseconds that are likely left of the whole run. */
  readonly onProgress: (label: string, leftMs: number) => void;
  /** By `performance.now()`, when the run should end. It is a wish: the measurements that were asked for come first. */
  readonly wishedEnd: number;
  /** When it must. */
  readonly latestEnd: number;
}

const OVER_TIME = 'not run: the run has taken far longer than its time budget; give more with --budget';

/**
 * Performs a task; its failure is a result too.
 *
 * @throws the signal's reason where the run is ended
 */
export async function attempt<T extends Task>(
  setting: Setting,
  task: T,
  latestEnd: number,
  onProgress: (fraction: number) => void,
): Promise<TaskOutcome[T['task']] | { error: string }> {
  const { program, signal } = setting;
  const timeoutMs = latestEnd - performance.now();
  if (timeoutMs <= 0) return { error: OVER_TIME };
  try {
    return await perform(program, task, { signal, onProgress, ...(timeoutMs < Infinity && { timeoutMs }) });
  } catch (error) {
    signal.throwIfAborted();
    return { error: (error as Error).message };
  }
}
