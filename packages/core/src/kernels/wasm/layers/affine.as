// An affine map of each channel and an activation, in one pass over a map.
//
// All pointers are in bytes.

import { CONSTANTS, HARD_SWISH, LEAKY_RELU, SILU, bounded, hardSwish, largest, leakyRelu, least, silu } from './activate';
import { factorsIn, period } from './fold';
import { madd } from '../common/simd';

/** out, which may be x, = activation(x·factor + offset), of so many bytes, which begin where the channels do. */
export function affine(x: usize, bytes: usize, channels: usize, kind: i32, scratch: usize, out: usize): void {
  const factors = factorsIn(scratch);
  const periodBytes = period(channels) << 2;
  let at = factors;
  while (bytes >= 16) {
    const run = min(bytes, periodBytes) & ~15;
    mapRun(x, run, kind, factors, periodBytes, scratch, out);
    at = run < periodBytes ? factors + run : factors;
    x += run, out += run, bytes -= run;
  }
  if (bytes == 0) return;
  const rest = scratch + CONSTANTS;
  memory.copy(rest, x, bytes);
  mapRun(rest, 16, kind, at, periodBytes, scratch, rest);
  memory.copy(out, rest, bytes);
}

/** The same of whole vectors within a period, whose offsets lie `offsets` behind their factors. */
function mapRun(x: usize, bytes: usize, kind: i32, factor: usize, offsets: usize, constants: usize, out: usize): void {
  const end = out + bytes;
  let offset = factor + offsets;
  if (kind == SILU) {
    for (; out < end; x += 16, out += 16, factor += 16, offset += 16) v128.store(out, silu(affineOf(x, factor, offset), constants));
  } else if (kind == HARD_SWISH) {
    for (; out < end; x += 16, out += 16, factor += 16, offset += 16) v128.store(out, hardSwish(affineOf(x, factor, offset)));
  } else if (kind == LEAKY_RELU) {
    for (; out < end; x += 16, out += 16, factor += 16) v128.store(out, leakyRelu(affineOf(x, factor, factor + offsets)));
  } else {
    const low = least(kind), high = largest(kind);
    for (; out + 64 <= end; x += 64, out += 64, factor += 64, offset += 64) {
      v128.store(out, bounded(affineOf(x, factor, offset), low, high));
      v128.store(out, bounded(madd(v128.load(x, 16), v128.load(factor, 16), v128.load(offset, 16)), low, high), 16);
      v128.store(out, bounded(madd(v128.load(x, 32), v128.load(factor, 32), v128.load(offset, 32)), low, high), 32);
      v128.store(out, bounded(madd(v128.load(x, 48), v128.load(factor, 48), v128.load(offset, 48)), low, high), 48);
    }
    for (; out < end; x += 16, out += 16, factor += 16, offset += 16) v128.store(out, bounded(affineOf(x, factor, offset), low, high));
  }
}

// @ts-ignore: decorator
@inline
function affineOf(x: usize, factor: usize, offset: usize): v128 {
  return madd(v128.load(x), v128.load(factor), v128.load(offset));
}
