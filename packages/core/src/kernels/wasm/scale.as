// Scaling a map by gates: the map is read once and written once, and what its positions share stays in the cache. A gate has a value a position, or
// a vector of channels for each or some of them.
//
// AssemblyScript; `npm run build:kernels` makes scale-binary.ts of it. All pointers are in bytes, all maps rows of channels and contiguous. Of a gate
// with vectors there are `count` for each `width` positions: position i has vector ⌊i·count / width⌋. An address of 0 is no such gate.

/** What a row of channels is multiplied with. */
const VALUE: i32 = 0;
const FIRST: i32 = 1;
const PRODUCT_OF_ONE: i32 = 2;
const PRODUCT_OF_TWO: i32 = 3;
const SUM: i32 = 4;
/** What it is added to. */
const OFFSET: i32 = 5;

// A function each: in one for all, V8 has too few registers for what each would keep in them, and takes twice as long.

/** out `[positions, channels]` = x·(values + base) */
export function scaleByValue(
  x: usize, positions: usize, channels: usize,
  first: usize, firstCount: usize, second: usize, secondCount: usize, width: usize, values: usize, base: f32, out: usize,
): void {
  scaleRows(VALUE, x, positions, channels, first, firstCount, second, secondCount, width, values, base, out);
}

/** out = x·first */
export function scaleByFirst(
  x: usize, positions: usize, channels: usize,
  first: usize, firstCount: usize, second: usize, secondCount: usize, width: usize, values: usize, base: f32, out: usize,
): void {
  scaleRows(FIRST, x, positions, channels, first, firstCount, second, secondCount, width, values, base, out);
}

/** out = x·(first·values + base) */
export function scaleByProductOfOne(
  x: usize, positions: usize, channels: usize,
  first: usize, firstCount: usize, second: usize, secondCount: usize, width: usize, values: usize, base: f32, out: usize,
): void {
  scaleRows(PRODUCT_OF_ONE, x, positions, channels, first, firstCount, second, secondCount, width, values, base, out);
}

/** out = x·(first·second·values + base), or without values */
export function scaleByProductOfTwo(
  x: usize, positions: usize, channels: usize,
  first: usize, firstCount: usize, second: usize, secondCount: usize, width: usize, values: usize, base: f32, out: usize,
): void {
  scaleRows(PRODUCT_OF_TWO, x, positions, channels, first, firstCount, second, secondCount, width, values, base, out);
}

/** out = x·(first + second + values + base), or without values */
export function scaleBySum(
  x: usize, positions: usize, channels: usize,
  first: usize, firstCount: usize, second: usize, secondCount: usize, width: usize, values: usize, base: f32, out: usize,
): void {
  scaleRows(SUM, x, positions, channels, first, firstCount, second, secondCount, width, values, base, out);
}

/** out = x + offset, with the same vector at all positions. */
export function shift(x: usize, positions: usize, channels: usize, offset: usize, out: usize): void {
  const bytes = channels << 2;
  for (; positions > 0; positions--, x += bytes, out += bytes) scaleRow(OFFSET, x, bytes, offset, 0, 0, 0, out);
}

// @ts-ignore: decorator
@inline
function scaleRows(
  kind: i32, x: usize, positions: usize, channels: usize,
  first: usize, firstCount: usize, second: usize, secondCount: usize, width: usize, values: usize, base: f32, out: usize,
): void {
  const bytes = channels << 2;
  let passedFirst: usize = 0, passedSecond: usize = 0;
  for (; positions > 0; positions--, x += bytes, out += bytes) {
    const value: f32 = values ? load<f32>(values) : kind == SUM ? 0 : 1;
    if (kind == SUM || kind == VALUE) scaleRow(kind, x, bytes, first, second, 0, value + base, out);
    else scaleRow(kind, x, bytes, first, second, value, base, out);
    if (kind != VALUE) for (passedFirst += firstCount; passedFirst >= width; passedFirst -= width) first += bytes;
    if (kind == PRODUCT_OF_TWO || kind == SUM) for (passedSecond += secondCount; passedSecond >= width; passedSecond -= width) second += bytes;
    if (kind != FIRST && values) values += 4;
  }
}

/** out = x·first + y·second, with the same vectors at all positions. */
export function scalePair(x: usize, y: usize, positions: usize, channels: usize, first: usize, second: usize, out: usize): void {
  const bytes = channels << 2;
  for (; positions > 0; positions--, x += bytes, y += bytes, out += bytes) {
    let c: usize = 0;
    for (; c + 16 <= bytes; c += 16) {
      v128.store(out + c, f32x4.add(f32x4.mul(v128.load(x + c), v128.load(first + c)), f32x4.mul(v128.load(y + c), v128.load(second + c))));
    }
    for (; c < bytes; c += 4) store<f32>(out + c, load<f32>(x + c) * load<f32>(first + c) + load<f32>(y + c) * load<f32>(second + c));
  }
}

