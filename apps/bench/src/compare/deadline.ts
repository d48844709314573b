import { JobFailure } from '../errors.ts';
import type { JobOptions } from './jobs.ts';

/**
 * Ends a job that is aborted or takes too long.
 *
 * @param end told the reason
 * @returns what is to be called when the job is over
 */
export function setDeadline({ signal, timeoutMs }: JobOptions, end: (reason: Error) => void): () => void {
  const onAbort = () => end(signal.reason as Error);
  signal.addEventListener('abort', onAbort, { once: true });
  const timer = timeoutMs !== undefined && setTimeout(() => end(new JobFailure(stoppedAfter(timeoutMs))), timeoutMs);
  return () => {
    signal.removeEventListener('abort', onAbort);
    if (timer) clearTimeout(timer);
  };
}

function stoppedAfter(timeoutMs: number): string {
  return `stopped after ${Math.round(timeoutMs / 1000)} s: the run has taken far longer than its time budget; give more with --budget`;
}
