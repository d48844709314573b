// Pooling of the channels at each position. AssemblyScript; `npm run build:kernels` makes channel-pools-binary.ts of it. All pointers are in bytes,
// all matrices row-major and contiguous. Nothing here is bound by arithmetic, so there is none of relaxed SIMD, and no form for one result alone.

/**
 * The means and the maxima over the channels of each image of x `[images, positions, channels]`, each `[images, positions]`, or 0 where it is not
 * asked for. Before, where there is a gate (else 0), `[images, channels]`, x is multiplied by it.
 */
export function poolChannels(x: usize, images: usize, positions: usize, channels: usize, gate: usize, means: usize, maxima: usize): void {
  for (; images > 0; images--, x += (positions * channels) << 2) {
    reduceRows(x, positions, channels, gate, 1 / f32(channels), means, true, maxima);
    if (gate) gate += channels << 2;
    if (means) means += positions << 2;
    if (maxima) maxima += positions << 2;
  }
}

/**
 * The sums of the rows of x `[count, columns]` times `factor`, and with `peaked` their maxima, each `[count]`, or 0 for none. Before, the rows
 * are multiplied by a gate `[columns]`; with `peaked` there may be none, 0.
 */
export function reduceRows(
  x: usize, count: usize, columns: usize, gate: usize, factor: f32, sums: usize, peaked: bool, maxima: usize,
): void {
  const bytes = columns << 2;
  for (let row: usize = 0; row < count; row += 4, x += bytes << 2) {
    const rows = count - row;
    // Past the last row that one comes again.
    const x1 = rows > 1 ? x + bytes : x, x2 = rows > 2 ? x1 + bytes : x1, x3 = rows > 3 ? x2 + bytes : x2;
    let s0 = f32x4.splat(0), s1 = f32x4.splat(0), s2 = f32x4.splat(0), s3 = f32x4.splat(0);
    let m0 = f32x4.splat(-Infinity), m1 = m0, m2 = m0, m3 = m0;
    let at: usize = 0;
    // By itself: a choice within the loop takes time.
    if (!peaked) {
      for (; at + 16 <= bytes; at += 16) {
        const factors = v128.load(gate + at);
        s0 = f32x4.add(s0, f32x4.mul(v128.load(x + at), factors)), s1 = f32x4.add(s1, f32x4.mul(v128.load(x1 + at), factors));
        s2 = f32x4.add(s2, f32x4.mul(v128.load(x2 + at), factors)), s3 = f32x4.add(s3, f32x4.mul(v128.load(x3 + at), factors));
      }
    }
    for (; at + 16 <= bytes; at += 16) {
      let a = v128.load(x + at), b = v128.load(x1 + at), c = v128.load(x2 + at), d = v128.load(x3 + at);
      if (gate) {
        const factors = v128.load(gate + at);
        a = f32x4.mul(a, factors), b = f32x4.mul(b, factors), c = f32x4.mul(c, factors), d = f32x4.mul(d, factors);
      }
      s0 = f32x4.add(s0, a), s1 = f32x4.add(s1, b), s2 = f32x4.add(s2, c), s3 = f32x4.add(s3, d);
      // One instruction each. In this order what is NaN alone stays NaN.
      m0 = f32x4.pmax(a, m0), m1 = f32x4.pmax(b, m1), m2 = f32x4.pmax(c, m2), m3 = f32x4.pmax(d, m3);
    }
    // From here on, a lane is a row.
    s0 = f32x4.add(evens(s0, s1), odds(s0, s1)), s2 = f32x4.add(evens(s2, s3), odds(s2, s3));
    let sum = f32x4.add(evens(s0, s2), odds(s0, s2)), top = m0;
    if (peaked) {
      m0 = f32x4.pmax(evens(m0, m1), odds(m0, m1)), m2 = f32x4.pmax(evens(m2, m3), odds(m2, m3));
      top = f32x4.pmax(evens(m0, m2), odds(m0, m2));
    }
    for (; at < bytes; at += 4) {
      let value = lanes(x + at, x1 + at, x2 + at, x3 + at);
      if (gate) value = f32x4.mul(value, v128.load32_splat(gate + at));
      sum = f32x4.add(sum, value);
      top = f32x4.pmax(value, top);
    }
    if (sums) storeLanes(sums + (row << 2), f32x4.mul(sum, f32x4.splat(factor)), rows);
    if (maxima) storeLanes(maxima + (row << 2), top, rows);
  }
}

// @ts-ignore: decorator
@inline
function evens(a: v128, b: v128): v128 {
  return v128.shuffle<f32>(a, b, 0, 2, 4, 6);
}

// @ts-ignore: decorator
@inline
function odds(a: v128, b: v128): v128 {
  return v128.shuffle<f32>(a, b, 1, 3, 5, 7);
}

// @ts-ignore: decorator
@inline
function lanes(a: usize, b: usize, c: usize, d: usize): v128 {
  const two = v128.load_lane<f32>(b, v128.load32_zero(a), 1);
  return v128.load_lane<f32>(d, v128.load_lane<f32>(c, two, 2), 3);
}

/** The first `count` lanes, if there are so many. */
function storeLanes(to: usize, values: v128, count: usize): void {
  if (count > 3) {
    v128.store(to, values);
    return;
  }
  v128.store_lane<f32>(to, values, 0);
  if (count > 1) v128.store_lane<f32>(to + 4, values, 1);
  if (count > 2) v128.store_lane<f32>(to + 8, values, 2);
}
