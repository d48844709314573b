import type { BackendName } from '@saccade/backends/names';
import type { Latency } from '../engine/latency.ts';
import type { PeerLatency } from '../engine/peer.ts';
import { shapeName } from '../report/format.ts';
import type { LatencyResult } from '../report/schema.ts';
import type { PeerName } from '../peers/names.ts';
import { attempt, type Setting } from './attempt.ts';
import type { Subject } from './jobs.ts';

/** A subject at a shape. */
export interface LatencyCase {
  readonly subject: Subject;
  readonly shape: readonly number[];
  /** Whether the baseline is left out. Default: no. */
  readonly alone?: boolean;
  /** Libraries that the block is compared with. Default: none. */
  readonly peers?: readonly PeerName[] | undefined;
}

/** Starting a process and a backend, first runs and checks: what a case takes besides its samples. */
const OVERHEAD_MS = 1500;
const MIN_SAMPLING_MS = 200;

/**
 * Measures the cases, each for an equal share of the time that is left.
 *
 * @param timeMs how long all of them should take
 */
export async function* compareLatency(
  backend: BackendName,
  cases: readonly LatencyCase[],
  timeMs: number,
  setting: Setting,
): AsyncGenerator<LatencyResult> {
  const { clock } = setting;
  const start = clock();
  const reserved = setting.wishedEnd - start - timeMs;
  for (const [done, { subject, shape, alone, peers }] of cases.entries()) {
    const elapsed = clock() - start;
    const share = Math.max(0, timeMs - elapsed) / (cases.length - done);
    // Quick blocks do not use their share up.
    const expected = done === 0 ? share : Math.min(share, elapsed / done);
    const report = (fraction: number) =>
      setting.onProgress(`latency ${subject.block} ${shapeName(shape)}`, expected * (cases.length - done - fraction) + reserved);
    report(0);
    const extras = { ...(alone && { alone }), ...(peers && { peers }) };
    const job = { job: 'latency' as const, backend, subject, shape, ...extras, timeMs: Math.max(MIN_SAMPLING_MS, share - OVERHEAD_MS) };
    const outcome = await attempt(setting, job, setting.latestEnd, report);
    const row = { kind: 'latency' as const, block: subject.block, package: subject.package, backend, shape: [...shape] };
    yield 'error' in outcome ? { ...row, ...outcome } : { ...row, ...fieldsOf(outcome) };
  }
}

function fieldsOf({ baseline, peers, ...own }: Latency): Partial<LatencyResult> {
  if ('refused' in baseline) return { ...own, baselineRefused: baseline.refused };
  const { medianMs, p95Ms, kernels, dispatches, bytesMoved, samples, ratio, ratioCi95, difference } = baseline;
  return {
    ...own,
    baselineMedianMs: medianMs,
    baselineP95Ms: p95Ms,
    baselineKernels: kernels,
    ...(dispatches !== undefined && { baselineDispatches: dispatches }),
    baselineBytesMoved: bytesMoved,
    baselineSamples: samples,
    ratio,
    ratioCi95: ratioCi95 && [...ratioCi95],
    difference,
    ...(peers && { peers: Object.fromEntries(Object.entries(peers).map(([name, peer]) => [name, peerFieldsOf(peer)])) }),
  };
}

function peerFieldsOf(peer: PeerLatency): NonNullable<LatencyResult['peers']>[string] {
  return 'error' in peer ? peer : { ...peer, ratioCi95: peer.ratioCi95 && [...peer.ratioCi95] };
}
