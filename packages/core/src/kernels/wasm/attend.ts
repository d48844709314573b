import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { AttendInputs } from '../attend.js';
import type { Form, Inputs } from '../kernel.js';
import { ATTEND, ATTEND_PLAIN } from './attend-binary.js';
import { addressOf, FLOAT_BYTES, withScratch, type WasmBackend } from './backend.js';
import { programOf } from './program.js';

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

const program = programOf<Attend>(ATTEND, ATTEND_PLAIN);

/** The kernel on wasm. */
export const wasmAttend: Form<WasmBackend, AttendInputs> = { canRun: program.canRun, run };

function run(backend: WasmBackend, { q, k, v, bias, rowBias }: Inputs<AttendInputs>): TensorInfo {
  const { scratchBytes, packKeys, packValues, attend: attendGroup } = program.on(backend);
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
}

function padded(count: number): number {
  return Math.ceil(count / LANES) * LANES;
}
