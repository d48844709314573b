// Two linear maps of a few rows with a narrow layer between them, by products of rows with kernels as they lie in memory: to pack them, as wide
// products do, would take longer than to multiply.
//
// All pointers are in bytes, all matrices row-major and contiguous.

import { madd } from '../common/simd';

/** Rows of a kernel at a time. */
const INPUTS: usize = 4;

/** out `[rows, units]` = x `[rows, inputs]` · kernel `[inputs, units]` + share · bias `[units]`, or no bias (0). */
export function multiplyRows(x: usize, rows: usize, inputs: usize, kernel: usize, units: usize, bias: usize, share: f32, out: usize): void {
  const step = units << 2;
  for (let row: usize = 0; row < rows; row++) {
    const to = out + row * step;
    for (let at: usize = 0; at < step; at += 4) store<f32>(to + at, bias ? load<f32>(bias + at) * share : 0);
  }
  // The kernel passes by once, row by row, as a processor expects. A few rows of it stay in the inner cache for all rows of x.
  for (let input: usize = 0; input < inputs; input += INPUTS) {
    const count = min(INPUTS, inputs - input);
    for (let row: usize = 0; row < rows; row++) add(x + ((row * inputs + input) << 2), count, kernel + input * step, step, out + row * step);
  }
}

/** Layer normalisation over the channels of each row of h `[rows, width]`, in place. */
export function normaliseRows(h: usize, rows: usize, width: usize, gamma: usize, beta: usize, epsilon: f32): void {
  for (let row: usize = 0; row < rows; row++) normalise(h + ((row * width) << 2), width, gamma, beta, epsilon);
}

/** h, the first of so many squeezes of so many values, becomes their sum. */
export function sumSqueezes(h: usize, squeezes: usize, values: usize): void {
  const bytes = values << 2;
  for (let squeeze: usize = 1; squeeze < squeezes; squeeze++) {
    for (let at: usize = 0; at < bytes; at += 4) store<f32>(h + at, load<f32>(h + at) + load<f32>(h + squeeze * bytes + at));
  }
}

function normalise(row: usize, width: usize, gamma: usize, beta: usize, epsilon: f32): void {
  const end = row + (width << 2);
  let sum: f32 = 0;
  for (let at = row; at < end; at += 4) sum += load<f32>(at);
  const mean = sum / <f32>width;
  let squares: f32 = 0;
  for (let at = row; at < end; at += 4) {
    const off = load<f32>(at) - mean;
    squares += off * off;
  }
  const factor: f32 = 1 / sqrt<f32>(squares / <f32>width + epsilon);
  for (; row < end; row += 4, gamma += 4, beta += 4) store<f32>(row, (load<f32>(row) - mean) * factor * load<f32>(gamma) + load<f32>(beta));
}

/** out += up to 4 values at x · as many rows of a kernel, which have so many bytes. */
function add(x: usize, count: usize, kernel: usize, step: usize, out: usize): void {
  const end = out + step;
  if (count == INPUTS) {
    const x0 = v128.load32_splat(x), x1 = v128.load32_splat(x, 4), x2 = v128.load32_splat(x, 8), x3 = v128.load32_splat(x, 12);
    let k1 = kernel + step, k2 = k1 + step, k3 = k2 + step;
    for (; out + 16 <= end; out += 16, kernel += 16, k1 += 16, k2 += 16, k3 += 16) {
      const low = madd(x1, v128.load(k1), madd(x0, v128.load(kernel), v128.load(out)));
      v128.store(out, f32x4.add(low, madd(x3, v128.load(k3), f32x4.mul(x2, v128.load(k2)))));
    }
  }
  for (; out < end; out += 4, kernel += 4) {
    let sum = load<f32>(out);
    for (let i: usize = 0; i < count; i++) sum += load<f32>(x + (i << 2)) * load<f32>(kernel + i * step);
    store<f32>(out, sum);
  }
}
