// Dot-product attention in one pass (Dao et al. 2022, FlashAttention): scores live in the cache, a block of queries by a block of keys at a
// time, and the softmax of a query is corrected as new blocks raise its maximum.
//
// AssemblyScript; `npm run build:kernels` makes attend-binary.ts of it. All pointers are in bytes, all matrices row-major and contiguous.

import { EXPONENTIAL_BYTES, exponential, storeExponential } from './common/exponential';
import { madd } from './common/simd';

/** Queries and keys of a block: its scores take 16 kB. */
const QUERIES: usize = 16;
const KEYS: usize = 256;
/** Channels, or keys, that a tile of a product computes at once: two vectors. */
const LANES: usize = 8;
const LOWEST: f32 = -3.0e38;

/** Of the scratch space for n queries: constants, the scores of a block, and for each query its sum of values, its maximum and its total. */
export function scratchBytes(n: usize, e: usize): usize {
  return EXPONENTIAL_BYTES + ((QUERIES * KEYS + padded(n) * (padded(e) + 2)) << 2);
}

/** k `[m, d]` as panels of 8 keys, `[⌈m/8⌉, d, 8]`, the last filled up with zeros. */
export function packKeys(k: usize, m: usize, d: usize, to: usize): void {
  for (let j: usize = 0; j < m; j += LANES) {
    for (let c: usize = 0; c < d; c++) {
      for (let t: usize = 0; t < LANES; t++, to += 4) store<f32>(to, j + t < m ? load<f32>(k + (((j + t) * d + c) << 2)) : 0);
    }
  }
}

/** v `[m, e]` as panels of 8 channels, `[⌈e/8⌉, m, 8]`, the last filled up with zeros. */
export function packValues(v: usize, m: usize, e: usize, to: usize): void {
  for (let c: usize = 0; c < e; c += LANES) {
    for (let j: usize = 0; j < m; j++) {
      for (let t: usize = 0; t < LANES; t++, to += 4) store<f32>(to, c + t < e ? load<f32>(v + ((j * e + c + t) << 2)) : 0);
    }
  }
}

/**
 * out `[n, e]` = softmax(q·kᵀ + bias)·v, for q `[n, d]`, packed keys and values, and a bias (or 0) whose rows lie `biasStride` apart. For a plane of
 * keys of some width (else 0), the bias is `[n, width]`, of their columns, and `rowBias` `[n, m / width]` that of their rows.
 */
export function attend(
  q: usize, n: usize, d: usize, keys: usize, m: usize, values: usize, e: usize, bias: usize, biasStride: usize, rowBias: usize, width: usize, out: usize, scratch: usize,
): void {
  const rowBytes = d << 2;
  const sumBytes = padded(e) << 2;
  const scores = scratch + EXPONENTIAL_BYTES;
  const sums = scores + ((QUERIES * KEYS) << 2);
  const maxima = sums + padded(n) * sumBytes;
  const totals = maxima + (padded(n) << 2);
  const last = q + (n - 1) * rowBytes;
  storeExponential(scratch);
  memory.fill(sums, 0, n * sumBytes);
  for (let i: usize = 0; i < n; i++) {
    store<f32>(maxima + (i << 2), LOWEST);
    store<f32>(totals + (i << 2), 0);
  }
  for (let j: usize = 0; j < m; j += KEYS) {
    const columns = min(KEYS, m - j);
    for (let i: usize = 0; i < n; i += QUERIES) {
      const rows = min(QUERIES, n - i);
      const sum = sums + i * sumBytes;
      let panel = keys + j * rowBytes;
      for (let c: usize = 0; c < columns; c += LANES, panel += LANES * rowBytes) {
        for (let r: usize = 0; r < rows; r += 4) {
          const a = q + (i + r) * rowBytes;
          // Past the last query a tile takes that one again. There is room for what it makes of it, which nobody reads.
          multiplyAdd(a, min(a + rowBytes, last), min(a + 2 * rowBytes, last), min(a + 3 * rowBytes, last), panel, d, scores + ((r * KEYS + c) << 2), KEYS << 2, false);
        }
      }
      for (let r: usize = 0; r < rows; r++) {
        const row = scores + ((r * KEYS) << 2);
        const own = bias + (i + r) * biasStride;
        if (width) addPlane(row, rowBias + (i + r) * ((m / width) << 2), own, width, j, columns);
        else if (bias) addTo(row, own + (j << 2), columns, 0);
        weigh(scratch, row, columns, maxima + ((i + r) << 2), totals + ((i + r) << 2), sum + r * sumBytes, sumBytes);
      }
      for (let c: usize = 0; c < e; c += LANES) {
        panel = values + ((c * m + j * LANES) << 2);
        for (let r: usize = 0; r < rows; r += 4) {
          const a = scores + ((r * KEYS) << 2);
          multiplyAdd(a, a + (KEYS << 2), a + (KEYS << 3), a + 3 * (KEYS << 2), panel, columns, sum + r * sumBytes + (c << 2), sumBytes, true);
        }
      }
    }
  }
  for (let i: usize = 0; i < n; i++) {
    const total = load<f32>(totals + (i << 2));
    for (let c: usize = 0; c < e; c++, out += 4) store<f32>(out, load<f32>(sums + i * sumBytes + (c << 2)) / total);
  }
}

