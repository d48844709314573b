import { shapeName } from '../../report/format.ts';
import type { AccuracyResult, LatencyResult, Run } from '../../report/schema.ts';
import { accuraciesOf, latenciesOf } from './selection.ts';

/** A run in a plot. */
export interface Series {
  readonly name: 'A' | 'B';
  readonly run: Run;
  readonly color: string;
}

/** A block by what it costs and what it gives. */
export interface Tradeoff {
  readonly series: Series;
  readonly block: string;
  readonly ms: number;
  /** In %, with its interval. */
  readonly accuracy: number;
  readonly low: number;
  readonly high: number;
  /** Whether no other block of its run is both faster and more accurate. */
  readonly onFront: boolean;
}

/** A block's time on a map. */
export interface SizedTime {
  readonly series: Series;
  readonly block: string;
  readonly shape: string;
  /** Height × width. */
  readonly positions: number;
  readonly channels: number;
  readonly ms: number;
}

export type Measured = LatencyResult & { readonly medianMs: number };

/** Latencies of a run at a shape. */
export function measuredAt(run: Run, shape: string): Measured[] {
  return latenciesOf(run).filter(
    (result): result is Measured => result.medianMs !== undefined && result.medianMs > 0 && shapeName(result.shape) === shape,
  );
}

/** What blocks cost at a shape against their accuracy on a task, for those of which both are known; the fastest first. */
export function tradeoffs(series: Series, shape: string, task: string): Tradeoff[] {
  const accuracies = new Map(trained(series.run, task).map((result) => [result.block, result]));
  const points = measuredAt(series.run, shape)
    .flatMap(({ block, medianMs }) => {
      const found = accuracies.get(block);
      return found ? [{ series, block, ms: medianMs, ...percentages(found), onFront: false }] : [];
    })
    .toSorted((a, b) => a.ms - b.ms || b.accuracy - a.accuracy);
  let best = -Infinity;
  for (const point of points) {
    point.onFront = point.accuracy > best;
    best = Math.max(best, point.accuracy);
  }
  return points;
}

/** The accuracy in % of the network without a block; null where it was not trained. */
export function accuracyWithout(run: Run, task: string): number | null {
  const plain = trained(run, task).find((result) => result.package === null);
  return plain ? 100 * plain.accuracyMean : null;
}

/** All latencies of a run by the size of their maps. */
export function sizedTimes(series: Series): SizedTime[] {
  return latenciesOf(series.run)
    .filter((result): result is Measured => result.medianMs !== undefined && result.medianMs > 0 && !result.shape.includes(0))
    .map(({ block, shape, medianMs }) => ({
      series,
      block,
      shape: shapeName(shape),
      positions: shape.slice(1, -1).reduce((product, size) => product * size, 1),
      channels: shape.at(-1)!,
      ms: medianMs,
    }));
}

/**
 * The exponent of the power of the map's size that a block's time grows with: the slope of the least-squares line through the logarithms.
 * Null for fewer than two sizes.
 */
export function growth(times: readonly SizedTime[]): number | null {
  const xs = times.map(({ positions }) => Math.log(positions));
  const ys = times.map(({ ms }) => Math.log(ms));
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [x, y] = [mean(xs), mean(ys)];
  const spread = xs.reduce((sum, value) => sum + (value - x) ** 2, 0);
  return spread > 0 ? xs.reduce((sum, value, i) => sum + (value - x) * (ys[i] - y), 0) / spread : null;
}

function trained(run: Run, task: string): (AccuracyResult & { readonly accuracyMean: number })[] {
  return accuraciesOf(run).filter(
    (result): result is AccuracyResult & { readonly accuracyMean: number } => result.task === task && result.accuracyMean !== undefined,
  );
}

function percentages({ accuracyMean, accuracyCi95 }: AccuracyResult & { readonly accuracyMean: number }) {
  const half = accuracyCi95 ?? 0;
  return { accuracy: 100 * accuracyMean, low: 100 * Math.max(0, accuracyMean - half), high: 100 * Math.min(1, accuracyMean + half) };
}
