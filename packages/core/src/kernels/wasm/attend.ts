import type { Tensor, TensorInfo } from '@tensorflow/tfjs-core';
import { ATTEND } from './attend-binary.js';
import { addressOf, FLOAT_BYTES, wasmKernel, withScratch } from './backend.js';
import { program } from './program.js';

/** attend.as */
interface Attend {
  readonly scratchBytes: (n: number, e: number) => number;
  readonly packKeys: (k: number, m: number, d: number, to: number) => void;
  readonly packValues: (v: number, m: number, e: number, to: number) => void;
  readonly attend: (
    q: number,
    n: number,
    d: number,
    keys: number,
    m: number,
    values: number,
    e: number,
    bias: number,
    biasStride: number,
    rowBias: number,
    width: number,
    out: number,
    scratch: number,
  ) => void;
}

const LANES = 8;
// Queries a call: few enough to stay in the outer cache while all keys and values pass by, and for V8, which cannot exchange the code of
// a call that runs, to soon run what it optimised.
const GROUP = 256;

const attend = program<Attend>(ATTEND);

/** Whether {@link fusedAttend} can run. */
export const canFuse = attend.canRun;

/**
 * softmax(q·kᵀ + bias)·v in one pass, whose scores never leave the cache.
 *
 * @param q `[B, N, D]`
 * @param k `[B, M, D]`
 * @param v `[B, M, E]`
 * @param bias none, or one of `[B or 1, N or 1, M]`, or two of the rows and the columns of a plane of keys, `[B or 1, N, H]` and `[B or 1, N, W]`
 * @returns `[B, N, E]`
 */
export function fusedAttend(q: Tensor, k: Tensor, v: Tensor, bias: readonly Tensor[]): Tensor {
  return kernel({ q, k, v, bias: bias.at(-1), rowBias: bias.length === 2 ? bias[0] : undefined });
}

type Operands = Record<'q' | 'k' | 'v', Tensor> & Record<'bias' | 'rowBias', Tensor | undefined>;

const kernel = wasmKernel<Operands>('SaccadeAttend', ({ q, k, v, bias, rowBias }, backend) => {
  const { scratchBytes, packKeys, packValues, attend: attendGroup } = attend.on(backend);
  const [batch, n, d] = q.shape;
  const [, m, e] = v.shape;
  const image = (x: TensorInfo, i: number) => addressOf(backend, x) + (x.shape[0] > 1 ? i * x.shape[1] * x.shape[2] * FLOAT_BYTES : 0);
  const [keyBytes, valueBytes] = [padded(m) * d * FLOAT_BYTES, padded(e) * m * FLOAT_BYTES];
  const bytes = keyBytes + valueBytes + scratchBytes(Math.min(n, GROUP), e);
  return withScratch(backend, bytes, 'attend', (keys) => {
    const out = backend.makeOutput([batch, n, e], 'float32');
    const [values, scratch] = [keys + keyBytes, keys + keyBytes + valueBytes];
    const rowStride = (x: TensorInfo | undefined) => (x && x.shape[1] > 1 ? x.shape[2] * FLOAT_BYTES : 0);
    const [biasStride, rowBiasStride] = [rowStride(bias), rowStride(rowBias)];
    const width = rowBias && bias ? bias.shape[2] : 0;
    for (let i = 0; i < batch; i++) {
      packKeys(image(k, i), m, d, keys);
      packValues(image(v, i), m, e, values);
      for (let from = 0; from < n; from += GROUP) {
        const queries = image(q, i) + from * d * FLOAT_BYTES;
        const results = image(out, i) + from * e * FLOAT_BYTES;
        const biases = bias ? image(bias, i) + from * biasStride : 0;
        const rowBiases = rowBias ? image(rowBias, i) + from * rowBiasStride : 0;
        attendGroup(queries, Math.min(GROUP, n - from), d, keys, m, values, e, biases, biasStride, rowBiases, width, results, scratch);
      }
    }
    return out;
  });
});

function padded(count: number): number {
  return Math.ceil(count / LANES) * LANES;
}
