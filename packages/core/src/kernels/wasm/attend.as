// Dot-product attention, and its gradient, in one pass (Dao et al. 2022, FlashAttention): scores live in the cache, a block of queries by a block of
// keys at a time. They lie there a key after the other, so that what is to be done for each query (its maximum, its total, its bias) is done for four at
// once, and so that a tile of any of the five products reads them as they lie.
//
// AssemblyScript; `npm run build:kernels` makes attend-binary.ts of it. All pointers are in bytes, all matrices row-major and contiguous.

import { EXPONENTIAL_BYTES, exponentialBy, storeExponential } from './common/exponential';
import { interleaveRows, LANES, multiplyAdd, padded, splitColumns } from './common/panels';
import { madd } from './common/simd';

/** Queries and keys of a block: its scores take 16 kB. */
const QUERIES: usize = 32;
const KEYS: usize = 128;
/** Keys of a tile, and from one key's scores to the next's. */
const ROWS: usize = 4;
const KEY_BYTES: usize = QUERIES << 2;
const PANEL_BYTES: usize = LANES << 2;
/** Bytes of a line of the cache. */
const LINE: usize = 64;
const LOWEST: f32 = -3.0e38;

// The sizes, of one image and of a call, and where the scratch memory has what, all set by `layOut`.
let m: usize, d: usize, e: usize;
/** A bias's rows and columns, where it is that of a plane of keys, else 0. */
let height: usize, width: usize;
/** Bytes from one query, or key, to the next in what is summed of as many channels as q has, or v. */
let dBytes: usize, eBytes: usize;
let constants: usize;
let scores: usize, slopes: usize;
/** Keys and values with four keys side by side, and as panels of channels. */
let keys: usize, values: usize, keyPanels: usize, valuePanels: usize;
/** What is summed for the keys' gradients and for the values'. */
let keySums: usize, valueSums: usize;
/** Queries and results' gradients with eight queries side by side, and each block's as panels of channels. */
let queries: usize, slants: usize, queryPanels: usize, slantPanels: usize;
/** What is summed for the queries. */
let sums: usize;
/** For each query the maximum of its scores, the total of its weights and, in the gradient, what its slopes are less by. */
let maxima: usize, totals: usize, means: usize;
/** The bias of a plane's rows and columns with a block's queries side by side, and what is summed for its gradient. */
let rowBiases: usize, columnBiases: usize, rowSums: usize, columnSums: usize;

/**
 * Lays out the scratch memory from `at` on, for images of so many keys, and for at most `group` queries a call.
 *
 * @param planeHeight rows of the plane of keys whose bias there is, else 0, as its columns
 * @param gradient whether it is that of {@link attendGradient}
 * @returns how many bytes it takes
 */
export function layOut(
  at: usize, group: usize, keyCount: usize, keyChannels: usize, valueChannels: usize, planeHeight: usize, planeWidth: usize, gradient: bool,
): usize {
  m = keyCount, d = keyChannels, e = valueChannels;
  height = planeHeight, width = planeWidth;
  dBytes = padded(d, LANES) << 2, eBytes = padded(e, LANES) << 2;
  end = at;
  constants = take(EXPONENTIAL_BYTES);
  scores = take(KEYS * KEY_BYTES);
  const n = padded(group, QUERIES);
  queries = take((n * d) << 2);
  maxima = take(n << 2), totals = take(n << 2);
  rowBiases = take((n * height) << 2), columnBiases = take((n * width) << 2);
  keys = take((padded(m, ROWS) * d) << 2);
  sums = take(n * max(dBytes, eBytes));
  if (gradient) {
    slopes = take(KEYS * KEY_BYTES);
    slants = take((n * e) << 2);
    queryPanels = take(n * dBytes), slantPanels = take(n * eBytes);
    means = take(n << 2);
    rowSums = take((n * height) << 2), columnSums = take((n * width) << 2);
    values = take((padded(m, ROWS) * e) << 2);
    keyPanels = take(m * dBytes);
    keySums = take(padded(m, ROWS) * dBytes), valueSums = take(padded(m, ROWS) * eBytes);
  } else valuePanels = take(m * eBytes);
  return end + LINE - at;
}

