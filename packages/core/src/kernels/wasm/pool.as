// Pooling of rows: what the rows of a matrix have in common, column by column, in one pass.
//
// AssemblyScript; `npm run build:kernels` makes pool-binary.ts of it. All pointers are in bytes, all matrices row-major and contiguous. Nothing here
// is bound by arithmetic, so there is none of relaxed SIMD.

import { addWeighted, fill, multiply, read, ROWS, vectorBytes, write } from './common/rows';

/** Bits that say which results are asked for. */
const SUMS: usize = 1;
const MAXIMA: usize = 2;

/** Sides of the tile of a map that is read twice, for strips of both directions: it stays in the cache in between. */
const TILE: usize = 7;
/** Rows with fewer columns are taken together, several as one. */
const NARROW: usize = 16;
/** What rows taken together have at most. */
const FOLDED_BYTES: usize = (4 * NARROW) << 2;

/** Of the scratch space of {@link pool}, {@link poolStrips} and {@link moments}. */
export function scratchBytes(): usize {
  return 2 * FOLDED_BYTES;
}

/**
 * The sums of the columns times `factor`, and their maxima, of each image of x `[images, rows, columns]`, each `[images, columns]`: those that
 * `kinds` asks for.
 */
export function pool(x: usize, images: usize, rows: usize, columns: usize, kinds: usize, factor: f32, sums: usize, maxima: usize, scratch: usize): void {
  const bytes = columns << 2;
  const fold = foldOf(rows, columns);
  const wide = columns * fold;
  const whole = rows / fold;
  start(sums, maxima, images * columns, kinds);
  for (const end = sums + images * bytes; sums < end; sums += bytes, maxima += bytes) {
    let rest = rows;
    if (fold > 1) {
      const peaks = scratch + FOLDED_BYTES;
      start(scratch, peaks, wide, kinds);
      add(x, whole, wide << 2, wide, kinds, scratch, peaks);
      add(scratch, fold, bytes, columns, kinds & SUMS, sums, maxima);
      add(peaks, fold, bytes, columns, kinds & MAXIMA, sums, maxima);
      x += whole * (wide << 2);
      rest -= whole * fold;
    }
    add(x, rest, bytes, columns, kinds, sums, maxima);
    x += rest * bytes;
    if (kinds & SUMS) multiply(sums, columns, factor);
  }
}

/** The means over the width and over the height, and the maxima, of a map x `[height, width, channels]`, each `[height + width, channels]`. */
export function poolStrips(x: usize, height: usize, width: usize, channels: usize, kinds: usize, sums: usize, maxima: usize, scratch: usize): void {
  const bytes = channels << 2;
  const rowBytes = width * bytes;
  const columnSums = sums + height * bytes;
  const columnMaxima = maxima + height * bytes;
  if (channels < NARROW) {
    pool(x, height, width, channels, kinds, 1 / f32(width), sums, maxima, scratch);
    pool(x, 1, height, width * channels, kinds, 1 / f32(height), columnSums, columnMaxima, scratch);
    return;
  }
  start(sums, maxima, (height + width) * channels, kinds);
  for (let i: usize = 0; i < height; i += TILE) {
    const rows = min(TILE, height - i);
    for (let j: usize = 0; j < width; j += TILE) {
      const columns = min(TILE, width - j);
      const at = j * bytes;
      const tile = x + i * rowBytes + at;
      for (let r: usize = 0; r < rows; r++) {
        const to = (i + r) * bytes;
        add(tile + r * rowBytes, columns, bytes, channels, kinds, sums + to, maxima + to);
      }
      add(tile, rows, rowBytes, columns * channels, kinds, columnSums + at, columnMaxima + at);
    }
  }
  if (kinds & SUMS) {
    multiply(sums, height * channels, 1 / f32(width));
    multiply(columnSums, width * channels, 1 / f32(height));
  }
}

