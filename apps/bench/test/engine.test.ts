import { useBackend } from '@saccade/backends';
import { Block } from '@saccade/core';
import { add, customGrad, mul, ones, reshape, scalar, type Tensor } from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { measureLatency } from '../src/engine/latency.ts';
import { inputOf, matchOf, type Match } from '../src/engine/match.ts';
import { workOf } from '../src/engine/profile.ts';
import { ratioOf, takeSamples, timerOf } from '../src/engine/sampling.ts';
import { perturbWeights, weightReader } from '../src/engine/weights.ts';
import entries from './fixture/packages/scaled/bench/index.ts';
import { Scaled } from './fixture/packages/scaled/scaled.ts';

beforeAll(() => useBackend('cpu'));

const gauge = { start: () => undefined, peakBytes: () => 42 };
const [right, wrong, vast] = entries;

describe('sampling', () => {
  it('takes the samples of block and baseline in turns, and changes which is first', async () => {
    const log: string[] = [];
    const busy = (name: string, ms: number) => () => {
      log.push(name);
      for (const end = performance.now() + ms; performance.now() < end;);
      return scalar(0);
    };
    const [a, b] = await takeSamples([busy('A', 25), busy('B', 50)].map(timerOf), 500, () => undefined);
    const count = a.length;
    expect(count).toBeGreaterThanOrEqual(3);
    expect(log.slice(-2 * count).join('')).toBe('ABBA'.repeat(count).slice(0, 2 * count));
    expect(ratioOf(a, b).ratio).toBeGreaterThan(1.4);
    expect(ratioOf(a, b).ratio).toBeLessThan(2.8);
  });

  it('discards the samples during which it was disturbed, and waits until it is calm', async () => {
    let disturbances = 0;
    let calms = 0;
    let runs = 0;
    const run = () => {
      runs++;
      // The sixth run is of a sample: those before it have warmed up.
      if (runs === 6) disturbances++;
      const ms = runs === 6 ? 1500 : 100;
      for (const end = performance.now() + ms; performance.now() < end;);
      return scalar(0);
    };
    const watch = { disturbances: () => disturbances, calm: async () => void calms++ };
    const [samples] = await takeSamples([timerOf(run)], 1000, () => undefined, watch);
    expect(disturbances).toBe(1);
    expect(calms).toBe(2);
    expect(Math.max(...samples)).toBeLessThan(1500);
  });

  it('repeats what is quick until a sample is long enough for any clock', async () => {
    let runs = 0;
    const quick = () => {
      runs++;
      return scalar(0);
    };
    const [samples] = await takeSamples([timerOf(quick)], 0, () => undefined);
    expect(runs / samples.length).toBeGreaterThan(100);
    expect(Math.max(...samples)).toBeLessThan(5);
  });
});

describe('latency', () => {
  it('measures a right block, and says what it costs', async () => {
    const { samples, baseline, ...figures } = await measureLatency(await matchOf(right, [1, 4, 4, 8]), { timeMs: 1, gauge });
    expect(figures).toMatchObject({ peakBytes: 42, kernels: 2, params: 16, macs: 0 });
    expect(baseline).toMatchObject({ kernels: 2 });
    expect(samples.length).toBeGreaterThanOrEqual(3);
  });

  it('times no wrong block', async () => {
    await expect(measureLatency(await matchOf(wrong, [1, 4, 4, 8]), { timeMs: 1, gauge })).rejects.toThrow(
      /wrong output: it differs from the baseline's by up to \d\.\d+, where/,
    );
    const input = inputOf([1, 2, 2, 3]);
    let runs = 0;
    const counted = (forward: (x: Tensor) => Tensor): Match => ({ input, baseline: (x) => x, subject: (x) => (runs++, forward(x)) });
    await expect(
      measureLatency(
        counted((x) => mul(x, NaN)),
        { timeMs: 1, gauge },
      ),
    ).rejects.toThrow(/wrong output: its value 0 is NaN/);
    await expect(
      measureLatency(
        counted((x) => reshape(x, [4, 3])),
        { timeMs: 1, gauge },
      ),
    ).rejects.toThrow("its shape is [4, 3], the baseline's [1, 2, 2, 3]");
    await expect(
      measureLatency(
        counted((x) => add(x, 2e-3)),
        { timeMs: 1, gauge },
      ),
    ).rejects.toThrow('wrong output');
    expect(runs).toBeLessThan(20);
  });

  it('compares all outputs of a layer that has several', async () => {
    class Twins extends Block<object, Tensor[]> {
      static override readonly className = 'SaccadeFixtureTwins';
      static override readonly options = {};
      override define(): void {}
      override forward(x: Tensor): Tensor[] {
        return [x, mul(x, 3)];
      }
      override maps(): Record<string, Tensor> {
        return {};
      }
      override macs(): number {
        return 0;
      }
    }
    const measure = async (factor: number) => {
      const baseline = () => (x: Tensor) => [mul(x, 1), mul(x, factor)];
      return measureLatency(await matchOf({ block: 'Twins', layer: () => new Twins(), baseline, slot: 'head' }, [1, 2, 2, 3]), { timeMs: 1, gauge });
    };
    expect((await measure(3)).baseline).toMatchObject({ difference: 0 });
    await expect(measure(2)).rejects.toThrow('wrong output');
  });

  it('measures a block alone where its baseline cannot fit', async () => {
    const { baseline, medianMs } = await measureLatency(await matchOf(vast, [1, 4, 4, 8]), { timeMs: 1, gauge });
    expect(baseline).toEqual({ refused: 'not run: it needs 16.0 GiB at once, and the limit is 2 GiB' });
    expect(medianMs).toBeGreaterThan(0);
  });

  it('counts kernels and bytes, without views and the entries of custom gradients', async () => {
    const x = ones([4, 4]);
    const twice = customGrad((x) => ({ value: mul(x as Tensor, 2), gradFunc: () => x as Tensor }));
    expect(await workOf(() => reshape(twice(add(x, x)), [16]))).toEqual({ kernels: 2, bytesMoved: 4 * (3 * 16 + 16 + 1 + 16) });
  });
});

describe('weights', () => {
  it('are moved away from zero, the same each time, and variances stay positive', async () => {
    const [first, second] = [new Scaled(), new Scaled()];
    for (const layer of [first, second]) {
      layer.build([1, 4, 4, 8]);
      await perturbWeights(layer);
    }
    const read = (layer: Scaled, path: string) => [...weightReader(layer)(path).dataSync()];
    expect(Math.min(...read(first, 'gate/gain').map(Math.abs))).toBeGreaterThan(0.2);
    expect(Math.min(...read(first, 'movingVariance'))).toBeGreaterThan(0.4);
    expect(read(first, 'kernel')).toEqual(read(second, 'kernel'));
    expect(new Set(read(first, 'kernel')).size).toBe(8);
    expect(() => read(first, 'gate/gian')).toThrow('"gate/gian", but the layer has gate/gain, kernel, movingVariance');
  });
});
