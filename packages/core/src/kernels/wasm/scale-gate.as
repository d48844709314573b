// Gates of their logits, in place of operations on tensors that are small, or only pass through the cache.
//
// AssemblyScript; `npm run build:kernels` makes scale-gate-binary.ts of it. All pointers are in bytes.

import { EXPONENTIAL_BYTES, exponential, storeExponential } from './common/exponential';

/** What turns logits into a gate; 0 leaves them. */
const SIGMOID: i32 = 1;
const HARD_SIGMOID: i32 = 2;

const ONE: usize = EXPONENTIAL_BYTES;
const LARGEST: usize = ONE + 16;

/** Of the table of constants. */
export function constantBytes(): usize {
  return LARGEST + 16;
}

export function storeConstants(to: usize): void {
  storeExponential(to);
  v128.store(to + ONE, f32x4.splat(1));
  // exp of it is a normal number.
  v128.store(to + LARGEST, f32x4.splat(88));
}

/** to `[count]` = factor·activation(logits) */
export function activate(logits: usize, count: usize, activation: i32, factor: f32, to: usize, constants: usize): void {
  const end = logits + (count << 2);
  const factors = f32x4.splat(factor);
  // By itself: in a loop with a choice of activations it takes a third longer.
  if (activation == SIGMOID) {
    for (; logits + 16 <= end; logits += 16, to += 16) v128.store(to, f32x4.mul(sigmoid(v128.load(logits), constants), factors));
  }
  for (; logits + 16 <= end; logits += 16, to += 16) v128.store(to, f32x4.mul(piecewise(v128.load(logits), activation), factors));
  for (; logits < end; logits += 4, to += 4) {
    const x = v128.load32_splat(logits);
    store<f32>(to, f32x4.extract_lane(activation == SIGMOID ? sigmoidOf(x, constants) : piecewise(x, activation), 0) * factor);
  }
}

/** to `[count]` = factor·σ′, of what σ gave. */
export function slopesOfSigmoid(gates: usize, count: usize, factor: f32, to: usize, constants: usize): void {
  const end = gates + (count << 2);
  const one = v128.load(constants, ONE), factors = f32x4.splat(factor);
  for (; gates + 16 <= end; gates += 16, to += 16) {
    const gate = v128.load(gates);
    v128.store(to, f32x4.mul(f32x4.mul(gate, f32x4.sub(one, gate)), factors));
  }
  for (; gates < end; gates += 4, to += 4) store<f32>(to, load<f32>(gates) * (1 - load<f32>(gates)) * factor);
}

/** sums `[count]` ·= factor·activation′(logits) */
export function multiplySlopes(sums: usize, logits: usize, count: usize, activation: i32, factor: f32, constants: usize): void {
  const end = sums + (count << 2);
  const factors = f32x4.splat(factor);
  for (; sums + 16 <= end; sums += 16, logits += 16) {
    v128.store(sums, f32x4.mul(v128.load(sums), f32x4.mul(slope(v128.load(logits), activation, constants), factors)));
  }
  for (; sums < end; sums += 4, logits += 4) {
    store<f32>(sums, load<f32>(sums) * f32x4.extract_lane(slope(v128.load32_splat(logits), activation, constants), 0) * factor);
  }
}

/** The softmax over `branches` rows of `channels` logits each. */
export function softmaxOfRows(logits: usize, branches: usize, channels: usize, to: usize, constants: usize): void {
  const rowBytes = channels << 2;
  const all = branches * rowBytes;
  for (let c: usize = 0; c < rowBytes; c += 4) {
    let peak: f32 = -Infinity;
    for (let at = c; at < all; at += rowBytes) peak = max(peak, load<f32>(logits + at));
    let total: f32 = 0;
    for (let at = c; at < all; at += rowBytes) {
      const weight = f32x4.extract_lane(exponential(f32x4.splat(load<f32>(logits + at) - peak), constants), 0);
      total += weight;
      store<f32>(to + at, weight);
    }
    for (let at = c; at < all; at += rowBytes) store<f32>(to + at, load<f32>(to + at) / total);
  }
}

// @ts-ignore: decorator
@inline
function piecewise(x: v128, activation: i32): v128 {
  if (activation != HARD_SIGMOID) return x;
  const shifted = f32x4.add(x, f32x4.splat(3));
  return f32x4.mul(f32x4.max(f32x4.min(shifted, f32x4.splat(6)), f32x4.splat(0)), f32x4.splat(1 / 6.0));
}

function slope(x: v128, activation: i32, constants: usize): v128 {
  const one = v128.load(constants, ONE);
  if (activation == SIGMOID) {
    const y = sigmoidOf(x, constants);
    return f32x4.mul(y, f32x4.sub(one, y));
  }
  return activation == HARD_SIGMOID ? v128.and(f32x4.lt(f32x4.abs(x), f32x4.splat(3)), f32x4.splat(1 / 6.0)) : one;
}

/** Where the program's length matters more than the time that a call takes. */
function sigmoidOf(x: v128, constants: usize): v128 {
  return sigmoid(x, constants);
}

// @ts-ignore: decorator
@inline
function sigmoid(x: v128, constants: usize): v128 {
  const one = v128.load(constants, ONE);
  return f32x4.div(one, f32x4.add(one, exponential(f32x4.pmin(f32x4.neg(x), v128.load(constants, LARGEST)), constants)));
}
