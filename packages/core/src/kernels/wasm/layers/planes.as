// The convolution of a few planes with one filter: sixteen neighbouring values of two rows at a time, their sums in eight registers.
//
// All pointers and strides are in bytes.

import { madd } from '../common/simd';

/** Columns and rows of a tile. */
const COLUMNS: usize = 16;
const ROWS: usize = 2;

/** From one row to the next of planes with margins for a kernel of some width, filled up to whole tiles. */
export function planePitch(width: usize, kernelWidth: usize): usize {
  return (((width + COLUMNS - 1) & ~(COLUMNS - 1)) + kernelWidth - 1) << 2;
}

/** Of a plane with margins, for so many rows of results. */
export function planeBytes(rows: usize, kernelHeight: usize, pitch: usize): usize {
  return (((rows + ROWS - 1) & ~(ROWS - 1)) + kernelHeight - 1) * pitch;
}

/** Copies the rows of a plane `[height, width]` from row `y` on, of which there need not be any, to `[…, pitch]`, with margins of zeros on all sides. */
export function padPlane(plane: usize, height: i32, width: usize, y: i32, margin: usize, pitch: usize, to: usize, end: usize): void {
  const left = margin << 2;
  const bytes = width << 2;
  for (; to < end; to += pitch, y++) {
    memory.fill(to, 0, pitch);
    if (<u32>y < <u32>height) memory.copy(to + left, plane + <usize>y * bytes, bytes);
  }
}

/**
 * out `[rows, width]` of padded planes that lie `planeBytes` apart, for a kernel whose values are `down` and `across` apart along its columns and rows,
 * and next to each other for different planes; times gamma / √(variance + epsilon), after the mean is taken off, plus beta. Each of these may be 0.
 */
export function convolvePlanes(
  padded: usize, planes: usize, planeBytes: usize, pitch: usize, kernel: usize, height: usize, width: usize, down: usize, across: usize,
  gamma: usize, beta: usize, mean: usize, variance: usize, epsilon: f32, out: usize, rows: usize, columns: usize,
): void {
  const factor: f32 = gamma ? load<f32>(gamma) / sqrt<f32>(load<f32>(variance) + epsilon) : 1;
  const offset: f32 = (beta ? load<f32>(beta) : 0) - (mean ? load<f32>(mean) * factor : 0);
  const factors = f32x4.splat(factor), offsets = f32x4.splat(offset);
  const zero = f32x4.splat(0);
  for (let row: usize = 0; row < rows; row += ROWS) {
    for (let column: usize = 0; column < columns; column += COLUMNS) {
      let a0 = zero, a1 = zero, a2 = zero, a3 = zero, b0 = zero, b1 = zero, b2 = zero, b3 = zero;
      for (let plane: usize = 0; plane < planes; plane++) {
        const start = padded + plane * planeBytes + row * pitch + (column << 2);
        for (let y: usize = 0; y < height; y++) {
          let weight = kernel + (plane << 2) + y * down;
          let upper = start + y * pitch;
          let lower = upper + pitch;
          for (const end = upper + (width << 2); upper < end; upper += 4, lower += 4, weight += across) {
            const value = v128.load32_splat(weight);
            a0 = madd(value, v128.load(upper), a0);
            a1 = madd(value, v128.load(upper, 16), a1);
            a2 = madd(value, v128.load(upper, 32), a2);
            a3 = madd(value, v128.load(upper, 48), a3);
            b0 = madd(value, v128.load(lower), b0);
            b1 = madd(value, v128.load(lower, 16), b1);
            b2 = madd(value, v128.load(lower, 32), b2);
            b3 = madd(value, v128.load(lower, 48), b3);
          }
        }
      }
      const to = out + ((row * columns + column) << 2);
      const count = min(COLUMNS, columns - column);
      storeRow(to, count, madd(a0, factors, offsets), madd(a1, factors, offsets), madd(a2, factors, offsets), madd(a3, factors, offsets));
      if (row + 1 == rows) continue;
      storeRow(to + (columns << 2), count, madd(b0, factors, offsets), madd(b1, factors, offsets), madd(b2, factors, offsets), madd(b3, factors, offsets));
    }
  }
}

/** The first `count` of sixteen values. */
function storeRow(to: usize, count: usize, v0: v128, v1: v128, v2: v128, v3: v128): void {
  for (; count >= 4; count -= 4, to += 16) {
    v128.store(to, v0);
    v0 = v1;
    v1 = v2;
    v2 = v3;
  }
  if (count > 0) store<f32>(to, f32x4.extract_lane(v0, 0));
  if (count > 1) store<f32>(to, f32x4.extract_lane(v0, 1), 4);
  if (count > 2) store<f32>(to, f32x4.extract_lane(v0, 2), 8);
}
