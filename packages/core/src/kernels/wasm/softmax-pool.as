// A mean of rows with weights made of the rows themselves (Cao et al. 2019, equation 2), in one pass: the scores and the weighted sum of a chunk of
// rows, while it is in the cache. The sum so far is corrected as new rows raise the maximum of the scores.
//
// AssemblyScript; `npm run build:kernels` makes softmax-pool-binary.ts of it. All pointers are in bytes, all matrices row-major and contiguous.

import { reduceRows } from './common/channels';
import { exponential, EXPONENTIAL_BYTES, storeExponential } from './common/exponential';
import { addWeighted, fill, multiply } from './common/rows';

/** What the rows of a chunk take: about half of the innermost cache. */
const CHUNK_BYTES: usize = 1 << 14;
/** The most rows of a chunk. */
const ROWS: usize = 224;

/** Of the scratch space of {@link poolSoftmax}. */
export function scratchBytes(): usize {
  return EXPONENTIAL_BYTES + (ROWS << 2);
}

/** out `[images, columns]` = Σ softmax(x·kernel + bias)·x over the rows of each image of x `[images, rows, columns]`, for a kernel `[columns]`. */
export function poolSoftmax(x: usize, images: usize, rows: usize, columns: usize, kernel: usize, out: usize, scratch: usize): void {
  const bytes = columns << 2;
  const scores = scratch + EXPONENTIAL_BYTES;
  // A multiple of what is taken at a time.
  const chunk = min(ROWS, max(28, CHUNK_BYTES / bytes / 28 * 28));
  storeExponential(scratch);
  for (; images > 0; images--, out += bytes) {
    let maximum: f32 = -3.0e38, total: f32 = 0;
    fill(out, columns, 0);
    for (let left = rows; left > 0; ) {
      const count = min(chunk, left);
      reduceRows(x, count, columns, kernel, 1, scores, false, 0);
      const before = maximum;
      for (let i: usize = 0; i < count; i++) maximum = max(maximum, load<f32>(scores + (i << 2)));
      if (maximum > before) {
        const fade = f32x4.extract_lane(exponential(f32x4.splat(before - maximum), scratch), 0);
        total *= fade;
        multiply(out, columns, fade);
      }
      let sums = f32x4.splat(0);
      const end = scores + (count << 2);
      // Lanes past the end become 0.
      for (let at = end; (at - scores) & 15; at += 4) store<f32>(at, -Infinity);
      for (let at = scores; at < end; at += 16) {
        const weights = exponential(f32x4.sub(v128.load(at), f32x4.splat(maximum)), scratch);
        sums = f32x4.add(sums, weights);
        v128.store(at, weights);
      }
      total += f32x4.extract_lane(sums, 0) + f32x4.extract_lane(sums, 1) + f32x4.extract_lane(sums, 2) + f32x4.extract_lane(sums, 3);
      addWeighted(x, count, columns, scores, out);
      x += count * bytes;
      left -= count;
    }
    multiply(out, columns, 1 / total);
  }
}
