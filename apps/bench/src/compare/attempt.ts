import type { Crew, Job, JobOutcome } from './jobs.ts';

/** What all measurements of a run share. */
export interface Setting {
  readonly crew: Crew;
  /** Milliseconds since some moment, without those in which a run is paused. */
  readonly clock: () => number;
  /** Ends the run. */
  readonly signal: AbortSignal;
  /** Told what is being measured, and the milliseconds that are likely left of the whole run. */
  readonly onProgress: (label: string, leftMs: number) => void;
  /** By the clock, when the run should end. It is a wish: the measurements that were asked for come first. */
  readonly wishedEnd: number;
  /** When it must. */
  readonly latestEnd: number;
}

const OVER_TIME = 'not run: the run has taken far longer than its time budget; give more with --budget';

/**
 * Does a job; its failure is a result too.
 *
 * @throws the signal's reason where the run is ended
 */
export async function attempt<J extends Job>(
  { crew, clock, signal }: Setting,
  job: J,
  latestEnd: number,
  onProgress: (fraction: number) => void,
): Promise<JobOutcome[J['job']] | { error: string }> {
  const timeoutMs = latestEnd - clock();
  if (timeoutMs <= 0) return { error: OVER_TIME };
  try {
    return await crew(job, { signal, onProgress, ...(timeoutMs < Infinity && { timeoutMs }) });
  } catch (error) {
    signal.throwIfAborted();
    return { error: (error as Error).message };
  }
}
