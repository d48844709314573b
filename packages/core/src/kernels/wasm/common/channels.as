// What the program of pools over channels has for others.

// @ts-ignore: decorator
@external("channelPools", "reduceRows")
export declare function reduceRows(
  x: usize, count: usize, columns: usize, gate: usize, factor: f32, sums: usize, peaked: bool, maxima: usize,
): void;
