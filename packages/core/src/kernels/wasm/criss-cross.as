// Criss-cross attention (Huang et al. 2019), line by line: first all columns, then all rows, each a small attention of its positions among
// themselves. The rows correct what the columns gave to the maximum and the total of both (Dao et al. 2022, FlashAttention), so that no score
// outlives its line.
//
// AssemblyScript; `npm run build:kernels` makes criss-cross-binary.ts of it. All pointers are in bytes, all tensors row-major and contiguous. A
// line is given by its first position, its `n` positions, and how many positions of the map these lie apart, its `step`.

import { exponential, EXPONENTIAL_BYTES, storeExponential } from './common/exponential';
import { multiply, pack, packTransposed, padded, SPARE_BYTES } from './common/product';

/** Queries of a block, whose scores stay in the inner cache. */
const QUERIES: usize = 16;
/** A score that no other is less than. */
const LOWEST: f32 = -3.0e38;
/** Of a position, what it keeps from the columns to the rows: its maximum, its total, and the sum of its weights' gradients times them. */
const STATISTICS: usize = 12;
const CONSTANTS: usize = EXPONENTIAL_BYTES + 4 + SPARE_BYTES;

/** Of the scratch space that {@link gather} needs for lines of up to n positions. */
export function gatherBytes(n: usize, d: usize, e: usize): usize {
  return CONSTANTS + ((padded(n) * d + n * padded(e) + QUERIES * quads(n + 1)) << 2);
}

/** Of the scratch space that {@link differentiate} needs for lines of up to n positions. */
export function differentiateBytes(n: usize, d: usize, e: usize): usize {
  return CONSTANTS + ((padded(n) * padded(max(d, e)) + 2 * n * padded(n)) << 2);
}

/** What there has to be in scratch space before either begins. */
export function prepare(scratch: usize): void {
  storeExponential(scratch);
  store<f32>(scratch + EXPONENTIAL_BYTES, 1);
}

/**
 * The attention of a line's positions `[n, d]` among themselves: of a column sums of values, not yet divided by the totals of the weights, and of a
 * row, `second`, the whole result. For values of no channels, `e` = 0, only their statistics.
 */
export function gather(
  q: usize, k: usize, v: usize, step: usize, n: usize, d: usize, e: usize, out: usize, statistics: usize, second: bool, scratch: usize,
): void {
  const spare = scratch + EXPONENTIAL_BYTES + 4;
  const keys = scratch + CONSTANTS;
  const values = keys + ((padded(n) * d) << 2);
  const scores = values + ((n * padded(e)) << 2);
  const last = n << 2;
  const rowBytes = quads(n + 1) << 2;
  const depthBytes = (step * d) << 2;
  const valueBytes = (step * e) << 2;
  packTransposed(k, depthBytes, n, d, keys);
  pack(v, valueBytes, n, e, values);
  for (let i: usize = 0; i < n; i += QUERIES) {
    const queries = min(QUERIES, n - i);
    multiply(q + i * depthBytes, depthBytes, 4, queries, keys, d, scores, rowBytes, n, 0, 0, spare);
    for (let r: usize = 0; r < queries; r++) {
      const row = scores + r * rowBytes;
      for (let at = row + last; at < row + rowBytes; at += 4) store<f32>(at, LOWEST);
      weigh(row, rowBytes, second ? last : 0, i + r, statistics + (i + r) * step * STATISTICS, scratch);
    }
    multiply(scores, rowBytes, 4, queries, values, n, out + i * valueBytes, valueBytes, e, second ? scores + last : 0, rowBytes, spare);
  }
}

/**
 * Turns the scores of query `own` of a column into exp(score − maximum), its own apart: a position counts once, in its row. Those of a row, where
 * there is a place `past` them, it also divides by their total. What the column gave is there one more key, whose weight becomes the factor that
 * brings the column's sum of values to the same.
 */
// @ts-ignore: decorator
@inline
function weigh(row: usize, rowBytes: usize, past: usize, own: usize, statistics: usize, constants: usize): void {
  const end = row + rowBytes;
  if (past) store<f32>(row + past, load<f32>(statistics));
  else store<f32>(row + (own << 2), LOWEST);
  let top = v128.load(row);
  // pmax is one instruction; it passes over NaN, but the exponential below does not.
  for (let at = row + 16; at < end; at += 16) top = f32x4.pmax(top, v128.load(at));
  const now = max(max(f32x4.extract_lane(top, 0), f32x4.extract_lane(top, 1)), max(f32x4.extract_lane(top, 2), f32x4.extract_lane(top, 3)));
  const maximum = f32x4.splat(now);
  let all = f32x4.splat(0);
  for (let at = row; at < end; at += 16) {
    const weights = exponential(f32x4.sub(v128.load(at), maximum), constants);
    all = f32x4.add(all, weights);
    v128.store(at, weights);
  }
  let total = sumOf(all);
  if (past) {
    total += load<f32>(row + past) * (load<f32>(statistics, 4) - 1);
    const share = f32x4.splat(1 / total);
    for (let at = row; at < end; at += 16) v128.store(at, f32x4.mul(v128.load(at), share));
  }
  store<f32>(statistics, now);
  store<f32>(statistics, total, 4);
}

