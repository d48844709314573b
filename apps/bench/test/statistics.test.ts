import { describe, expect, it } from 'vitest';
import { mean, meanCi95, median, medianCi95, powerLaw, quantile } from '../src/engine/statistics.ts';

describe('statistics', () => {
  it('interpolates quantiles, whatever the order of the values', () => {
    expect(median([9, 1, 5])).toBe(5);
    expect(median([4, 1, 3, 2])).toBe(2.5);
    expect(quantile([40, 10, 30, 20], 0.95)).toBeCloseTo(38.5);
    expect(() => quantile([], 0.5)).toThrow('no values');
  });

  it('gives the order statistics that hold the median with 95 %', () => {
    // Tables of the sign test: the 2nd and 9th of 10, the 6th and 15th of 20, the 40th and 61st of 100; none of 5.
    const upTo = (n: number) => Array.from({ length: n }, (_, i) => i + 1).toReversed();
    expect(medianCi95(upTo(10))).toEqual([2, 9]);
    expect(medianCi95(upTo(20))).toEqual([6, 15]);
    expect(medianCi95(upTo(100))).toEqual([40, 61]);
    expect(medianCi95(upTo(5))).toBeNull();
  });

  it('gives the half-width of the interval of the mean by the t distribution', () => {
    expect(mean([1, 2, 3, 4, 5])).toBe(3);
    expect(meanCi95([1, 2, 3, 4, 5])).toBeCloseTo(2.776 * Math.sqrt(2.5 / 5), 6);
    // 60 degrees of freedom: 2.000
    const values = Array.from({ length: 61 }, (_, i) => i % 2);
    const deviation = Math.sqrt((30 * 31) / 61 / 60);
    expect(meanCi95(values)! / (deviation / Math.sqrt(61))).toBeCloseTo(2.0003, 3);
    expect(meanCi95([7])).toBeNull();
  });

  it('fits a power, with the interval of its exponent', () => {
    const points = (xs: readonly number[], ys: readonly number[]) => xs.map((x, i) => ({ x, y: ys[i] }));
    // Logarithms 0, 1, 2 and 0, 2, 3: the slope 1.5, with a standard error of √(1/12).
    const { exponent, ci95 } = powerLaw(points([1, Math.E, Math.E ** 2], [1, Math.E ** 2, Math.E ** 3]))!;
    expect(exponent).toBeCloseTo(1.5);
    expect(ci95![1] - exponent).toBeCloseTo(12.706 / Math.sqrt(12));
    expect(exponent - ci95![0]).toBeCloseTo(12.706 / Math.sqrt(12));
    expect(powerLaw(points([2, 4], [3, 12]))).toEqual({ exponent: expect.closeTo(2), ci95: null });
    for (const none of [points([], []), points([5], [1]), points([5, 5], [1, 2]), points([1, 2, 3], [0, 1, 2])]) expect(powerLaw(none)).toBeNull();
  });
});
