// What programs that pool rows share. Rows are taken seven at a time, so that a result in the making is read and written once for seven values, and
// since the sides of most maps are 7, 14, 28 or 56.

export const ROWS: usize = 7;

/** Of a row of columns, the bytes that are whole vectors. */
// @ts-ignore: decorator
@inline
export function vectorBytes(columns: usize): usize {
  return (columns << 2) & ~15;
}

/** to `[count]` = value */
export function fill(to: usize, count: usize, value: f32): void {
  for (const end = to + (count << 2); to < end; to += 4) store<f32>(to, value);
}

/** to `[count]` ·= factor */
export function multiply(to: usize, count: usize, factor: f32): void {
  const end = to + (count << 2);
  for (; to + 16 <= end; to += 16) v128.store(to, f32x4.mul(v128.load(to), f32x4.splat(factor)));
  for (; to < end; to += 4) store<f32>(to, load<f32>(to) * factor);
}

/** Four columns, or the first of them alone. */
// @ts-ignore: decorator
@inline
export function read(at: usize, whole: bool): v128 {
  return whole ? v128.load(at) : v128.load32_splat(at);
}

/** Stores what {@link read} gave. */
// @ts-ignore: decorator
@inline
export function write(at: usize, values: v128, whole: bool): void {
  if (whole) v128.store(at, values);
  else v128.store_lane<f32>(at, values, 0);
}

/** sums `[columns]` += Σ weight·row, for the rows of x, with a weight each. */
export function addWeighted(x: usize, rows: usize, columns: usize, weights: usize, sums: usize): void {
  const stride = columns << 2;
  for (; rows >= ROWS; rows -= ROWS, x += ROWS * stride, weights += ROWS << 2) addSeven(x, stride, columns, weights, sums);
  if (rows > 0) addWeightedRest(x, rows, stride, 0, weights, sums);
}

// @ts-ignore: decorator
@inline
function addSeven(x: usize, stride: usize, columns: usize, weights: usize, sums: usize): void {
  const bytes = vectorBytes(columns);
  const a = v128.load32_splat(weights), b = v128.load32_splat(weights, 4), c = v128.load32_splat(weights, 8), d = v128.load32_splat(weights, 12);
  const e = v128.load32_splat(weights, 16), f = v128.load32_splat(weights, 20), g = v128.load32_splat(weights, 24);
  for (let at = x, to = sums; at < x + bytes; at += 16, to += 16) {
    let row = at;
    let left = f32x4.add(v128.load(to), f32x4.mul(v128.load(row), a));
    let right = f32x4.mul(v128.load((row += stride)), b);
    left = f32x4.add(left, f32x4.mul(v128.load((row += stride)), c));
    right = f32x4.add(right, f32x4.mul(v128.load((row += stride)), d));
    left = f32x4.add(left, f32x4.mul(v128.load((row += stride)), e));
    right = f32x4.add(right, f32x4.mul(v128.load((row += stride)), f));
    left = f32x4.add(left, f32x4.add(right, f32x4.mul(v128.load((row += stride)), g)));
    v128.store(to, left);
  }
  if (bytes < stride) addWeightedRest(x, ROWS, stride, bytes, weights, sums);
}

/** For few rows, and the columns from `offset` on. */
function addWeightedRest(x: usize, rows: usize, stride: usize, offset: usize, weights: usize, sums: usize): void {
  while (offset < stride) {
    const whole = offset + 16 <= stride;
    let sum = read(sums + offset, whole);
    for (let r: usize = 0, at = x + offset; r < rows; r++, at += stride) {
      sum = f32x4.add(sum, f32x4.mul(read(at, whole), v128.load32_splat(weights + (r << 2))));
    }
    write(sums + offset, sum, whole);
    offset += whole ? 16 : 4;
  }
}
