// 2-D convolution, directly: four neighbouring outputs by eight filters at a time, their 32 sums in registers.
//
// All pointers are in bytes, all tensors row-major and contiguous.

import { bounded, largest, least } from './activate';
import { madd } from '../common/simd';

/** Filters of a panel: two vectors. */
const LANES: usize = 8;

/** Of a panel: the biases, the kernels' values, and a pixel of zeros. */
export function panelBytes(taps: usize, depth: usize): usize {
  return (LANES + taps * depth * LANES + depth) << 2;
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
      // Past the end of a row a tile computed outputs that are nobody's.
      const rest = outWidth - column;
      storeLanes(out, c00, c01, bottom, top, lanes);
      if (rest > 1) storeLanes(out + outBytes, c10, c11, bottom, top, lanes);
      if (rest > 2) storeLanes(out + 2 * outBytes, c20, c21, bottom, top, lanes);
      if (rest > 3) storeLanes(out + 3 * outBytes, c30, c31, bottom, top, lanes);
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

// @ts-ignore: decorator
@inline
function copyLanes(from: usize, lanes: usize, to: usize): void {
  if (lanes == LANES) {
    v128.store(to, v128.load(from));
    v128.store(to, v128.load(from, 16), 16);
  } else {
    for (let t: usize = 0; t < LANES; t++) store<f32>(to + (t << 2), t < lanes ? load<f32>(from + (t << 2)) : 0);
  }
}

/** Stores up to eight values, within bounds. */
// @ts-ignore: decorator
@inline
function storeLanes(to: usize, low: v128, high: v128, bottom: v128, top: v128, lanes: usize): void {
  low = bounded(low, bottom, top);
  high = bounded(high, bottom, top);
  if (lanes >= 4) {
    v128.store(to, low);
    if (lanes == LANES) {
      v128.store(to, high, 16);
      return;
    }
    low = high;
    lanes -= 4;
    to += 16;
  }
  if (lanes > 0) store<f32>(to, f32x4.extract_lane(low, 0));
  if (lanes > 1) store<f32>(to, f32x4.extract_lane(low, 1), 4);
  if (lanes > 2) store<f32>(to, f32x4.extract_lane(low, 2), 8);
}
