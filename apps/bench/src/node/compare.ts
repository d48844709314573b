import type { BackendName } from '@saccade/backends';
import { shapeName } from '../report/format.ts';
import type { Result } from '../report/schema.ts';
import type { Setting } from './attempt.ts';
import { compareAccuracy, type AccuracyPlan } from './compare-accuracy.ts';
import { compareLatency, type LatencyCase } from './compare-latency.ts';

/** What to measure, and how long. */
export interface Plan {
  readonly backend: BackendName;
  readonly latency: readonly LatencyCase[];
  readonly accuracy: AccuracyPlan | null;
  readonly budgetMs: number;
}

/** Of the time for both, the part that latency may take. */
const LATENCY_PART = 0.4;
/** A run may take twice its budget, and this much longer at least. */
const LEAST_GRACE_MS = 60_000;

/**
 * Makes the measurements of a plan one after the other, each in a process of its own.
 *
 * @param results takes each result as soon as it is there; when the run is ended early, it holds what was measured until then
 * @throws the signal's reason where it aborts
 */
export async function compare(
  plan: Plan,
  { program, signal, onProgress }: Pick<Setting, 'program' | 'signal' | 'onProgress'>,
  results: Map<string, Result>,
): Promise<void> {
  const { backend, latency, accuracy, budgetMs } = plan;
  const start = performance.now();
  const setting: Setting = {
    program,
    signal,
    onProgress,
    wishedEnd: start + budgetMs,
    latestEnd: start + budgetMs + Math.max(budgetMs, LEAST_GRACE_MS),
  };
  for await (const result of compareLatency(backend, latency, budgetMs * (accuracy ? LATENCY_PART : 1), setting)) {
    results.set(`latency ${result.block} ${shapeName(result.shape)}`, result);
  }
  if (!accuracy) return;
  for await (const result of compareAccuracy(backend, accuracy, setting)) results.set(`accuracy ${result.block}`, result);
}
