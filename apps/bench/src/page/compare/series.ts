import { powerLaw, type PowerLaw } from '../../engine/statistics.ts';
import { positionsOf, shapeName } from '../../report/format.ts';
import type { AccuracyResult, LatencyResult, Run } from '../../report/schema.ts';
import { accuraciesOf, latenciesOf, scalingsOf } from './selection.ts';

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

/** All latencies of a run by the size of their maps, those that its scaling was found from included. */
export function sizedTimes(series: Series): SizedTime[] {
  const alone = scalingsOf(series.run).flatMap(({ block, points }) => points.map((point) => ({ block, ...point })));
  return [...latenciesOf(series.run), ...alone]
    .filter(({ medianMs, shape }) => medianMs !== undefined && medianMs > 0 && !shape.includes(0))
    .map(({ block, shape, medianMs }) => ({
      series,
      block,
      shape: shapeName(shape),
      positions: positionsOf(shape),
      channels: shape.at(-1)!,
      ms: medianMs!,
    }));
}

/** The power of the map's size that a block's time grows with; null for fewer than two sizes. */
export function growth(times: readonly SizedTime[]): PowerLaw | null {
  return powerLaw(times.map(({ positions, ms }) => ({ x: positions, y: ms })));
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