/** Turns a query's scores into exp(score − maximum), and what there is of it so far to the new maximum. */
// @ts-ignore: decorator
@inline
function weigh(constants: usize, row: usize, columns: usize, maximum: usize, total: usize, sum: usize, sumBytes: usize): void {
  const end = row + (padded(columns) << 2);
  for (let at = row + (columns << 2); at < end; at += 4) store<f32>(at, -Infinity);
  const before = load<f32>(maximum);
  let top = f32x4.splat(before);
  // pmax is one instruction; it passes over NaN, but the exponential below does not.
  for (let at = row; at < end; at += 32) top = f32x4.pmax(top, f32x4.pmax(v128.load(at), v128.load(at, 16)));
  const now = max(max(f32x4.extract_lane(top, 0), f32x4.extract_lane(top, 1)), max(f32x4.extract_lane(top, 2), f32x4.extract_lane(top, 3)));
  const peak = f32x4.splat(now);
  let all = f32x4.splat(0);
  for (let at = row; at < end; at += 16) {
    const weights = exponential(f32x4.sub(v128.load(at), peak), constants);
    all = f32x4.add(all, weights);
    v128.store(at, weights);
  }
  const added = f32x4.extract_lane(all, 0) + f32x4.extract_lane(all, 1) + f32x4.extract_lane(all, 2) + f32x4.extract_lane(all, 3);
  if (now > before) {
    const fade = exponential(f32x4.splat(before - now), constants);
    store<f32>(maximum, now);
    store<f32>(total, load<f32>(total) * f32x4.extract_lane(fade, 0));
    for (let at = sum; at < sum + sumBytes; at += 16) v128.store(at, f32x4.mul(v128.load(at), fade));
  }
  store<f32>(total, load<f32>(total) + added);
}

/** c `[4, 8]` = a·b, or with `add` c + a·b, for four rows a of `count` values and a panel b `[count, 8]`. */
// @ts-ignore: decorator
@inline
function multiplyAdd(a0: usize, a1: usize, a2: usize, a3: usize, b: usize, count: usize, c: usize, stride: usize, add: bool): void {
  const d1 = c + stride;
  const d2 = d1 + stride;
  const d3 = d2 + stride;
  const zero = f32x4.splat(0);
  let c00 = add ? v128.load(c) : zero, c01 = add ? v128.load(c, 16) : zero;
  let c10 = add ? v128.load(d1) : zero, c11 = add ? v128.load(d1, 16) : zero;
  let c20 = add ? v128.load(d2) : zero, c21 = add ? v128.load(d2, 16) : zero;
  let c30 = add ? v128.load(d3) : zero, c31 = add ? v128.load(d3, 16) : zero;
  for (const end = b + (count << 5); b < end; b += 32, a0 += 4, a1 += 4, a2 += 4, a3 += 4) {
    const left = v128.load(b), right = v128.load(b, 16);
    let value = v128.load32_splat(a0);
    c00 = madd(value, left, c00);
    c01 = madd(value, right, c01);
    value = v128.load32_splat(a1);
    c10 = madd(value, left, c10);
    c11 = madd(value, right, c11);
    value = v128.load32_splat(a2);
    c20 = madd(value, left, c20);
    c21 = madd(value, right, c21);
    value = v128.load32_splat(a3);
    c30 = madd(value, left, c30);
    c31 = madd(value, right, c31);
  }
  v128.store(c, c00), v128.store(c, c01, 16);
  v128.store(d1, c10), v128.store(d1, c11, 16);
  v128.store(d2, c20), v128.store(d2, c21, 16);
  v128.store(d3, c30), v128.store(d3, c31, 16);
}

/** Adds to the scores of `count` keys from key `j` on what the bias of their rows and that of their columns make. */
function addPlane(to: usize, rows: usize, columns: usize, width: usize, j: usize, count: usize): void {
  let x = j % width;
  for (let row = rows + ((j / width) << 2); count > 0; row += 4) {
    const run = min(width - x, count);
    addTo(to, columns + (x << 2), run, load<f32>(row));
    to += run << 2;
    count -= run;
    x = 0;
  }
}

/** to `[count]` += from + value */
// @ts-ignore: decorator
@inline
function addTo(to: usize, from: usize, count: usize, value: f32): void {
  const end = to + (count << 2);
  const values = f32x4.splat(value);
  for (; to + 16 <= end; to += 16, from += 16) v128.store(to, f32x4.add(v128.load(to), f32x4.add(v128.load(from), values)));
  for (; to < end; to += 4, from += 4) store<f32>(to, load<f32>(to) + load<f32>(from) + value);
}

// @ts-ignore: decorator
@inline
function padded(count: usize): usize {
  return (count + LANES - 1) & ~(LANES - 1);
}
