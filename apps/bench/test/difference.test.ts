import { describe, expect, it } from 'vitest';
import { differencesOf } from '../src/report/difference.ts';
import type { Result, Run } from '../src/report/schema.ts';

const environment: Run['environment'] = {
  startedAt: '2026-01-02T03:04:05.678Z',
  durationSeconds: 61,
  command: [],
  backend: 'wasm',
  device: 'CPU',
  software: false,
  threads: 1,
  copyBytesPerSecond: null,
  browser: null,
  cpu: 'A CPU',
  cores: 2,
  memoryBytes: 2 ** 34,
  platform: 'linux x64',
  versions: {},
  commit: null,
  budgetSeconds: 60,
  data: 'Fashion-MNIST',
  interrupted: false,
};

/** Ten samples from `ms` to `ms + 9`: the interval of their median goes from the second to the ninth. */
const timed = (block: string, ms: number, count = 10, slowdown = 2): Result => {
  const samples = Array.from({ length: count }, (_, i) => ms + i);
  return {
    kind: 'latency',
    block,
    package: '@saccade/x',
    backend: 'wasm',
    shape: [1, 8, 8, 4],
    medianMs: ms + (count - 1) / 2,
    samples,
    // Ratios differ a little, so that their median has an interval and not one value.
    baselineSamples: samples.map((sample, i) => sample * (slowdown + i / 10)),
    ratio: slowdown + 0.45,
  };
};
const trained = (accuracies: readonly number[], epochs = 3): Result => ({
  kind: 'accuracy',
  block: 'A',
  package: '@saccade/x',
  backend: 'wasm',
  task: 'clothes',
  epochs,
  accuracyMean: accuracies.reduce((sum, accuracy) => sum + accuracy, 0) / accuracies.length,
  samples: accuracies.map((accuracy, seed) => ({ seed, accuracy, stepMs: 1, losses: [] })),
});
const run = (results: Result[], data = 'Fashion-MNIST'): Run => ({ environment: { ...environment, data }, results });
const verdict = (a: Result, b: Result) => differencesOf(run([a]), run([b])).latency[0].median.verdict;
const gain = (a: Result, b: Result, data?: string) => differencesOf(run([a]), run([b], data)).accuracy[0].accuracy.verdict;

describe('differences between two runs', () => {
  it('are beyond the noise where the intervals of the medians do not touch, and say which way', () => {
    // Intervals 21–28 and 29–36, and then 28–35, which touches.
    expect(verdict(timed('A', 20), timed('A', 28))).toBe('worse');
    expect(verdict(timed('A', 28), timed('A', 20))).toBe('better');
    expect(verdict(timed('A', 20), timed('A', 27))).toBe('noise');
  });

  it('are unknown for fewer samples than give an interval, however large', () => {
    expect(verdict(timed('A', 20, 5), timed('A', 2000))).toBe('unknown');
    expect(verdict(timed('A', 20, 6), timed('A', 2000))).toBe('worse');
    expect(gain(trained([0.5]), trained([0.9, 0.9]))).toBe('unknown');
  });

  it('of the ratio to the plain form stay out of a slower machine', () => {
    const [difference] = differencesOf(run([timed('A', 20)]), run([timed('A', 200)])).latency;
    expect(difference).toMatchObject({ median: { verdict: 'worse' }, timesFaster: { first: 2.45, second: 2.45, verdict: 'noise' } });
    expect(differencesOf(run([timed('A', 20)]), run([timed('A', 20, 10, 4)])).latency[0].timesFaster!.verdict).toBe('better');
  });

  it('of accuracies are held against the spread over seeds', () => {
    // t with 2 degrees of freedom: 0.80 ± 0.025, and 0.86 ± 0.025 or 0.84 ± 0.025.
    expect(gain(trained([0.79, 0.8, 0.81]), trained([0.85, 0.86, 0.87]))).toBe('better');
    expect(gain(trained([0.85, 0.86, 0.87]), trained([0.79, 0.8, 0.81]))).toBe('worse');
    expect(gain(trained([0.79, 0.8, 0.81]), trained([0.83, 0.84, 0.85]))).toBe('noise');
  });

  it('of accuracies after other epochs or on other images say nothing', () => {
    expect(gain(trained([0.79, 0.8, 0.81]), trained([0.85, 0.86, 0.87], 5))).toBe('unknown');
    expect(gain(trained([0.79, 0.8, 0.81]), trained([0.85, 0.86, 0.87]), 'CIFAR-10')).toBe('unknown');
  });

  it('are listed for what both runs measured, in the order of the first', () => {
    const failed: Result = { kind: 'latency', block: 'C', package: null, backend: 'wasm', shape: [1, 8, 8, 4], error: 'wrong output' };
    const { latency } = differencesOf(
      run([timed('B', 20), timed('A', 20), failed]),
      run([timed('A', 30), timed('B', 10), timed('C', 10), timed('D', 1)]),
    );
    expect(latency.map(({ block, median }) => [block, median.first, median.second])).toEqual([
      ['B', 24.5, 14.5],
      ['A', 24.5, 34.5],
    ]);
  });
});