let end: usize;

/** So many bytes of the scratch memory, from the start of a line of the cache on. */
function take(bytes: usize): usize {
  const at = (end + LINE - 1) & ~(LINE - 1);
  end = at + bytes;
  return at;
}

/** Takes an image's k `[m, d]` and v `[m, e]`. */
export function takeKeys(k: usize, v: usize): void {
  storeExponential(constants);
  interleaveRows(k, m, d, ROWS, keys);
  splitColumns(v, m, e, valuePanels);
}

/** The same for {@link attendGradient}. */
export function takeKeysForGradient(k: usize, v: usize): void {
  storeExponential(constants);
  interleaveRows(k, m, d, ROWS, keys);
  interleaveRows(v, m, e, ROWS, values);
  splitColumns(k, m, d, keyPanels);
  memory.fill(keySums, 0, padded(m, ROWS) * dBytes);
  memory.fill(valueSums, 0, padded(m, ROWS) * eBytes);
}

/**
 * out `[n, e]` = softmax(q·kᵀ + bias)·v, for q `[n, d]` and a bias (or 0) whose rows lie `biasStride` apart. For a plane of keys, the bias is `[n, width]`,
 * of their columns, and `rowBias` `[n, height]` that of their rows. Gives, unless `peaks` is 0, each query's maximal score and total weight there, `[n, 2]`.
 */
export function attend(q: usize, n: usize, bias: usize, biasStride: usize, rowBias: usize, out: usize, peaks: usize): void {
  takeQueries(q, n, bias, rowBias);
  for (let at: usize = 0; at < padded(n, LANES) << 2; at += 16) {
    v128.store(maxima + at, f32x4.splat(LOWEST));
    v128.store(totals + at, f32x4.splat(0));
  }
  memory.fill(sums, 0, padded(n, LANES) * eBytes);
  for (let j: usize = 0; j < m; j += KEYS) {
    const columns = min(KEYS, m - j);
    for (let i: usize = 0; i < n; i += QUERIES) {
      const rows = min(QUERIES, n - i);
      score(i, j, rows, columns, bias, biasStride);
      weigh(i, rows, columns);
      multiplyColumns(scores, valuePanels, i, j, rows, columns, eBytes);
    }
  }
  for (let i: usize = 0; i < n; i++) {
    const total = load<f32>(totals + (i << 2));
    for (let c: usize = 0; c < e; c++, out += 4) store<f32>(out, load<f32>(sums + i * eBytes + (c << 2)) / total);
    if (peaks) {
      store<f32>(peaks + (i << 3), load<f32>(maxima + (i << 2)));
      store<f32>(peaks + (i << 3), total, 4);
    }
  }
}

/**
 * The gradients of {@link attend} from that of its results: dq `[n, d]`; dBias and dRowBias (or 0), in the layout of their biases, to which it adds;
 * and what these queries bring to the keys' and values'.
 *
 * @param y the results `[n, e]`
 * @param peaks what that gave of them `[n, 2]`
 * @param dy their gradient
 */