/** The weighted sums of the rows of each image of x `[images, rows, columns]`, for weights `[images, rows]`: `[images, columns]`. */
export function poolWeighted(x: usize, images: usize, rows: usize, columns: usize, weights: usize, sums: usize): void {
  fill(sums, images * columns, 0);
  for (; images > 0; images--, x += (rows * columns) << 2, weights += rows << 2, sums += columns << 2) addWeighted(x, rows, columns, weights, sums);
}

/** The sums of the columns of x∘y, for x `[images, rows, columns]` and matrices y that lie `stride` apart: `[images, columns]`. */
export function poolProducts(x: usize, images: usize, rows: usize, columns: usize, y: usize, stride: usize, sums: usize): void {
  const bytes = columns << 2;
  fill(sums, images * columns, 0);
  for (; images > 0; images--, y += stride, sums += bytes) {
    let other = y, row = rows;
    for (; row >= ROWS; row -= ROWS, x += ROWS * bytes, other += ROWS * bytes) addProducts(x, other, columns, sums);
    addProductsRest(x, other, row, bytes, 0, sums);
    x += row * bytes;
  }
}

/**
 * The means of the columns and their variances about them, of each image of x `[images, rows, columns]`, each `[images, columns]`: Welford's
 * recurrence (1962) in steps of several rows, which is as good where means are large as it is elsewhere.
 */
export function moments(x: usize, images: usize, rows: usize, columns: usize, means: usize, variances: usize, scratch: usize): void {
  const bytes = columns << 2;
  const fold = foldOf(rows, columns);
  const wide = columns * fold;
  const whole = rows / fold;
  for (const end = means + images * bytes; means < end; means += bytes, variances += bytes, x += rows * bytes) {
    let done: usize = 0;
    if (fold > 1) {
      const squares = scratch + FOLDED_BYTES;
      spread(x, 0, whole, wide, scratch, squares);
      for (; done < fold; done++) merge(scratch + done * bytes, squares + done * bytes, whole, done, columns, means, variances);
      done *= whole;
    }
    spread(x + done * bytes, done, rows - done, columns, means, variances);
    multiply(variances, columns, 1 / f32(rows));
  }
}

/** How many rows are taken as one: so many that they fill whole vectors, several of them. */
function foldOf(rows: usize, columns: usize): usize {
  const fold = max(4, (NARROW / columns) & ~3);
  return columns < NARROW && rows >= ROWS * fold ? fold : 1;
}

function start(sums: usize, maxima: usize, count: usize, kinds: usize): void {
  if (kinds & SUMS) fill(sums, count, 0);
  if (kinds & MAXIMA) fill(maxima, count, -Infinity);
}

/** Adds rows of x, which lie `stride` apart, to their sums and maxima. */
function add(x: usize, rows: usize, stride: usize, columns: usize, kinds: usize, sums: usize, maxima: usize): void {
  const bytes = columns << 2;
  const whole = vectorBytes(columns);
  if (kinds == 0) return;
  for (; rows >= ROWS; rows -= ROWS, x += ROWS * stride) {
    if (kinds == SUMS) addRows(x, stride, whole, SUMS, sums, maxima);
    else if (kinds == MAXIMA) addRows(x, stride, whole, MAXIMA, sums, maxima);
    else if (kinds == (SUMS | MAXIMA)) addRows(x, stride, whole, SUMS | MAXIMA, sums, maxima); // asked once more, or the compiler makes one of both
    if (columns & 3) addRest(x, ROWS, stride, whole, bytes, kinds, sums, maxima);
  }
  if (rows > 0) addRest(x, rows, stride, 0, bytes, kinds, sums, maxima);
}

