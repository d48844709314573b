// 2-D convolution, directly: four neighbouring outputs by eight filters at a time, their 32 sums in registers.
//
// All pointers are in bytes, all tensors row-major and contiguous.

import { bounded, largest, least } from './activate';
import { madd } from '../common/simd';

/** Filters of a panel: two vectors. */
const LANES: usize = 8;

/** Of a panel: the biases, the kernels' values, a pixel of zeros, and space for a tile. */
export function panelBytes(taps: usize, depth: usize): usize {
  return (LANES + taps * depth * LANES + depth + 4 * LANES) << 2;
}

/**
 * Up to 8 filters of kernel `[taps, depth, filters]`, from the one at `kernel` on, times their factors, and their biases (or 0 for neither)
 * as a panel, filled up with zeros.
 */
export function packFilters(
  kernel: usize, taps: usize, depth: usize, filters: usize, lanes: usize, factor: usize, bias: usize, panel: usize,
): void {
  const start = panel + (LANES << 2);
  const end = start + ((taps * depth * LANES) << 2);
  for (let to = start; to < end; to += LANES << 2, kernel += filters << 2) copyLanes(kernel, lanes, to);
  memory.fill(end, 0, depth << 2);
  memory.fill(panel, 0, LANES << 2);
  if (factor == 0) return;
  copyLanes(factor, lanes, panel); // where the biases then go
  const low = v128.load(panel), high = v128.load(panel, 16);
  for (let to = start; to < end; to += LANES << 2) {
    v128.store(to, f32x4.mul(v128.load(to), low));
    v128.store(to, f32x4.mul(v128.load(to, 16), high), 16);
  }
  copyLanes(bias, lanes, panel);
}

/**
 * The convolution of an image with the filters of a panel, and the bounds of an activation.
 *
 * x is the first channel that they see in the image `[height, width, inputs]`, out their first channel in `[outHeight, outWidth, filters]`.
 */
export function convolveFilters(
  x: usize, height: i32, width: i32, inputs: usize, panel: usize, k: i32, depth: usize, lanes: usize,
  stride: i32, dilation: i32, padding: i32, out: usize, outHeight: i32, outWidth: i32, filters: usize, kind: i32,
): void {
  const kernel = panel + (LANES << 2);
  const tapBytes = (depth * LANES) << 2;
  const zeros = kernel + <usize>(k * k) * tapBytes;
  const spare = zeros + (depth << 2);
  const outBytes = filters << 2;
  const low = v128.load(panel), high = v128.load(panel, 16);
  const bottom = least(kind), top = largest(kind);
  for (let row: i32 = 0; row < outHeight; row++) {
    for (let column: i32 = 0; column < outWidth; column += 4) {
      let c00 = low, c01 = high, c10 = low, c11 = high, c20 = low, c21 = high, c30 = low, c31 = high;
      let b = kernel;
      let y = row * stride - padding;
      for (let i: i32 = 0; i < k; i++, y += dilation) {
        if (<u32>y >= <u32>height) {
          b += <usize>k * tapBytes;
          continue;
        }
        const line = x + ((<usize>(y * width) * inputs) << 2);
        let at = column * stride - padding;
        for (let j: i32 = 0; j < k; j++, at += dilation) {
          let a0 = pixel(line, at, width, inputs, zeros);
          let a1 = pixel(line, at + stride, width, inputs, zeros);
          let a2 = pixel(line, at + 2 * stride, width, inputs, zeros);
          let a3 = pixel(line, at + 3 * stride, width, inputs, zeros);
          for (const end = b + tapBytes; b < end; b += LANES << 2, a0 += 4, a1 += 4, a2 += 4, a3 += 4) {
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
        }
      }
      const rest = outWidth - column;
      c00 = bounded(c00, bottom, top), c01 = bounded(c01, bottom, top), c10 = bounded(c10, bottom, top), c11 = bounded(c11, bottom, top);
      c20 = bounded(c20, bottom, top), c21 = bounded(c21, bottom, top), c30 = bounded(c30, bottom, top), c31 = bounded(c31, bottom, top);
      const whole = lanes == LANES && rest > 3;
      const step = whole ? outBytes : LANES << 2;
      const d0 = whole ? out : spare, d1 = d0 + step, d2 = d1 + step, d3 = d2 + step;
      v128.store(d0, c00), v128.store(d0, c01, 16), v128.store(d1, c10), v128.store(d1, c11, 16);
      v128.store(d2, c20), v128.store(d2, c21, 16), v128.store(d3, c30), v128.store(d3, c31, 16);
      // Past the end of a row a tile computed outputs that are nobody's.
      if (!whole) copyRows(spare, min(4, rest), lanes, out, outBytes);
      out += <usize>min(4, rest) * outBytes;
    }
  }
}

/** The pixel `at` of a line; zeros where the line has none. */
// @ts-ignore: decorator
@inline
function pixel(line: usize, at: i32, width: i32, inputs: usize, zeros: usize): usize {
  return <u32>at < <u32>width ? line + ((<usize>at * inputs) << 2) : zeros;
}

function copyLanes(from: usize, lanes: usize, to: usize): void {
  if (lanes == LANES) {
    v128.store(to, v128.load(from));
    v128.store(to, v128.load(from, 16), 16);
  } else {
    for (let t: usize = 0; t < LANES; t++) store<f32>(to + (t << 2), t < lanes ? load<f32>(from + (t << 2)) : 0);
  }
}

/** The outputs of a tile that some are wanted of, rows of `lanes` values. */
function copyRows(from: usize, rows: usize, lanes: usize, to: usize, toBytes: usize): void {
  for (; rows > 0; rows--, from += LANES << 2, to += toBytes) {
    let at: usize = 0;
    for (; at + 16 <= lanes << 2; at += 16) v128.store(to + at, v128.load(from + at));
    for (; at < lanes << 2; at += 4) store<f32>(to + at, load<f32>(from + at));
  }
}
