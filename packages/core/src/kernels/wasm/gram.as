// The Gram matrix of a map's channels, Σ x·xᵀ over its positions: a product of panels with themselves, of which only the upper half is computed.
//
// AssemblyScript; `npm run build:kernels` makes gram-binary.ts of it. All pointers are in bytes, all tensors row-major and contiguous.

import { LANES, multiply, pack, padded, SPARE_BYTES } from './common/product';

/** Rows and columns that are mirrored at once, for the cache's sake. */
const BLOCK: usize = 16;
const CONSTANTS: usize = 4 + SPARE_BYTES;

/** Of the scratch space for panels of so many positions. */
export function scratchBytes(positions: usize, channels: usize): usize {
  return CONSTANTS + ((positions * padded(channels)) << 2);
}

/**
 * The upper half of the Gram matrix of x `[positions, channels]`, each less the `mean` `[channels]` (or 0 for none), is stored to out
 * `[channels, channels]`, or, if not the `first`, added to it.
 */
export function accumulate(x: usize, positions: usize, channels: usize, mean: usize, first: bool, out: usize, scratch: usize): void {
  const one = scratch;
  const spare = scratch + 4;
  const rowBytes = channels << 2;
  let panel = scratch + CONSTANTS;
  store<f32>(one, 1);
  pack(x, rowBytes, positions, channels, panel);
  if (mean) centre(panel, positions, channels, mean);
  for (let i: usize = 0; i < channels; i += LANES) {
    const rows = min(LANES, channels - i);
    // A panel, whose rows are positions, read the other way is the left-hand side.
    multiply(panel, 4, LANES << 2, rows, panel, positions, out, rowBytes, channels - i, first ? 0 : one, 0, spare);
    panel += (positions * LANES) << 2;
    out += LANES * (rowBytes + 4);
  }
}

/** Takes from the positions of panels the mean of each channel. */
// @ts-ignore: decorator
@inline
function centre(panel: usize, positions: usize, channels: usize, mean: usize): void {
  for (let c: usize = 0; c < channels; c += LANES, mean += LANES << 2) {
    const lanes = min(LANES, channels - c);
    for (let p: usize = 0; p < positions; p++, panel += LANES << 2) {
      if (lanes == LANES) {
        v128.store(panel, f32x4.sub(v128.load(panel), v128.load(mean)));
        v128.store(panel, f32x4.sub(v128.load(panel, 16), v128.load(mean, 16)), 16);
      } else {
        for (let t: usize = 0; t < lanes << 2; t += 4) store<f32>(panel + t, load<f32>(panel + t) - load<f32>(mean + t));
      }
    }
  }
}

/** Multiplies the upper half of `[n, n]` with a factor, and mirrors it. */
export function mirror(to: usize, n: usize, factor: f32): void {
  for (let i: usize = 0; i < n; i += BLOCK) {
    for (let j: usize = i; j < n; j += BLOCK) {
      for (let row: usize = i; row < min(i + BLOCK, n); row++) {
        for (let column: usize = max(j, row); column < min(j + BLOCK, n); column++) {
          const value = load<f32>(to + ((row * n + column) << 2)) * factor;
          store<f32>(to + ((row * n + column) << 2), value);
          store<f32>(to + ((column * n + row) << 2), value);
        }
      }
    }
  }
}

/** factor · (dy + dyᵀ) of dy `[n, n]`, as panels. */
export function packSymmetric(dy: usize, n: usize, factor: f32, scratch: usize): void {
  let to = scratch + CONSTANTS;
  for (let c: usize = 0; c < n; c += LANES) {
    const end = min(c + LANES, n);
    for (let row: usize = 0; row < n; row++, to += LANES << 2) {
      for (let column = c, at = to; column < end; column++, at += 4) {
        store<f32>(at, factor * (load<f32>(dy + ((row * n + column) << 2)) + load<f32>(dy + ((column * n + row) << 2))));
      }
    }
  }
}

/** out `[rows, n]` = x `[rows, n]` times the matrix that {@link packSymmetric} left in the scratch space. */
export function multiplyRows(x: usize, rows: usize, n: usize, out: usize, scratch: usize): void {
  multiply(x, n << 2, 4, rows, scratch + CONSTANTS, n, out, n << 2, n, 0, 0, scratch);
}