/** out += x·first, with the same vector at all positions. */
export function addScaled(x: usize, positions: usize, channels: usize, first: usize, out: usize): void {
  const bytes = channels << 2;
  for (; positions > 0; positions--, x += bytes, out += bytes) {
    let c: usize = 0;
    for (; c + 16 <= bytes; c += 16) v128.store(out + c, f32x4.add(v128.load(out + c), f32x4.mul(v128.load(x + c), v128.load(first + c))));
    for (; c < bytes; c += 4) store<f32>(out + c, load<f32>(out + c) + load<f32>(x + c) * load<f32>(first + c));
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
    if (other) sumRow(PRODUCT_OF_ONE, dy, x, bytes, other, value, sums);
    else if (values) sumRow(VALUE, dy, x, bytes, 0, value, sums);
    else sumRow(FIRST, dy, x, bytes, 0, 0, sums);
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
function scaleRow(kind: i32, x: usize, bytes: usize, first: usize, second: usize, value: f32, base: f32, out: usize): void {
  const hasFirst = kind != VALUE;
  const hasSecond = kind == PRODUCT_OF_TWO || kind == SUM;
  const values = f32x4.splat(value), bases = f32x4.splat(base);
  const end = x + bytes;
  // Four at a time: the rest of the loop takes as long as one of them.
  for (; x + 64 <= end; x += 64, out += 64, first += 64, second += 64) {
    const y0 = scaled(kind, v128.load(x), hasFirst ? v128.load(first) : values, hasSecond ? v128.load(second) : values, values, bases);
    const y1 = scaled(kind, v128.load(x, 16), hasFirst ? v128.load(first, 16) : values, hasSecond ? v128.load(second, 16) : values, values, bases);
    const y2 = scaled(kind, v128.load(x, 32), hasFirst ? v128.load(first, 32) : values, hasSecond ? v128.load(second, 32) : values, values, bases);
    const y3 = scaled(kind, v128.load(x, 48), hasFirst ? v128.load(first, 48) : values, hasSecond ? v128.load(second, 48) : values, values, bases);
    v128.store(out, y0), v128.store(out, y1, 16), v128.store(out, y2, 32), v128.store(out, y3, 48);
  }
  for (; x + 16 <= end; x += 16, out += 16, first += 16, second += 16) {
    v128.store(out, scaled(kind, v128.load(x), hasFirst ? v128.load(first) : values, hasSecond ? v128.load(second) : values, values, bases));
  }
  for (; x < end; x += 4, out += 4, first += 4, second += 4) {
    const left = hasFirst ? v128.load32_splat(first) : values, right = hasSecond ? v128.load32_splat(second) : values;
    store<f32>(out, f32x4.extract_lane(scaled(kind, v128.load32_splat(x), left, right, values, bases), 0));
  }
}

// @ts-ignore: decorator
@inline
function scaled(kind: i32, x: v128, first: v128, second: v128, value: v128, base: v128): v128 {
  if (kind == VALUE) return f32x4.mul(x, base);
  if (kind == FIRST) return f32x4.mul(x, first);
  if (kind == OFFSET) return f32x4.add(x, first);
  if (kind == SUM) return f32x4.mul(x, f32x4.add(f32x4.add(first, second), base));
  const product = kind == PRODUCT_OF_TWO ? f32x4.mul(first, second) : first;
  return f32x4.mul(x, f32x4.add(f32x4.mul(product, value), base));
}

// @ts-ignore: decorator
@inline
function sumRow(kind: i32, dy: usize, x: usize, bytes: usize, other: usize, value: f32, sums: usize): void {
  let c: usize = 0;
  for (; c + 16 <= bytes; c += 16) {
    let product = f32x4.mul(v128.load(dy + c), v128.load(x + c));
    if (kind == PRODUCT_OF_ONE) product = f32x4.mul(product, v128.load(other + c));
    if (kind != FIRST) product = f32x4.mul(product, f32x4.splat(value));
    v128.store(sums + c, f32x4.add(v128.load(sums + c), product));
  }
  for (; c < bytes; c += 4) {
    let product = load<f32>(dy + c) * load<f32>(x + c);
    if (kind == PRODUCT_OF_ONE) product *= load<f32>(other + c);
    if (kind != FIRST) product *= value;
    store<f32>(sums + c, load<f32>(sums + c) + product);
  }
}