export function attendGradient(
  q: usize, n: usize, bias: usize, biasStride: usize, rowBias: usize, y: usize, peaks: usize, dy: usize, dq: usize, dBias: usize, dRowBias: usize,
): void {
  takeQueries(q, n, bias, rowBias);
  takeSlants(q, n, y, peaks, dy);
  for (let j: usize = 0; j < m; j += KEYS) {
    const columns = min(KEYS, m - j);
    for (let i: usize = 0; i < n; i += QUERIES) {
      const rows = min(QUERIES, n - i);
      score(i, j, rows, columns, bias, biasStride);
      multiplyPanels(slants, values, e, i, j, rows, columns, slopes);
      slope(i, rows, columns);
      if (width) sumPlane(i, j, rows, columns);
      else if (dBias) sumBias(i, j, rows, columns, dBias, biasStride);
      multiplyRows(scores, slantPanels, i, j, rows, columns, valueSums, eBytes);
      multiplyRows(slopes, queryPanels, i, j, rows, columns, keySums, dBytes);
      multiplyColumns(slopes, keyPanels, i, j, rows, columns, dBytes);
    }
  }
  giveRows(sums, n, d, dBytes, dq);
  if (width) {
    addInterleaved(rowSums, n, height, dRowBias);
    addInterleaved(columnSums, n, width, dBias);
  }
}

/** Gives the gradients of an image's k `[m, d]` and v `[m, e]`. */
export function giveKeys(dk: usize, dv: usize): void {
  giveRows(keySums, m, d, dBytes, dk);
  giveRows(valueSums, m, e, eBytes, dv);
}

function takeQueries(q: usize, n: usize, bias: usize, rowBias: usize): void {
  interleaveRows(q, n, d, LANES, queries);
  if (width) {
    interleaveRows(rowBias, n, height, QUERIES, rowBiases);
    interleaveRows(bias, n, width, QUERIES, columnBiases);
  }
}

function takeSlants(q: usize, n: usize, y: usize, peaks: usize, dy: usize): void {
  interleaveRows(dy, n, e, LANES, slants);
  for (let i: usize = 0; i < n; i += QUERIES) {
    splitColumns(q + ((i * d) << 2), min(QUERIES, n - i), d, queryPanels + i * dBytes);
    splitColumns(dy + ((i * e) << 2), min(QUERIES, n - i), e, slantPanels + i * eBytes);
  }
  // Σ slopes·weights over the keys is Σ dy·y over the channels, which is a shorter sum. Past the last query nothing reads what a tile makes there.
  for (let i: usize = 0; i < n; i++) {
    store<f32>(maxima + (i << 2), load<f32>(peaks + (i << 3)));
    store<f32>(totals + (i << 2), load<f32>(peaks + (i << 3), 4));
    let mean: f32 = 0;
    for (let c: usize = 0; c < e; c++, y += 4, dy += 4) mean += load<f32>(y) * load<f32>(dy);
    store<f32>(means + (i << 2), mean);
  }
  memory.fill(sums, 0, padded(n, LANES) * dBytes);
  memory.fill(rowSums, 0, (padded(n, QUERIES) * height) << 2);
  memory.fill(columnSums, 0, (padded(n, QUERIES) * width) << 2);
}

/** The scores of a block's `rows` queries from query i on and `columns` keys from key j on. */
function score(i: usize, j: usize, rows: usize, columns: usize, bias: usize, biasStride: usize): void {
  multiplyPanels(queries, keys, d, i, j, rows, columns, scores);
  if (width) addPlane(i, j, rows, columns);
  else if (bias) addBias(i, j, rows, columns, bias, biasStride);
}

/** to `[columns, rows]` = the products of a block's keys, or values, with what there is of each of its queries, of so many channels. */
function multiplyPanels(panels: usize, keyRows: usize, channels: usize, i: usize, j: usize, rows: usize, columns: usize, to: usize): void {
  for (let c: usize = 0; c < columns; c += ROWS, to += ROWS * KEY_BYTES) {
    const a = keyRows + (((j + c) * channels) << 2);
    for (let r: usize = 0; r < rows; r += LANES) {
      multiplyAdd(a, 4, ROWS << 2, panels + (((i + r) * channels) << 2), channels, to + (r << 2), KEY_BYTES, false);
    }
  }
}

