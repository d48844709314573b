// exp, four at a time. Its constants are read from memory: V8 makes a vector that stands in the code anew wherever it is used, in five instructions.

import { madd } from './simd';

/** Bytes of the table of constants, which a program keeps in its scratch memory. */
export const EXPONENTIAL_BYTES: usize = 11 << 4;

/** Makes the table that {@link exponential} reads. */
export function storeExponential(to: usize): void {
  // Where the exponent's bits become 0, and so does the result.
  v128.store(to, f32x4.splat(-88.02969));
  v128.store(to, f32x4.splat(1.4426950408889634), 16);
  // Adding 1.5·2²³ rounds to a whole number and leaves it, with the exponent's bias of 127, in the lowest bits.
  v128.store(to, f32x4.splat(12_583_039), 32);
  // -ln 2 in two parts (Cody and Waite 1980): multiples of the first are exact.
  v128.store(to, f32x4.splat(-0.693359375), 48);
  v128.store(to, f32x4.splat(2.12194440e-4), 64);
  // The polynomial for exp of degree 5 that is 1 at 0 with the least relative error between ±ln 2 / 2, 9.2e-8.
  v128.store(to, f32x4.splat(1), 80);
  v128.store(to, f32x4.splat(0.9999997070), 96);
  v128.store(to, f32x4.splat(0.4999914919), 112);
  v128.store(to, f32x4.splat(0.1666763661), 128);
  v128.store(to, f32x4.splat(0.04189797646), 144);
  v128.store(to, f32x4.splat(0.008290305372), 160);
}

/**
 * exp(x) for x ≤ 88 (bound it before), with a relative error of at most 1.9e-7, as of all floats from -87.3 to 88 (1.7e-7 with relaxed SIMD); 1 at 0,
 * and 0 below -87.7, where exp is no normal number any more. NaN stays NaN.
 *
 * @param constants what {@link storeExponential} made
 */
// @ts-ignore: decorator
@inline
export function exponential(x: v128, constants: usize): v128 {
  return exponentialBy(
    x, v128.load(constants), v128.load(constants, 16), v128.load(constants, 32), v128.load(constants, 48), v128.load(constants, 64),
    v128.load(constants, 80), v128.load(constants, 96), v128.load(constants, 112), v128.load(constants, 128), v128.load(constants, 144), v128.load(constants, 160),
  );
}

/** The same by the constants themselves, for a loop that loads them before: it takes a quarter less time. */
// @ts-ignore: decorator
@inline
export function exponentialBy(
  x: v128, least: v128, log2e: v128, shift: v128, high: v128, low: v128, c0: v128, c1: v128, c2: v128, c3: v128, c4: v128, c5: v128,
): v128 {
  const bounded = f32x4.pmax(x, least);
  const bits = madd(bounded, log2e, shift);
  const power = f32x4.sub(bits, shift);
  const rest = madd(power, low, madd(power, high, bounded));
  let p = madd(c5, rest, c4);
  p = madd(p, rest, c3);
  p = madd(p, rest, c2);
  p = madd(p, rest, c1);
  p = madd(p, rest, c0);
  return f32x4.mul(p, i32x4.shl(bits, 23));
}
