// Matrix products by tiles of four rows by eight columns, and how the factors are packed for them.

import { madd } from './simd';

/** Columns of a tile: two vectors. */
export const LANES: usize = 8;

/** x `[rows, columns]` with `width` rows side by side, `[⌈rows / width⌉, columns, width]`, the last ones filled up with zeros. */
export function interleaveRows(x: usize, rows: usize, columns: usize, width: usize, to: usize): void {
  for (let i: usize = 0; i < rows; i += width) {
    for (let c: usize = 0; c < columns; c++) {
      for (let t: usize = 0; t < width; t++, to += 4) store<f32>(to, i + t < rows ? load<f32>(x + (((i + t) * columns + c) << 2)) : 0);
    }
  }
}

/** x `[rows, columns]` as panels of 8 columns, `[⌈columns / 8⌉, rows, 8]`, the last one filled up with zeros. */
export function splitColumns(x: usize, rows: usize, columns: usize, to: usize): void {
  for (let c: usize = 0; c < columns; c += LANES) {
    for (let i: usize = 0; i < rows; i++) {
      for (let t: usize = 0; t < LANES; t++, to += 4) store<f32>(to, c + t < columns ? load<f32>(x + ((i * columns + c + t) << 2)) : 0);
    }
  }
}

/**
 * c `[4, 8]`, whose rows lie `stride` apart, = aᵀ·b, or with `add` c + aᵀ·b, for b `[count, 8]` and a `[count, 4]`, whose values lie `apart` and whose rows
 * `step` bytes from one another.
 */
export function multiplyAdd(a: usize, apart: usize, step: usize, b: usize, count: usize, c: usize, stride: usize, add: bool): void {
  let a1 = a + apart;
  let a2 = a1 + apart;
  let a3 = a2 + apart;
  const d1 = c + stride;
  const d2 = d1 + stride;
  const d3 = d2 + stride;
  const zero = f32x4.splat(0);
  let c00 = zero, c01 = zero, c10 = zero, c11 = zero, c20 = zero, c21 = zero, c30 = zero, c31 = zero;
  if (add) {
    c00 = v128.load(c), c01 = v128.load(c, 16);
    c10 = v128.load(d1), c11 = v128.load(d1, 16);
    c20 = v128.load(d2), c21 = v128.load(d2, 16);
    c30 = v128.load(d3), c31 = v128.load(d3, 16);
  }
  for (const end = b + (count << 5); b < end; b += 32, a += step, a1 += step, a2 += step, a3 += step) {
    const left = v128.load(b), right = v128.load(b, 16);
    let value = v128.load32_splat(a);
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

/** A count of values filled up to whole tiles. */
// @ts-ignore: decorator
@inline
export function padded(count: usize, width: usize): usize {
  return (count + width - 1) / width * width;
}
