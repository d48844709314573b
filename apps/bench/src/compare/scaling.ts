import type { BackendName } from '@saccade/backends/names';
import { powerLaw } from '../engine/statistics.ts';
import { positionsOf, shapeName } from '../report/format.ts';
import type { LatencyResult, ScalingPoint, ScalingResult } from '../report/schema.ts';
import type { Setting } from './attempt.ts';
import type { Subject } from './jobs.ts';
import { compareLatency } from './latency.ts';

/** A block on maps of several sizes, the smallest first, which differ in their positions alone. */
export interface ScalingCase {
  readonly subject: Subject;
  readonly shapes: readonly (readonly number[])[];
}

/**
 * Times each block on growing maps, and finds out which power of the number of positions its cost grows with. On the smallest map its output is
 * held against the plain form's, and the other maps are its own: what holds all pairs of positions at once would run out of time and memory.
 * Each map gives a row on all of its block's maps so far.
 *
 * @param timeMs how long all of them should take
 */
export async function* compareScaling(
  backend: BackendName,
  cases: readonly ScalingCase[],
  timeMs: number,
  setting: Setting,
): AsyncGenerator<ScalingResult> {
  const sizes = cases.flatMap(({ subject, shapes }) => shapes.map((shape, i) => ({ subject, shape, alone: i > 0 })));
  const measured = new Map<string, LatencyResult[]>();
  for await (const row of compareLatency(backend, sizes, timeMs, setting)) {
    const rows = [...(measured.get(row.block) ?? []), row];
    measured.set(row.block, rows);
    yield scalingOf(rows);
  }
}

/** What the latencies of a block on growing maps say of its growth. */
function scalingOf(rows: readonly LatencyResult[]): ScalingResult {
  const { block, package: name, backend } = rows[0];
  const points = rows.filter(({ error }) => error === undefined).map(pointOf);
  const failed = rows.find(({ error }) => error !== undefined);
  const growthOf = (figure: (point: ScalingPoint) => number | null) =>
    powerLaw(points.map((point) => ({ x: positionsOf(point.shape), y: figure(point) ?? 0 })));
  const time = growthOf(({ medianMs }) => medianMs);
  return {
    kind: 'scaling',
    block,
    package: name,
    backend,
    ...(failed && { error: `at ${shapeName(failed.shape)}: ${failed.error}` }),
    points,
    timeExponent: time?.exponent ?? null,
    timeExponentCi95: time?.ci95 ? [...time.ci95] : null,
    macsExponent: growthOf(({ macs }) => macs)?.exponent ?? null,
    bytesMovedExponent: growthOf(({ bytesMoved }) => bytesMoved)?.exponent ?? null,
    peakBytesExponent: growthOf(({ peakBytes }) => peakBytes)?.exponent ?? null,
  };
}

function pointOf({ shape, medianMs, macs, bytesMoved, peakBytes, samples }: LatencyResult): ScalingPoint {
  return { shape, medianMs: medianMs!, macs: macs!, bytesMoved: bytesMoved!, peakBytes: peakBytes!, samples: samples! };
}
