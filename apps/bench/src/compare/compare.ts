import type { BackendName } from '@saccade/backends/names';
import { shapeName } from '../report/format.ts';
import type { Result } from '../report/schema.ts';
import type { Setting } from './attempt.ts';
import { compareAccuracy, type AccuracyPlan } from './accuracy.ts';
import { compareLatency, type LatencyCase } from './latency.ts';
import { compareScaling, type ScalingCase } from './scaling.ts';

/** What to measure, and how long. */
export interface Plan {
  readonly backend: BackendName;
  readonly latency: readonly LatencyCase[];
  readonly scaling: readonly ScalingCase[];
  /** One for each task. */
  readonly accuracy: readonly AccuracyPlan[];
  readonly budgetMs: number;
}

/** Of the time for both, the part that latency may take. */
const LATENCY_PART = 0.4;
/** A run may take twice its budget, and this much longer at least. */
const LEAST_GRACE_MS = 60_000;

/**
 * Makes the measurements of a plan one after the other.
 *
 * @param results takes each result as soon as it is there; when the run is ended early, it holds what was measured until then
 * @throws the signal's reason where it aborts
 */
export async function compare(
  { backend, latency, scaling, accuracy, budgetMs }: Plan,
  run: Pick<Setting, 'crew' | 'signal' | 'onProgress' | 'clock'>,
  results: { set(key: string, result: Result): void },
): Promise<void> {
  const start = run.clock();
  const latencyMs = budgetMs * (accuracy.length > 0 ? LATENCY_PART : 1);
  const setting: Setting = { ...run, wishedEnd: start + budgetMs, latestEnd: start + budgetMs + Math.max(budgetMs, LEAST_GRACE_MS) };
  for await (const result of compareLatency(backend, latency, latencyMs, setting)) {
    results.set(`latency ${result.block} ${shapeName(result.shape)}`, result);
  }
  for await (const result of compareScaling(backend, scaling, budgetMs, setting)) results.set(`scaling ${result.block}`, result);
  for (const [done, plan] of accuracy.entries()) {
    const wishedEnd = run.clock() + (setting.wishedEnd - run.clock()) / (accuracy.length - done);
    for await (const result of compareAccuracy(backend, plan, { ...setting, wishedEnd })) results.set(`${plan.task} ${result.block}`, result);
  }
}