/** Adds to what is summed for each query the block's weights times panels of the keys. */
function multiplyColumns(weights: usize, panels: usize, i: usize, j: usize, rows: usize, columns: usize, sumBytes: usize): void {
  for (let c: usize = 0; c < sumBytes; c += PANEL_BYTES) {
    const panel = panels + c * m + j * PANEL_BYTES;
    for (let r: usize = 0; r < rows; r += ROWS) {
      multiplyAdd(weights + (r << 2), 4, KEY_BYTES, panel, columns, sums + (i + r) * sumBytes + c, sumBytes, true);
    }
  }
}

/** Adds to what is summed for each key the block's weights times panels of the queries. */
function multiplyRows(weights: usize, panels: usize, i: usize, j: usize, rows: usize, columns: usize, keySums: usize, sumBytes: usize): void {
  panels += i * sumBytes;
  for (let r: usize = 0; r < columns; r += ROWS) {
    for (let c: usize = 0; c < sumBytes; c += PANEL_BYTES) {
      multiplyAdd(weights + r * KEY_BYTES, KEY_BYTES, 4, panels + c * rows, rows, keySums + (j + r) * sumBytes + c, sumBytes, true);
    }
  }
}

/** Turns a block's scores into exp(score − maximum), and what there is of its queries so far to their new maxima. */
function weigh(i: usize, rows: usize, columns: usize): void {
  const k = constants;
  const least = v128.load32_splat(k), log2e = v128.load32_splat(k, 4), shift = v128.load32_splat(k, 8);
  const high = v128.load32_splat(k, 12), low = v128.load32_splat(k, 16), c0 = v128.load32_splat(k, 20), c1 = v128.load32_splat(k, 24);
  const c2 = v128.load32_splat(k, 28), c3 = v128.load32_splat(k, 32), c4 = v128.load32_splat(k, 36), c5 = v128.load32_splat(k, 40);
  for (let r: usize = 0; r < rows; r += 4) {
    const first = scores + (r << 2), end = first + columns * KEY_BYTES;
    const maximum = maxima + ((i + r) << 2);
    const total = totals + ((i + r) << 2);
    const before = v128.load(maximum);
    let top = before;
    // pmax is one instruction; it passes over NaN, but the exponential below does not.
    for (let at = first; at < end; at += KEY_BYTES) top = f32x4.pmax(top, v128.load(at));
    let all = f32x4.splat(0);
    for (let at = first; at < end; at += KEY_BYTES) {
      const weights = exponentialBy(f32x4.sub(v128.load(at), top), least, log2e, shift, high, low, c0, c1, c2, c3, c4, c5);
      all = f32x4.add(all, weights);
      v128.store(at, weights);
    }
    const fade = exponentialBy(f32x4.sub(before, top), least, log2e, shift, high, low, c0, c1, c2, c3, c4, c5);
    v128.store(total, madd(v128.load(total), fade, all));
    v128.store(maximum, top);
    if (v128.any_true(f32x4.ne(before, top))) fadeSums(sums + (i + r) * eBytes, fade);
  }
}

/** Multiplies what is summed for four queries by their factors. */
function fadeSums(sum: usize, factors: v128): void {
  for (const end = sum + 4 * eBytes; sum < end;) {
    const factor = f32x4.splat(f32x4.extract_lane(factors, 0));
    for (const last = sum + eBytes; sum < last; sum += 16) v128.store(sum, f32x4.mul(v128.load(sum), factor));
    factors = v128.shuffle<f32>(factors, factors, 1, 2, 3, 0);
  }
}

