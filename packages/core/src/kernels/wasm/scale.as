// Scaling a map by gates: the map is read once and written once, and what its positions share stays in the cache. A gate has a value a position, or
// a vector of channels for each or some of them.
//
// AssemblyScript; `npm run build:kernels` makes scale-binary.ts of it. All pointers are in bytes, all maps rows of channels and contiguous. Of a gate
// with vectors there are `count` for each `width` positions: position i has vector ⌊i·count / width⌋. An address of 0 is no such gate.

/** What a row of channels is multiplied with. */
const VALUE: i32 = 0;
const FIRST: i32 = 1;
const PRODUCT_OF_ONE: i32 = 2;
/** The product of two vectors, or what is added of them. */
const TWO: i32 = 3;

// A function each: in one for all, V8 has too few registers for what each would keep in them, and takes twice as long.

/** out `[positions, channels]` = x·(values + base) */
export function scaleByValue(
  x: usize, positions: usize, channels: usize,
  first: usize, firstCount: usize, second: usize, secondCount: usize, width: usize, values: usize, base: f32, out: usize,
): void {
  scaleRows(VALUE, false, x, positions, channels, first, firstCount, second, secondCount, width, values, base, out);
}

/** out = x·first */
export function scaleByFirst(
  x: usize, positions: usize, channels: usize,
  first: usize, firstCount: usize, second: usize, secondCount: usize, width: usize, values: usize, base: f32, out: usize,
): void {
  joinFirst(false, x, positions, channels, first, firstCount, width, out);
}

/** out = x·(first·values + base) */
export function scaleByProductOfOne(
  x: usize, positions: usize, channels: usize,
  first: usize, firstCount: usize, second: usize, secondCount: usize, width: usize, values: usize, base: f32, out: usize,
): void {
  scaleRows(PRODUCT_OF_ONE, false, x, positions, channels, first, firstCount, second, secondCount, width, values, base, out);
}

/** out = x·(first·second·values + base), or without values */
export function scaleByProductOfTwo(
  x: usize, positions: usize, channels: usize,
  first: usize, firstCount: usize, second: usize, secondCount: usize, width: usize, values: usize, base: f32, out: usize,
): void {
  scaleRows(TWO, false, x, positions, channels, first, firstCount, second, secondCount, width, values, base, out);
}

/** out = x·(first + second + values + base), or without values */
export function scaleBySum(
  x: usize, positions: usize, channels: usize,
  first: usize, firstCount: usize, second: usize, secondCount: usize, width: usize, values: usize, base: f32, out: usize,
): void {
  scaleRows(TWO, true, x, positions, channels, first, firstCount, second, secondCount, width, values, base, out);
}

/** out = x + offset, with the same vector at all positions. */
export function shift(x: usize, positions: usize, channels: usize, offset: usize, out: usize): void {
  joinFirst(true, x, positions, channels, offset, 0, 1, out);
}

/** Both, with a choice for four vectors at a time, which takes next to no time. */
function joinFirst(adds: bool, x: usize, positions: usize, channels: usize, first: usize, firstCount: usize, width: usize, out: usize): void {
  scaleRows(FIRST, adds, x, positions, channels, first, firstCount, 0, 0, width, 0, 0, out);
}

// @ts-ignore: decorator
@inline
function scaleRows(
  kind: i32, adds: bool, x: usize, positions: usize, channels: usize,
  first: usize, firstCount: usize, second: usize, secondCount: usize, width: usize, values: usize, base: f32, out: usize,
): void {
  const bytes = channels << 2;
  let passedFirst: usize = 0, passedSecond: usize = 0;
  for (; positions > 0; positions--, x += bytes, out += bytes) {
    const value: f32 = values ? load<f32>(values) : adds ? 0 : 1;
    scaleRow(kind, adds, x, bytes, first, second, value, kind == VALUE || adds ? value + base : base, out);
    if (kind != VALUE) for (passedFirst += firstCount; passedFirst >= width; passedFirst -= width) first += bytes;
    if (kind == TWO) for (passedSecond += secondCount; passedSecond >= width; passedSecond -= width) second += bytes;
    if (kind != FIRST && values) values += 4;
  }
}

