// Attention along lines of a map that knows of distances (Wang et al. 2020, equation 4), a line and a head at a time: queries, keys and values are read
// where they lie in their maps. The tables of distances lie as what they are multiplied by does, so that a position's part of them is a window.
//
// AssemblyScript; `npm run build:kernels` makes attend-lines-binary.ts of it. All pointers and steps are in bytes.

import { exponential, storeExponential } from './common/exponential';
import { madd } from './common/simd';

/** Bytes of the eight keys, or channels, that are taken at once. */
const TILE: usize = 32;
const LOWEST: f32 = -3.0e38;

/** What there has to be in memory before {@link attendLine} begins. */
export function prepare(constants: usize): void {
  storeExponential(constants);
}

/** to `[channels, count]`, whose rows lie `pitch` apart, = factor·xᵀ, for x `[count, channels]`, whose rows lie `step` apart. */
export function spread(x: usize, step: usize, count: usize, channels: usize, factor: f32, to: usize, pitch: usize): void {
  for (const end = to + (count << 2); to < end; to += 4, x += step) {
    for (let c: usize = 0, at = to; c < channels << 2; c += 4, at += pitch) store<f32>(at, factor * load<f32>(x + c));
  }
}

/**
 * out `[n, e]` = softmax over j of factor·(q_i·k_j) + q_i·query[j − i] + k_j·key[j − i], times valueFactors·v_j + value[j − i].
 *
 * @param depthStep from one query to the next: their map may hold other heads, and lines
 * @param valueStep from one value, or result, to the next
 * @param valueFactors what the values v are multiplied by, channel by channel
 * @param e a multiple of 4, and at least 8
 * @param panel rows of `pitch` bytes, one for each channel: n keys, filled up to {@link TILE}; what a query looks for at the distances −(n − 1) to n − 1
 * and, filled up alike, what a key looks for; all of them as {@link spread} gives them
 * @param values space for those of the line, `[n, e]`, and then what there is at distances, `[2·n − 1, e]`
 * @param weights space for n of them, filled up to {@link TILE}
 * @param constants what {@link prepare} made
 */
export function attendLine(
  q: usize, depthStep: usize, v: usize, valueStep: usize, valueFactors: usize, n: usize, d: usize, e: usize, factor: f32, panel: usize, pitch: usize,
  values: usize, weights: usize, constants: usize, out: usize,
): void {
  const bytes = n << 2;
  const valueBytes = e << 2;
  const rowBytes = (bytes + TILE - 1) & ~(TILE - 1);
  const tableBytes = rowBytes + bytes - 4;
  let to = values;
  for (const end = v + n * valueStep; v < end; v += valueStep) {
    for (let c: usize = 0; c < valueBytes; c += 16, to += 16) v128.store(to, f32x4.mul(v128.load(v + c), v128.load(valueFactors + c)));
  }
  const factors = f32x4.splat(factor);
  let queryTable = panel + tableBytes;
  let valueTable = values + (n + n - 1) * valueBytes;
  for (const end = q + n * depthStep; q < end; q += depthStep, out += valueStep, queryTable -= 4, valueTable -= valueBytes) {
    for (let at: usize = 0; at < rowBytes; at += TILE) score(q, panel + at, queryTable + at, tableBytes, pitch, d, factors, weights + at);
    for (let at = weights + bytes; at < weights + rowBytes; at += 4) store<f32>(at, LOWEST);
    const share = weigh(weights, rowBytes, constants);
    // The last channels may be taken twice.
    for (let at: usize = 0; at < valueBytes; at += TILE) {
      const c = min(at, valueBytes - TILE);
      gather(weights, bytes, values + c, valueTable + c, valueBytes, share, out + c);
    }
  }
}

/** The scores of a query and eight keys. */
// @ts-ignore: decorator
@inline
function score(q: usize, keys: usize, fromQuery: usize, apart: usize, pitch: usize, d: usize, factor: v128, to: usize): void {
  const zero = f32x4.splat(0);
  let a0 = zero, a1 = zero, b0 = zero, b1 = zero;
  for (const end = q + (d << 2); q < end; q += 4, keys += pitch, fromQuery += pitch) {
    const value = v128.load32_splat(q);
    const scaled = f32x4.mul(value, factor);
    const fromKey = fromQuery + apart;
    a0 = madd(v128.load(keys), f32x4.add(scaled, v128.load(fromKey)), a0);
    a1 = madd(v128.load(keys, 16), f32x4.add(scaled, v128.load(fromKey, 16)), a1);
    b0 = madd(value, v128.load(fromQuery), b0);
    b1 = madd(value, v128.load(fromQuery, 16), b1);
  }
  v128.store(to, f32x4.add(a0, b0)), v128.store(to, f32x4.add(a1, b1), 16);
}

/** Turns scores into exp(score − maximum). Returns what these are to be multiplied by. */
// @ts-ignore: decorator
@inline
function weigh(row: usize, bytes: usize, constants: usize): v128 {
  const end = row + bytes;
  let top = v128.load(row);
  // pmax is one instruction; it passes over NaN, but the exponential below does not.
  for (let at = row + 16; at < end; at += 16) top = f32x4.pmax(top, v128.load(at));
  const highest = max(max(f32x4.extract_lane(top, 0), f32x4.extract_lane(top, 1)), max(f32x4.extract_lane(top, 2), f32x4.extract_lane(top, 3)));
  top = f32x4.splat(highest);
  let all = f32x4.splat(0);
  for (let at = row; at < end; at += 16) {
    const weights = exponential(f32x4.sub(v128.load(at), top), constants);
    all = f32x4.add(all, weights);
    v128.store(at, weights);
  }
  return f32x4.splat(1 / (f32x4.extract_lane(all, 0) + f32x4.extract_lane(all, 1) + f32x4.extract_lane(all, 2) + f32x4.extract_lane(all, 3)));
}

/** Eight channels of a result. */
// @ts-ignore: decorator
@inline
function gather(weights: usize, bytes: usize, v: usize, table: usize, valueBytes: usize, share: v128, out: usize): void {
  const zero = f32x4.splat(0);
  let c0 = zero, c1 = zero;
  for (const end = weights + bytes; weights < end; weights += 4, v += valueBytes, table += valueBytes) {
    const weight = v128.load32_splat(weights);
    c0 = madd(weight, f32x4.add(v128.load(v), v128.load(table)), c0);
    c1 = madd(weight, f32x4.add(v128.load(v, 16), v128.load(table, 16)), c1);
  }
  v128.store(out, f32x4.mul(c0, share)), v128.store(out, f32x4.mul(c1, share), 16);
}