/** Turns a block's scores into its weights, and the gradients of these into those of the scores. */
function slope(i: usize, rows: usize, columns: usize): void {
  const k = constants;
  const least = v128.load32_splat(k), log2e = v128.load32_splat(k, 4), shift = v128.load32_splat(k, 8);
  const high = v128.load32_splat(k, 12), low = v128.load32_splat(k, 16), c0 = v128.load32_splat(k, 20), c1 = v128.load32_splat(k, 24);
  const c2 = v128.load32_splat(k, 28), c3 = v128.load32_splat(k, 32), c4 = v128.load32_splat(k, 36), c5 = v128.load32_splat(k, 40);
  const apart = slopes - scores;
  for (let r: usize = 0; r < rows; r += 4) {
    const first = scores + (r << 2), end = first + columns * KEY_BYTES;
    const top = v128.load(maxima + ((i + r) << 2)), mean = v128.load(means + ((i + r) << 2));
    const share = f32x4.div(f32x4.splat(1), v128.load(totals + ((i + r) << 2)));
    for (let at = first; at < end; at += KEY_BYTES) {
      const weights = f32x4.mul(exponentialBy(f32x4.sub(v128.load(at), top), least, log2e, shift, high, low, c0, c1, c2, c3, c4, c5), share);
      v128.store(at, weights);
      v128.store(at + apart, f32x4.mul(weights, f32x4.sub(v128.load(at + apart), mean)));
    }
  }
}

function addBias(i: usize, j: usize, rows: usize, columns: usize, bias: usize, biasStride: usize): void {
  for (let r: usize = 0; r < rows; r++) {
    let from = bias + (i + r) * biasStride + (j << 2);
    for (let at = scores + (r << 2), end = at + columns * KEY_BYTES; at < end; at += KEY_BYTES, from += 4) store<f32>(at, load<f32>(at) + load<f32>(from));
  }
}

function sumBias(i: usize, j: usize, rows: usize, columns: usize, dBias: usize, biasStride: usize): void {
  for (let r: usize = 0; r < rows; r++) {
    let to = dBias + (i + r) * biasStride + (j << 2);
    for (let at = slopes + (r << 2), end = at + columns * KEY_BYTES; at < end; at += KEY_BYTES, to += 4) store<f32>(to, load<f32>(to) + load<f32>(at));
  }
}

function addPlane(i: usize, j: usize, rows: usize, columns: usize): void {
  let x = j % width;
  let row = rowBiases + ((i * height) << 2) + j / width * KEY_BYTES;
  const blockColumns = columnBiases + ((i * width) << 2);
  for (let at = scores, end = at + columns * KEY_BYTES; at < end; at += KEY_BYTES) {
    const column = blockColumns + x * KEY_BYTES;
    for (let r: usize = 0; r < rows << 2; r += 16) {
      v128.store(at + r, f32x4.add(v128.load(at + r), f32x4.add(v128.load(row + r), v128.load(column + r))));
    }
    if (++x == width) x = 0, row += KEY_BYTES;
  }
}

function sumPlane(i: usize, j: usize, rows: usize, columns: usize): void {
  let x = j % width;
  let row = rowSums + ((i * height) << 2) + j / width * KEY_BYTES;
  const blockColumns = columnSums + ((i * width) << 2);
  for (let at = slopes, end = at + columns * KEY_BYTES; at < end; at += KEY_BYTES) {
    const column = blockColumns + x * KEY_BYTES;
    for (let r: usize = 0; r < rows << 2; r += 16) {
      const value = v128.load(at + r);
      v128.store(row + r, f32x4.add(v128.load(row + r), value));
      v128.store(column + r, f32x4.add(v128.load(column + r), value));
    }
    if (++x == width) x = 0, row += KEY_BYTES;
  }
}

/** to `[rows, columns]` = what is summed, whose rows lie `rowBytes` apart. */
function giveRows(from: usize, rows: usize, columns: usize, rowBytes: usize, to: usize): void {
  for (let i: usize = 0; i < rows; i++, from += rowBytes, to += columns << 2) memory.copy(to, from, columns << 2);
}

/** to `[n, columns]` += what is summed with a block's queries side by side. */
function addInterleaved(from: usize, n: usize, columns: usize, to: usize): void {
  for (let i: usize = 0; i < n; i++) {
    const own = from + (((i / QUERIES) * QUERIES * columns + i % QUERIES) << 2);
    for (let c: usize = 0; c < columns; c++, to += 4) store<f32>(to, load<f32>(to) + load<f32>(own + c * KEY_BYTES));
  }
}