/** out = x·first + y·second, with the same vectors at all positions, or without second. */
export function scalePair(x: usize, y: usize, positions: usize, channels: usize, first: usize, second: usize, out: usize): void {
  const bytes = channels << 2;
  for (; positions > 0; positions--, x += bytes, y += bytes, out += bytes) {
    let c: usize = 0;
    if (second) {
      for (; c + 16 <= bytes; c += 16) {
        v128.store(out + c, f32x4.add(f32x4.mul(v128.load(x + c), v128.load(first + c)), f32x4.mul(v128.load(y + c), v128.load(second + c))));
      }
    }
    for (; c + 16 <= bytes; c += 16) v128.store(out + c, f32x4.add(v128.load(y + c), f32x4.mul(v128.load(x + c), v128.load(first + c))));
    for (; c < bytes; c += 4) store<f32>(out + c, load<f32>(x + c) * load<f32>(first + c) + load<f32>(y + c) * (second ? load<f32>(second + c) : 1));
  }
}

/** The logits `[positions, channels]` = factors·values + offsets. */
export function joinLogits(values: usize, positions: usize, channels: usize, factors: usize, offsets: usize, logits: usize): void {
  const bytes = channels << 2;
  for (; positions > 0; positions--, logits += bytes, values += 4) {
    let c: usize = 0;
    for (; c + 16 <= bytes; c += 16) {
      v128.store(logits + c, f32x4.add(f32x4.mul(v128.load(factors + c), f32x4.splat(load<f32>(values))), v128.load(offsets + c)));
    }
    for (; c < bytes; c += 4) store<f32>(logits + c, load<f32>(factors + c) * load<f32>(values) + load<f32>(offsets + c));
  }
}

/** sums, a vector for each or some positions, += dy·x·other·values. There may be no other gate, and no values. */
export function sumVectors(
  dy: usize, x: usize, positions: usize, channels: usize, sums: usize, count: usize, other: usize, otherCount: usize, width: usize, values: usize,
): void {
  const bytes = channels << 2;
  let passed: usize = 0, passedOther: usize = 0;
  for (; positions > 0; positions--, dy += bytes, x += bytes) {
    const value: f32 = values ? load<f32>(values) : 1;
    const factors = f32x4.splat(value);
    let c: usize = 0;
    if (other) {
      for (; c + 16 <= bytes; c += 16) {
        const product = f32x4.mul(f32x4.mul(v128.load(dy + c), v128.load(x + c)), v128.load(other + c));
        v128.store(sums + c, f32x4.add(v128.load(sums + c), f32x4.mul(product, factors)));
      }
    }
    if (values) {
      for (; c + 16 <= bytes; c += 16) {
        v128.store(sums + c, f32x4.add(v128.load(sums + c), f32x4.mul(f32x4.mul(v128.load(dy + c), v128.load(x + c)), factors)));
      }
    }
    for (; c + 16 <= bytes; c += 16) v128.store(sums + c, f32x4.add(v128.load(sums + c), f32x4.mul(v128.load(dy + c), v128.load(x + c))));
    for (; c < bytes; c += 4) {
      const product = load<f32>(dy + c) * load<f32>(x + c) * (other ? load<f32>(other + c) : 1);
      store<f32>(sums + c, load<f32>(sums + c) + product * value);
    }
    for (passed += count; passed >= width; passed -= width) sums += bytes;
    for (passedOther += otherCount; passedOther >= width; passedOther -= width) other += bytes;
    if (values) values += 4;
  }
}

/** sums, a value a position, += Σ dy·x·first·second over the channels. There may be no gates, or no second one. */
export function sumChannels(
  dy: usize, x: usize, positions: usize, channels: usize, sums: usize,
  first: usize, firstCount: usize, second: usize, secondCount: usize, width: usize,
): void {
  const bytes = channels << 2;
  let passedFirst: usize = 0, passedSecond: usize = 0;
  for (; positions > 0; positions--, dy += bytes, x += bytes, sums += 4) {
    let all = f32x4.splat(0);
    let rest: f32 = 0;
    let c: usize = 0;
    for (; c + 16 <= bytes; c += 16) {
      let product = f32x4.mul(v128.load(dy + c), v128.load(x + c));
      if (first) product = f32x4.mul(product, v128.load(first + c));
      if (second) product = f32x4.mul(product, v128.load(second + c));
      all = f32x4.add(all, product);
    }
    for (; c < bytes; c += 4) {
      rest += load<f32>(dy + c) * load<f32>(x + c) * (first ? load<f32>(first + c) : 1) * (second ? load<f32>(second + c) : 1);
    }
    const total = f32x4.extract_lane(all, 0) + f32x4.extract_lane(all, 1) + f32x4.extract_lane(all, 2) + f32x4.extract_lane(all, 3) + rest;
    store<f32>(sums, load<f32>(sums) + total);
    for (passedFirst += firstCount; passedFirst >= width; passedFirst -= width) first += bytes;
    for (passedSecond += secondCount; passedSecond >= width; passedSecond -= width) second += bytes;
  }
}

