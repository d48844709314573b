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

/** sums `[columns]` += Σ weight·row, for the rows of x, with a weight each. */
export function addWeighted(x: usize, rows: usize, columns: usize, weights: usize, sums: usize): void {
  const stride = columns << 2;
  for (; rows >= ROWS; rows -= ROWS, x += ROWS * stride, weights += ROWS << 2) weighted(x, ROWS, stride, columns, weights, sums);
  for (; rows > 0; rows--, x += stride, weights += 4) weighted(x, 1, stride, columns, weights, sums);
}

// @ts-ignore: decorator
@inline
function weighted(x: usize, rows: usize, stride: usize, columns: usize, weights: usize, sums: usize): void {
  const bytes = vectorBytes(columns);
  const all = rows == ROWS;
  const a = v128.load32_splat(weights), b = all ? v128.load32_splat(weights, 4) : a, c = all ? v128.load32_splat(weights, 8) : a;
  const d = all ? v128.load32_splat(weights, 12) : a, e = all ? v128.load32_splat(weights, 16) : a;
  const f = all ? v128.load32_splat(weights, 20) : a, g = all ? v128.load32_splat(weights, 24) : a;
  for (let at = x, to = sums; at < x + bytes; at += 16, to += 16) {
    let row = at;
    let left = f32x4.add(v128.load(to), f32x4.mul(v128.load(row), a));
    if (all) {
      let right = f32x4.mul(v128.load((row += stride)), b);
      left = f32x4.add(left, f32x4.mul(v128.load((row += stride)), c));
      right = f32x4.add(right, f32x4.mul(v128.load((row += stride)), d));
      left = f32x4.add(left, f32x4.mul(v128.load((row += stride)), e));
      right = f32x4.add(right, f32x4.mul(v128.load((row += stride)), f));
      left = f32x4.add(left, f32x4.add(right, f32x4.mul(v128.load((row += stride)), g)));
    }
    v128.store(to, left);
  }
  if (bytes < stride) addWeightedSingly(x, rows, stride, bytes, weights, sums);
}

/** For the columns from `offset` on. */
function addWeightedSingly(x: usize, rows: usize, stride: usize, offset: usize, weights: usize, sums: usize): void {
  for (const end = x + rows * stride; x < end; x += stride, weights += 4) {
    for (let c = offset; c < stride; c += 4) store<f32>(sums + c, load<f32>(sums + c) + load<f32>(x + c) * load<f32>(weights));
  }
}