/** Seven rows, and so many bytes of each. */
// @ts-ignore: decorator
@inline
function addRows(x: usize, stride: usize, bytes: usize, kinds: usize, sums: usize, maxima: usize): void {
  for (let at = x, end = x + bytes; at < end; at += 16, sums += 16, maxima += 16) {
    let row = at;
    const a = v128.load(row), b = v128.load((row += stride)), c = v128.load((row += stride)), d = v128.load((row += stride));
    const e = v128.load((row += stride)), f = v128.load((row += stride)), g = v128.load((row += stride));
    if (kinds & SUMS) {
      const sum = f32x4.add(f32x4.add(f32x4.add(a, b), f32x4.add(c, d)), f32x4.add(f32x4.add(e, f), g));
      v128.store(sums, f32x4.add(v128.load(sums), sum));
    }
    if (kinds & MAXIMA) {
      // One instruction each. What is NaN alone stays NaN, in this order.
      const top = f32x4.pmax(f32x4.pmax(f32x4.pmax(a, b), f32x4.pmax(c, d)), f32x4.pmax(f32x4.pmax(e, f), g));
      v128.store(maxima, f32x4.pmax(top, v128.load(maxima)));
    }
  }
}

/** For few rows, and the columns from `offset` on. */
function addRest(x: usize, rows: usize, stride: usize, offset: usize, bytes: usize, kinds: usize, sums: usize, maxima: usize): void {
  for (; offset + 16 <= bytes; offset += 16) addColumns(x + offset, rows, stride, true, kinds, sums + offset, maxima + offset);
  for (; offset < bytes; offset += 4) addColumns(x + offset, rows, stride, false, kinds, sums + offset, maxima + offset);
}

/** Of four columns, or one. */
// @ts-ignore: decorator
@inline
function addColumns(x: usize, rows: usize, stride: usize, whole: bool, kinds: usize, sums: usize, maxima: usize): void {
  let sum = read(x, whole), top = sum;
  for (let r: usize = 1; r < rows; r++) {
    const value = read((x += stride), whole);
    sum = f32x4.add(sum, value);
    top = f32x4.pmax(top, value);
  }
  if (kinds & SUMS) write(sums, f32x4.add(read(sums, whole), sum), whole);
  if (kinds & MAXIMA) write(maxima, f32x4.pmax(top, read(maxima, whole)), whole);
}

function addProducts(x: usize, y: usize, columns: usize, sums: usize): void {
  const stride = columns << 2;
  const bytes = vectorBytes(columns);
  for (let at = x, other = y, to = sums; at < x + bytes; at += 16, other += 16, to += 16) {
    let p = at, q = other;
    const a = f32x4.mul(v128.load(p), v128.load(q));
    const b = f32x4.mul(v128.load((p += stride)), v128.load((q += stride)));
    const c = f32x4.mul(v128.load((p += stride)), v128.load((q += stride)));
    const d = f32x4.mul(v128.load((p += stride)), v128.load((q += stride)));
    const e = f32x4.mul(v128.load((p += stride)), v128.load((q += stride)));
    const f = f32x4.mul(v128.load((p += stride)), v128.load((q += stride)));
    const g = f32x4.mul(v128.load((p += stride)), v128.load((q += stride)));
    const sum = f32x4.add(f32x4.add(f32x4.add(a, b), f32x4.add(c, d)), f32x4.add(f32x4.add(e, f), g));
    v128.store(to, f32x4.add(v128.load(to), sum));
  }
  addProductsRest(x, y, ROWS, stride, bytes, sums);
}

/** For few rows, and the columns from `offset` on. */
function addProductsRest(x: usize, y: usize, rows: usize, stride: usize, offset: usize, sums: usize): void {
  while (offset < stride) {
    const whole = offset + 16 <= stride;
    let sum = read(sums + offset, whole);
    for (let r: usize = 0, at = offset; r < rows; r++, at += stride) sum = f32x4.add(sum, f32x4.mul(read(x + at, whole), read(y + at, whole)));
    write(sums + offset, sum, whole);
    offset += whole ? 16 : 4;
  }
}