// @ts-ignore: decorator
@inline
function scaleRow(kind: i32, adds: bool, x: usize, bytes: usize, first: usize, second: usize, value: f32, base: f32, out: usize): void {
  const one = kind != VALUE, two = kind == TWO;
  const values = f32x4.splat(value), bases = f32x4.splat(base);
  const end = x + bytes;
  // Four at a time: the rest of the loop takes as long as one of them.
  for (; x + 64 <= end; x += 64, out += 64, first += 64, second += 64) {
    let y0 = v128.load(x), y1 = v128.load(x, 16), y2 = v128.load(x, 32), y3 = v128.load(x, 48);
    let g0 = bases, g1 = bases, g2 = bases, g3 = bases;
    if (one) (g0 = v128.load(first)), (g1 = v128.load(first, 16)), (g2 = v128.load(first, 32)), (g3 = v128.load(first, 48));
    if (two) {
      const h0 = v128.load(second), h1 = v128.load(second, 16), h2 = v128.load(second, 32), h3 = v128.load(second, 48);
      if (adds) (g0 = f32x4.add(g0, h0)), (g1 = f32x4.add(g1, h1)), (g2 = f32x4.add(g2, h2)), (g3 = f32x4.add(g3, h3));
      else {
        g0 = f32x4.mul(f32x4.mul(g0, h0), values), g1 = f32x4.mul(f32x4.mul(g1, h1), values);
        g2 = f32x4.mul(f32x4.mul(g2, h2), values), g3 = f32x4.mul(f32x4.mul(g3, h3), values);
      }
    } else if (kind == PRODUCT_OF_ONE) {
      (g0 = f32x4.mul(g0, values)), (g1 = f32x4.mul(g1, values)), (g2 = f32x4.mul(g2, values)), (g3 = f32x4.mul(g3, values));
    }
    if (two || kind == PRODUCT_OF_ONE) {
      (g0 = f32x4.add(g0, bases)), (g1 = f32x4.add(g1, bases)), (g2 = f32x4.add(g2, bases)), (g3 = f32x4.add(g3, bases));
    }
    if (kind == FIRST && adds) (y0 = f32x4.add(y0, g0)), (y1 = f32x4.add(y1, g1)), (y2 = f32x4.add(y2, g2)), (y3 = f32x4.add(y3, g3));
    else (y0 = f32x4.mul(y0, g0)), (y1 = f32x4.mul(y1, g1)), (y2 = f32x4.mul(y2, g2)), (y3 = f32x4.mul(y3, g3));
    v128.store(out, y0), v128.store(out, y1, 16), v128.store(out, y2, 32), v128.store(out, y3, 48);
  }
  for (; x + 16 <= end; x += 16, out += 16, first += 16, second += 16) {
    v128.store(out, scaled(kind, adds, v128.load(x), one ? v128.load(first) : values, two ? v128.load(second) : values, values, bases));
  }
  if (x < end) scaleRest(kind, adds, x, end, one ? first : 0, two ? second : 0, values, bases, out);
}

/** Where the program's length matters more than the time that a call takes. A gate that its kind has not may be anywhere. */
function scaleRest(kind: i32, adds: bool, x: usize, end: usize, first: usize, second: usize, value: v128, base: v128, out: usize): void {
  for (; x < end; x += 4, out += 4, first += 4, second += 4) {
    v128.store_lane<f32>(out, scaled(kind, adds, v128.load32_splat(x), v128.load32_splat(first), v128.load32_splat(second), value, base), 0);
  }
}

// @ts-ignore: decorator
@inline
function scaled(kind: i32, adds: bool, x: v128, first: v128, second: v128, value: v128, base: v128): v128 {
  if (kind == VALUE) return f32x4.mul(x, base);
  if (kind == FIRST) return adds ? f32x4.add(x, first) : f32x4.mul(x, first);
  if (kind == TWO) first = adds ? f32x4.add(first, second) : f32x4.mul(f32x4.mul(first, second), value);
  else first = f32x4.mul(first, value);
  return f32x4.mul(x, f32x4.add(first, base));
}
