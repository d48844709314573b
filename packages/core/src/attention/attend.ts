import { add, engine, gather, getBackend, matMul as nativeMatMul, mul, reshape, softmax, sub, sum, tidy } from '@tensorflow/tfjs-core';
import type { Tensor, Tensor3D } from '@tensorflow/tfjs-core';
import { fusedAttendGradient } from '../kernels/attend-gradient.js';
import { fusedAttend, fusedAttendWithPeaks, type AttendInputs } from '../kernels/attend.js';
import { matMul, transposeLast } from '../matmul.js';
import { sizeOf } from '../shapes.js';
import { slice } from '../slice.js';
import { addPlaneBias, planeBiasGradient, type PlaneBias } from './plane-bias.js';
import { byTiles, type KnownWork, type TileFunction, type TileGradient } from './tiles.js';

export interface AttendOptions {
  /** What the products of queries and keys are multiplied by. Default: 1. */
  readonly scale?: number;
  /** Added to the scaled products: `[B or 1, N, M]`, `[B or 1, 1, M]` for the same at every query, or that of a plane of keys. Default: none. */
  readonly bias?: Tensor3D | PlaneBias | undefined;
}

/**
 * Dot-product attention, softmax(q·kᵀ·scale + bias)·v (Vaswani et al. 2017, equation 1). Neither the forward nor the gradient holds more
 * than a tile of the N×M scores: memory grows with N + M.
 *
 * @param q queries `[B, N, D]`
 * @param k keys `[B, M, D]`
 * @param v values `[B, M, E]`
 * @returns `[B, N, E]`
 */
export function attend(q: Tensor3D, k: Tensor3D, v: Tensor3D, { scale = 1, bias }: AttendOptions = {}): Tensor3D {
  const terms = termsOf(bias);
  const perQuery = terms.length === 2 || terms[0]?.shape[1] > 1;
  return tidy(() => {
    const rows: Tensor[] = [scaled(q, scale)];
    const shared: Tensor[] = [k, v];
    (perQuery ? rows : shared).push(...terms);
    return byTiles(rows, shared, k.shape[1], attendTile, { gradient: attendTileGradient, fused, fusedGradient }) as Tensor3D;
  });
}

/**
 * The attention of chosen queries, without that of the others: softmax(q·kᵀ·scale + bias) at the rows `queries`.
 *
 * @param q `[B, N, D]`
 * @param k `[B, M, D]`
 * @param queries row indices
 * @returns `[B, queries, M]`
 */
export function attentionRows(q: Tensor3D, k: Tensor3D, queries: readonly number[], { scale = 1, bias }: AttendOptions = {}): Tensor3D {
  const pick = (x: Tensor3D) => gather(x, [...queries], 1);
  return tidy(() => {
    const terms = termsOf(bias).map((term) => (term.shape[1] > 1 ? pick(term) : term));
    return weigh(scaled(pick(q), scale), transposeLast(k), terms) as Tensor3D;
  });
}

/** A bias as none, one or two tensors. */
function termsOf(bias: AttendOptions['bias']): Tensor3D[] {
  if (!bias) return [];
  return 'rows' in bias ? [bias.rows, bias.columns] : [bias];
}

// The bias stands with the rows or with what they share, after q or after k and v.
const attendTile: TileFunction = ([k, v, ...shared]) => {
  const kT = transposeLast(k); // once for all tiles; XNNPACK packs it once, too
  return ([q, ...own]) => matMul(weigh(q, kT, [...own, ...shared]), v);
};

const fused: NonNullable<KnownWork['fused']> = ([k, v, ...shared], [q, ...own], keep) => {
  const inputs = { q, k, v, ...named([...own, ...shared]) };
  const all = recorded() ? fusedAttendWithPeaks(inputs) : undefined;
  if (!all) return fusedAttend(inputs);
  const [[batch, n], [, , e], next] = [(q as Tensor3D).shape, (v as Tensor3D).shape, partsOf(all)];
  const y = next([batch, n, e]);
  keep(next([batch, n, 2]));
  return y;
};

const fusedGradient: NonNullable<KnownWork['fusedGradient']> = ([k, v, ...shared], dy, [q, ...own], y, peaks) => {
  const { bias, rowBias } = named([...own, ...shared]);
  return tidy(() => {
    const all = fusedAttendGradient({ q, k, v, bias, rowBias, y, peaks, dy });
    if (!all) return undefined;
    const next = partsOf(all);
    const [dq, dk, dv] = [q, k, v].map((x) => next(x.shape));
    const dBias = [bias, rowBias].flatMap((x) => (x ? [next(x.shape)] : [])).toReversed();
    return own.length > 0 ? [dq, ...dBias, dk, dv] : [dq, dk, dv, ...dBias];
  });
};

/** Whether a gradient is to be taken of what is computed now. */
function recorded(): boolean {
  return engine().state.gradientDepth > 0;
}

/** Gives the parts of a flat tensor, one after the other, in the shapes that are asked for. */
function partsOf(all: Tensor): (shape: number[]) => Tensor {
  let begin = 0;
  return (shape) => {
    const size = sizeOf(shape);
    const part = slice(all, [begin], [size]);
    begin += size;
    return reshape(part, shape);
  };
}

/** The terms of a bias, as kernels know them. */
function named(terms: Tensor[]): Pick<AttendInputs, 'bias' | 'rowBias'> {
  return { bias: terms.at(-1), rowBias: terms.length === 2 ? terms[0] : undefined };
}

const attendTileGradient: TileGradient = ([k, v, ...shared]) => {
  const [kT, vT] = [transposeLast(k), transposeLast(v)];
  return (dy, [q, ...own], y) => {
    const bias = [...own, ...shared];
    const weights = weigh(q, kT, bias);
    // Σ dWeights·weights over the keys is Σ dy·y over the values, which is a shorter sum.
    const dScores = mul(weights, sub(matMul(dy, vT), sum(mul(dy, y), -1, true)));
    const [dq, dk, dv] = [matMul(dScores, k), transposedMatMul(dScores, q), transposedMatMul(weights, dy)];
    const dBias = bias.length === 2 ? planeBiasGradient(dScores, bias) : bias.map((x) => sumTo(x.shape, dScores));
    return own.length > 0 ? [dq, ...dBias, dk, dv] : [dq, dk, dv, ...dBias];
  };
};

function weigh(q: Tensor, kT: Tensor, bias: Tensor[]): Tensor {
  const scores = matMul(q, kT);
  if (bias.length === 2) return softmax(addPlaneBias(scores, bias));
  return softmax(bias.length === 1 ? add(scores, bias[0]) : scores);
}

function scaled<T extends Tensor>(q: T, scale: number): T {
  return scale === 1 ? q : mul(q, scale);
}

// aᵀ·b. Other backends than wasm read a matrix either way.
function transposedMatMul(a: Tensor, b: Tensor): Tensor {
  return getBackend() === 'wasm' ? matMul(transposeLast(a), b) : nativeMatMul(a, b, true);
}

function sumTo(shape: number[], x: Tensor): Tensor {
  const repeated = shape.flatMap((size, axis) => (size < x.shape[axis] ? [axis] : []));
  return repeated.length === 0 ? x : sum(x, repeated, true);
}
