// What stands between two layers, four values at a time.

import { EXPONENTIAL_BYTES, exponential, storeExponential } from '../common/exponential';

/** Bytes of the table of constants at the beginning of a scratch space. */
export const CONSTANTS: usize = EXPONENTIAL_BYTES;

// The kinds of activations that are more than bounds, as ../activation.ts names them.
export const SILU: i32 = 3;
export const HARD_SWISH: i32 = 4;
export const LEAKY_RELU: i32 = 5;

/** Makes the table that {@link silu} reads. */
export function storeConstants(to: usize): void {
  storeExponential(to);
}

/** The least value that an activation gives. */
// @ts-ignore: decorator
@inline
export function least(kind: i32): v128 {
  return f32x4.splat(kind == 1 || kind == 2 ? 0 : -Infinity);
}

/** The largest value that an activation gives. */
// @ts-ignore: decorator
@inline
export function largest(kind: i32): v128 {
  return f32x4.splat(kind == 2 ? 6 : Infinity);
}

/** x within bounds. What is no number stays so: these are one instruction each, which WebAssembly's minimum and maximum are not. */
// @ts-ignore: decorator
@inline
export function bounded(x: v128, low: v128, high: v128): v128 {
  return f32x4.pmin(f32x4.pmax(x, low), high);
}

/** @param constants what {@link storeConstants} made */
// @ts-ignore: decorator
@inline
export function silu(x: v128, constants: usize): v128 {
  return f32x4.div(x, f32x4.add(f32x4.splat(1), exponential(f32x4.pmin(f32x4.neg(x), f32x4.splat(88)), constants)));
}

// @ts-ignore: decorator
@inline
export function hardSwish(x: v128): v128 {
  return f32x4.mul(x, f32x4.mul(bounded(f32x4.add(x, f32x4.splat(3)), f32x4.splat(0), f32x4.splat(6)), f32x4.splat(1.0 / 6.0)));
}

// @ts-ignore: decorator
@inline
export function leakyRelu(x: v128): v128 {
  return f32x4.pmax(x, f32x4.mul(x, f32x4.splat(0.01)));
}
