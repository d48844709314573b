// What the programs share of arithmetic.

/** a·b + c. Of relaxed SIMD only this: plain-simd.ts replaces it where an engine has none. */
// @ts-ignore: decorator
@inline
export function madd(a: v128, b: v128, c: v128): v128 {
  return f32x4.relaxed_madd(a, b, c);
}
