// What the program of matrix products has for others, and how long what it works with is: product.as says more.

/** Columns of a panel: two vectors. */
export const LANES: usize = 8;
/** Of the space where {@link multiply} computes a tile of which only some columns are wanted. */
export const SPARE_BYTES: usize = 4 * (LANES << 2);

/** A count, in whole panels. */
// @ts-ignore: decorator
@inline
export function padded(count: usize): usize {
  return (count + LANES - 1) & ~(LANES - 1);
}

// @ts-ignore: decorator
@external("product", "pack")
export declare function pack(x: usize, rowBytes: usize, n: usize, columns: usize, to: usize): void;

// @ts-ignore: decorator
@external("product", "packTransposed")
export declare function packTransposed(x: usize, rowBytes: usize, n: usize, depth: usize, to: usize): void;

// @ts-ignore: decorator
@external("product", "multiply")
export declare function multiply(
  a: usize, rowBytes: usize, stepBytes: usize, rows: usize, b: usize, count: usize, out: usize, outBytes: usize, columns: usize,
  factors: usize, factorBytes: usize, spare: usize,
): void;