/**
 * What a line adds to the gradients of queries, keys and values, from that of the result y, and statistics of all lines. Of a column, `second` is
 * false: its are the first, and are stored.
 */
export function differentiate(
  q: usize, k: usize, v: usize, y: usize, dy: usize, step: usize, n: usize, d: usize, e: usize, dq: usize, dk: usize, dv: usize,
  statistics: usize, second: bool, scratch: usize,
): void {
  const one = scratch + EXPONENTIAL_BYTES;
  const spare = one + 4;
  const panels = scratch + CONSTANTS;
  const rowBytes = padded(n) << 2;
  const weights = panels + rowBytes * padded(max(d, e));
  const gradients = weights + n * rowBytes;
  const depthBytes = (step * d) << 2;
  const valueBytes = (step * e) << 2;
  packTransposed(k, depthBytes, n, d, panels);
  multiply(q, depthBytes, 4, n, panels, d, weights, rowBytes, n, 0, 0, spare);
  packTransposed(v, valueBytes, n, e, panels);
  multiply(dy, valueBytes, 4, n, panels, e, gradients, rowBytes, n, 0, 0, spare);
  for (let i: usize = 0; i < n; i++) {
    const own = statistics + i * step * STATISTICS;
    // Over its keys, a query's weights · their gradients sum up to this.
    if (!second) store<f32>(own, product(y + i * valueBytes, dy + i * valueBytes, e), 8);
    weighGradients(weights + i * rowBytes, gradients + i * rowBytes, rowBytes, own, scratch);
    if (!second) {
      store<f32>(weights + i * rowBytes + (i << 2), 0);
      store<f32>(gradients + i * rowBytes + (i << 2), 0);
    }
  }
  const factor = second ? one : 0;
  pack(k, depthBytes, n, d, panels);
  multiply(gradients, rowBytes, 4, n, panels, n, dq, depthBytes, d, factor, 0, spare);
  pack(q, depthBytes, n, d, panels);
  multiply(gradients, 4, rowBytes, n, panels, n, dk, depthBytes, d, factor, 0, spare);
  pack(dy, valueBytes, n, e, panels);
  multiply(weights, 4, rowBytes, n, panels, n, dv, valueBytes, e, factor, 0, spare);
}

/** Turns a query's scores into its weights, and the gradients of its weights into those of its scores. */
// @ts-ignore: decorator
@inline
function weighGradients(weights: usize, gradients: usize, rowBytes: usize, statistics: usize, constants: usize): void {
  const maximum = v128.load32_splat(statistics);
  const share = f32x4.splat(1 / load<f32>(statistics, 4));
  const common = v128.load32_splat(statistics, 8);
  for (const end = weights + rowBytes; weights < end; weights += 16, gradients += 16) {
    const weight = f32x4.mul(exponential(f32x4.sub(v128.load(weights), maximum), constants), share);
    v128.store(weights, weight);
    v128.store(gradients, f32x4.mul(weight, f32x4.sub(v128.load(gradients), common)));
  }
}

/** A count, in whole vectors. */
// @ts-ignore: decorator
@inline
function quads(count: usize): usize {
  return (count + 3) & ~3;
}

/** Σ a·b over `count` values. */
// @ts-ignore: decorator
@inline
function product(a: usize, b: usize, count: usize): f32 {
  const end = a + (count << 2);
  let sums = f32x4.splat(0);
  for (; a + 16 <= end; a += 16, b += 16) sums = f32x4.add(sums, f32x4.mul(v128.load(a), v128.load(b)));
  let sum = sumOf(sums);
  for (; a < end; a += 4, b += 4) sum += load<f32>(a) * load<f32>(b);
  return sum;
}

// @ts-ignore: decorator
@inline
function sumOf(x: v128): f32 {
  return f32x4.extract_lane(x, 0) + f32x4.extract_lane(x, 1) + (f32x4.extract_lane(x, 2) + f32x4.extract_lane(x, 3));
}
