import { describe, expect, it } from 'vitest';
import { compare } from '../src/compare/compare.ts';
import type { Crew, LatencyJob } from '../src/compare/jobs.ts';
import { planOf, type Field } from '../src/compare/plan.ts';
import { JobFailure } from '../src/errors.ts';
import { positionsOf } from '../src/report/format.ts';
import type { ScalingResult } from '../src/report/schema.ts';
import entries from './fixture/packages/scaled/bench/index.ts';

const shapes = [16, 4, 8].map((side) => [1, side, side, 4]);
const field: Field = { participants: [{ subject: { kind: 'block', package: '@fixture/scaled', block: 'Right' }, entry: entries[0] }], failures: [] };
const planFor = (given: number[][]) => planOf({ command: 'scaling', blocks: ['Right'], shapes: given }, 'cpu', field, '');

/** A crew whose block takes N√N ms, N² multiply-adds and as many bytes whatever the map. */
const crewThat = (fails: (job: LatencyJob) => boolean, jobs: LatencyJob[]) =>
  ((job: LatencyJob) => {
    jobs.push(job);
    if (fails(job)) return Promise.reject(new JobFailure('its process was killed'));
    const n = positionsOf(job.shape);
    const baseline = { refused: 'not run' };
    return Promise.resolve({
      medianMs: n ** 1.5,
      p95Ms: 1,
      firstRunMs: 1,
      samples: [n ** 1.5],
      macs: n ** 2,
      bytesMoved: 64,
      peakBytes: null,
      baseline,
    });
  }) as unknown as Crew;

async function scalingWith(fails: (job: LatencyJob) => boolean): Promise<{ result: ScalingResult; jobs: LatencyJob[] }> {
  const results = new Map<string, unknown>();
  const jobs: LatencyJob[] = [];
  const run = { crew: crewThat(fails, jobs), signal: new AbortController().signal, onProgress: () => undefined, clock: () => 0 };
  await compare(planFor(shapes), run, results);
  expect([...results.keys()]).toEqual(['scaling Right']);
  return { result: results.get('scaling Right') as ScalingResult, jobs };
}

describe('scaling', () => {
  it('finds the powers that time and counts grow with, from the smallest map, which alone is held against the plain form', async () => {
    const { result, jobs } = await scalingWith(() => false);
    expect(jobs.map(({ shape, alone = false }) => [shape[1], alone])).toEqual([
      [4, false],
      [8, true],
      [16, true],
    ]);
    expect(result.points.map(({ medianMs }) => medianMs)).toEqual([64, 512, 4096]);
    expect(result.timeExponent).toBeCloseTo(1.5);
    expect(result.macsExponent).toBeCloseTo(2);
    expect(result).toMatchObject({ bytesMovedExponent: 0, peakBytesExponent: null });
  });

  it('keeps what was measured where a map fails, and says which', async () => {
    const { result } = await scalingWith(({ shape }) => shape[1] === 16);
    expect(result).toMatchObject({ error: 'at 1×16×16×4: its process was killed', timeExponentCi95: null });
    expect(result.points).toHaveLength(2);
  });

  it.each([
    ['of two sizes', shapes.slice(1)],
    ['of one size twice', [...shapes.slice(1), shapes[1]]],
    ['of other channels', [...shapes.slice(1), [1, 32, 32, 8]]],
  ])('refuses maps %s', (_, given) => expect(() => planFor(given)).toThrow('maps that differ in height and width alone'));
});