/** The means of the columns, and the sums of their squares about them, of the `done` rows that they were made of and of those of x. */
function spread(x: usize, done: usize, rows: usize, columns: usize, means: usize, squares: usize): void {
  const stride = columns << 2;
  if (done == 0) {
    // To begin with, any value will do that is among the others; and where all are the same, the squares are then exactly 0.
    memory.copy(means, x, stride);
    fill(squares, columns, 0);
  }
  const end = done + rows;
  for (; done + ROWS <= end; done += ROWS, x += ROWS * stride) spreadRows(x, columns, 1 / f32(done + ROWS), means, squares);
  spreadRest(x, end - done, stride, 0, 1 / f32(end), means, squares);
}

function spreadRows(x: usize, columns: usize, share: f32, means: usize, squares: usize): void {
  const stride = columns << 2;
  const bytes = vectorBytes(columns);
  const shares = f32x4.splat(share);
  for (let at = x, toMean = means, toSquare = squares; at < x + bytes; at += 16, toMean += 16, toSquare += 16) {
    let row = at;
    const mean = v128.load(toMean);
    const a = f32x4.sub(v128.load(row), mean), b = f32x4.sub(v128.load((row += stride)), mean), c = f32x4.sub(v128.load((row += stride)), mean);
    const d = f32x4.sub(v128.load((row += stride)), mean), e = f32x4.sub(v128.load((row += stride)), mean);
    const f = f32x4.sub(v128.load((row += stride)), mean), g = f32x4.sub(v128.load((row += stride)), mean);
    const sum = f32x4.add(f32x4.add(f32x4.add(a, b), f32x4.add(c, d)), f32x4.add(f32x4.add(e, f), g));
    let square = f32x4.add(f32x4.add(f32x4.mul(a, a), f32x4.mul(b, b)), f32x4.add(f32x4.mul(c, c), f32x4.mul(d, d)));
    square = f32x4.add(square, f32x4.add(f32x4.add(f32x4.mul(e, e), f32x4.mul(f, f)), f32x4.mul(g, g)));
    const step = f32x4.mul(sum, shares);
    v128.store(toMean, f32x4.add(mean, step));
    // From squares about the old mean to those about the new one.
    v128.store(toSquare, f32x4.add(v128.load(toSquare), f32x4.sub(square, f32x4.mul(sum, step))));
  }
  spreadRest(x, ROWS, stride, bytes, share, means, squares);
}

/** For few rows, and the columns from `offset` on. */
function spreadRest(x: usize, rows: usize, stride: usize, offset: usize, share: f32, means: usize, squares: usize): void {
  while (offset < stride) {
    const whole = offset + 16 <= stride;
    const mean = read(means + offset, whole);
    let sum = f32x4.splat(0), square = sum;
    for (let r: usize = 0, at = x + offset; r < rows; r++, at += stride) {
      const distance = f32x4.sub(read(at, whole), mean);
      sum = f32x4.add(sum, distance);
      square = f32x4.add(square, f32x4.mul(distance, distance));
    }
    const step = f32x4.mul(sum, f32x4.splat(share));
    write(means + offset, f32x4.add(mean, step), whole);
    write(squares + offset, f32x4.add(read(squares + offset, whole), f32x4.sub(square, f32x4.mul(sum, step))), whole);
    offset += whole ? 16 : 4;
  }
}

/** Adds the moments of `count` rows to those of `parts` times as many (Chan et al. 1979). */
function merge(fromMeans: usize, fromSquares: usize, count: usize, parts: usize, columns: usize, means: usize, squares: usize): void {
  if (parts == 0) {
    memory.copy(means, fromMeans, columns << 2);
    fill(squares, columns, 0);
  }
  const share: f32 = 1 / f32(parts + 1);
  for (const end = means + (columns << 2); means < end; means += 4, squares += 4, fromMeans += 4, fromSquares += 4) {
    const distance = load<f32>(fromMeans) - load<f32>(means);
    store<f32>(means, load<f32>(means) + distance * share);
    store<f32>(squares, load<f32>(squares) + load<f32>(fromSquares) + distance * distance * f32(count * parts) * share);
  }
}
