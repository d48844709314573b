// Matrix products: four rows by eight columns at a time, their 32 sums in registers.
//
// AssemblyScript; `npm run build:kernels` makes product-binary.ts of it, for other programs. All pointers are in bytes. The right-hand matrix is packed
// as panels of eight columns, which a tile reads from front to back. The left-hand one, the result and what is packed may lie anyhow in a larger
// tensor, as a column of a map does.

import { LANES } from './common/product';
import { madd } from './common/simd';

/** x `[n, columns]`, whose rows lie `rowBytes` apart, as panels `[⌈columns / 8⌉, n, 8]`. What fills the last one up is undefined. */
export function pack(x: usize, rowBytes: usize, n: usize, columns: usize, to: usize): void {
  const panelBytes = n * (LANES << 2);
  const whole = columns & ~(LANES - 1);
  for (let i: usize = 0; i < n; i++, x += rowBytes, to += LANES << 2) {
    let at = to;
    let from = x;
    for (const end = x + (whole << 2); from < end; from += LANES << 2, at += panelBytes) {
      v128.store(at, v128.load(from));
      v128.store(at, v128.load(from, 16), 16);
    }
    for (const end = x + (columns << 2); from < end; from += 4, at += 4) store<f32>(at, load<f32>(from));
  }
}

/** xᵀ of x `[n, depth]`, whose rows lie `rowBytes` apart, as panels `[⌈n / 8⌉, depth, 8]`. What fills the last one up is undefined. */
export function packTransposed(x: usize, rowBytes: usize, n: usize, depth: usize, to: usize): void {
  for (let i: usize = 0; i < n; i++, x += rowBytes) {
    let at = to + (((i & ~(LANES - 1)) * depth + (i & (LANES - 1))) << 2);
    for (let from = x, end = x + (depth << 2); from < end; from += 4, at += LANES << 2) store<f32>(at, load<f32>(from));
  }
}

/**
 * out `[rows, columns]` = a·b, or with factors (else 0) factor · out + a·b, one factor for each row.
 *
 * @param a `[rows, count]`: its rows lie `rowBytes` apart, the values of a row `stepBytes`
 * @param b panels `[⌈columns / 8⌉, count, 8]`
 * @param outBytes how far rows of out lie apart
 * @param factorBytes how far factors lie apart: 0 for the same in all rows
 * @param spare space of SPARE_BYTES
 */
export function multiply(
  a: usize, rowBytes: usize, stepBytes: usize, rows: usize, b: usize, count: usize, out: usize, outBytes: usize, columns: usize,
  factors: usize, factorBytes: usize, spare: usize,
): void {
  const panelBytes = count * (LANES << 2);
  const zero = f32x4.splat(0);
  for (const end = out + (columns << 2); out < end; out += LANES << 2, b += panelBytes) {
    const lanes = min(LANES, (end - out) >> 2);
    const whole = lanes == LANES;
    const tileBytes = whole ? outBytes : LANES << 2;
    for (let r: usize = 0; r < rows; r += 4) {
      // Past the last row a tile takes that one again, and makes the same of it.
      const last = min(3, rows - 1 - r);
      const r1 = min(1, last), r2 = min(2, last);
      const tile = out + r * outBytes;
      const d0 = whole ? tile : spare, d1 = d0 + r1 * tileBytes, d2 = d0 + r2 * tileBytes, d3 = d0 + last * tileBytes;
      let c00 = zero, c01 = zero, c10 = zero, c11 = zero, c20 = zero, c21 = zero, c30 = zero, c31 = zero;
      if (factors) {
        if (!whole) copyRows(tile, outBytes, last, lanes, spare, tileBytes);
        const at = factors + r * factorBytes;
        let factor = v128.load32_splat(at);
        c00 = f32x4.mul(factor, v128.load(d0)), c01 = f32x4.mul(factor, v128.load(d0, 16));
        factor = v128.load32_splat(at + r1 * factorBytes);
        c10 = f32x4.mul(factor, v128.load(d1)), c11 = f32x4.mul(factor, v128.load(d1, 16));
        factor = v128.load32_splat(at + r2 * factorBytes);
        c20 = f32x4.mul(factor, v128.load(d2)), c21 = f32x4.mul(factor, v128.load(d2, 16));
        factor = v128.load32_splat(at + last * factorBytes);
        c30 = f32x4.mul(factor, v128.load(d3)), c31 = f32x4.mul(factor, v128.load(d3, 16));
      }
      let a0 = a + r * rowBytes, a1 = a0 + r1 * rowBytes, a2 = a0 + r2 * rowBytes, a3 = a0 + last * rowBytes;
      for (let at = b; at < b + panelBytes; at += LANES << 2, a0 += stepBytes, a1 += stepBytes, a2 += stepBytes, a3 += stepBytes) {
        const left = v128.load(at), right = v128.load(at, 16);
        let value = v128.load32_splat(a0);
        c00 = madd(value, left, c00), c01 = madd(value, right, c01);
        value = v128.load32_splat(a1);
        c10 = madd(value, left, c10), c11 = madd(value, right, c11);
        value = v128.load32_splat(a2);
        c20 = madd(value, left, c20), c21 = madd(value, right, c21);
        value = v128.load32_splat(a3);
        c30 = madd(value, left, c30), c31 = madd(value, right, c31);
      }
      v128.store(d0, c00), v128.store(d0, c01, 16);
      v128.store(d1, c10), v128.store(d1, c11, 16);
      v128.store(d2, c20), v128.store(d2, c21, 16);
      v128.store(d3, c30), v128.store(d3, c31, 16);
      if (!whole) copyRows(spare, tileBytes, last, lanes, tile, outBytes);
    }
  }
}

/** Rows 0 to `last` of a tile, of fewer columns than a panel has. */
function copyRows(from: usize, fromBytes: usize, last: usize, columns: usize, to: usize, toBytes: usize): void {
  for (let r: usize = 0; r <= last; r++, from += fromBytes, to += toBytes) {
    for (let c: usize = 0; c < columns << 2; c += 4) store<f32>(to + c, load<f32>(from + c));
  }
}
