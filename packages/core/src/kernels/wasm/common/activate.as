// What stands between two layers, four values at a time.

import { EXPONENTIAL_BYTES, exponential, storeExponential } from './exponential';

/** Bytes of the table of constants, which a program keeps in its scratch memory. */
export const ACTIVATE_BYTES: usize = EXPONENTIAL_BYTES;

/** Makes the table that {@link activate} reads. */
export function storeActivate(to: usize): void {
  storeExponential(to);
}

/**
 * An activation of x.
 *
 * @param kind as in ../activation.ts; 0 is none
 * @param constants what {@link storeActivate} made
 */
export function activate(kind: i32, x: v128, constants: usize): v128 {
  const zero = f32x4.splat(0);
  if (kind == 1) return f32x4.max(x, zero);
  if (kind == 2) return relu6(x);
  if (kind == 3) return f32x4.div(x, f32x4.add(f32x4.splat(1), exponential(f32x4.min(f32x4.neg(x), f32x4.splat(88)), constants)));
  if (kind == 4) return f32x4.mul(x, f32x4.mul(relu6(f32x4.add(x, f32x4.splat(3))), f32x4.splat(1.0 / 6.0)));
  if (kind == 5) return f32x4.add(f32x4.max(x, zero), f32x4.mul(f32x4.min(x, zero), f32x4.splat(0.01)));
  return x;
}

// @ts-ignore: decorator
@inline
function relu6(x: v128): v128 {
  return f32x4.min(f32x4.max(x, f32x4.splat(0)), f32x4.splat(6));
}
