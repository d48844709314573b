/** An interval of values. */
export type Interval = readonly [low: number, high: number];

/**
 * The value below which the fraction `p` of the values lies, interpolated between neighbours (Hyndman and Fan 1996, definition 7).
 *
 * @param p from 0 to 1
 * @throws RangeError for no values
 */
export function quantile(values: readonly number[], p: number): number {
  if (values.length === 0) throw new RangeError('quantile: no values.');
  const sorted = values.toSorted((a, b) => a - b);
  const rank = p * (sorted.length - 1);
  const below = Math.floor(rank);
  const low = sorted[below];
  const high = sorted[Math.min(below + 1, sorted.length - 1)];
  return low + (high - low) * (rank - below);
}

/** The middle value. */
export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** The arithmetic mean. */
export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/**
 * The 95 % confidence interval of the median, from order statistics: no assumption on the distribution (the sign test, inverted).
 *
 * @returns null for fewer than 6 values, which cannot give 95 %
 */
export function medianCi95(values: readonly number[]): Interval | null {
  const n = values.length;
  let tail = 0;
  let rank = 0;
  // The largest number of values that can be cut off at each end with at most 2.5 % chance that the median was among them.
  for (let probability = 0.5 ** n; tail + probability <= 0.025; rank++) {
    tail += probability;
    probability *= (n - rank) / (rank + 1);
  }
  if (rank === 0) return null;
  const sorted = values.toSorted((a, b) => a - b);
  return [sorted[rank - 1], sorted[n - rank]];
}

/**
 * The half-width of the 95 % confidence interval of the mean, by Student's t distribution.
 *
 * @returns null for fewer than 2 values
 */
export function meanCi95(values: readonly number[]): number | null {
  const n = values.length;
  if (n < 2) return null;
  const centre = mean(values);
  const variance = values.reduce((sum, value) => sum + (value - centre) ** 2, 0) / (n - 1);
  return tQuantile975(n - 1) * Math.sqrt(variance / n);
}

/** A power that a quantity grows with. */
export interface PowerLaw {
  readonly exponent: number;
  /** The 95 % interval of the exponent, by the t distribution of the residuals; null for fewer than 3 points. */
  readonly ci95: Interval | null;
}

/**
 * Fits y = c·xᵖ: the least-squares line through the logarithms.
 *
 * @returns null where there is none: for fewer than two different x, or a y that is not positive
 */
export function powerLaw(points: readonly { readonly x: number; readonly y: number }[]): PowerLaw | null {
  const xs = points.map(({ x }) => Math.log(x));
  const ys = points.map(({ y }) => Math.log(y));
  const [x, y] = [mean(xs), mean(ys)];
  const spread = xs.reduce((sum, value) => sum + (value - x) ** 2, 0);
  const exponent = xs.reduce((sum, value, i) => sum + (value - x) * (ys[i] - y), 0) / spread;
  if (!Number.isFinite(exponent)) return null;
  const degrees = xs.length - 2;
  if (degrees < 1) return { exponent, ci95: null };
  const residuals = xs.reduce((sum, value, i) => sum + (ys[i] - y - exponent * (value - x)) ** 2, 0);
  const half = tQuantile975(degrees) * Math.sqrt(residuals / degrees / spread);
  return { exponent, ci95: [exponent - half, exponent + half] };
}

// Two-sided 95 % points of the t distribution for 1 to 30 degrees of freedom.
const T_975 = [
  12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.16, 2.145, 2.131, 2.12, 2.11, 2.101, 2.093, 2.086, 2.08,
  2.074, 2.069, 2.064, 2.06, 2.056, 2.052, 2.048, 2.045, 2.042,
];

function tQuantile975(degrees: number): number {
  // Beyond the table: the first terms of the Cornish-Fisher expansion at z = 1.95996.
  return T_975[degrees - 1] ?? 1.95996 + 2.3722 / degrees + 2.8225 / degrees ** 2;
}
