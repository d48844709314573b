import type { TensorInfo } from '@tensorflow/tfjs-core';
import { sizeOf } from '../../shapes.js';
import type { CrissCrossGradientInputs, CrissCrossInputs } from '../criss-cross.js';
import type { Form, Inputs } from '../kernel.js';
import { addressOf, FLOAT_BYTES, withScratch, type WasmBackend } from './backend.js';
import { CRISS_CROSS } from './criss-cross-binary.js';
import { product } from './product.js';
import { programOf } from './program.js';

/** criss-cross.as */
interface CrissCross {
  readonly gatherBytes: (n: number, d: number, e: number) => number;
  readonly differentiateBytes: (n: number, d: number, e: number) => number;
  readonly prepare: (scratch: number) => void;
  readonly gather: (
    q: number,
    k: number,
    v: number,
    step: number,
    n: number,
    d: number,
    e: number,
    out: number,
    statistics: number,
    second: boolean,
    scratch: number,
  ) => void;
  readonly differentiate: (
    q: number,
    k: number,
    v: number,
    y: number,
    dy: number,
    step: number,
    n: number,
    d: number,
    e: number,
    dq: number,
    dk: number,
    dv: number,
    statistics: number,
    second: boolean,
    scratch: number,
  ) => void;
}

/** A column or a row: its first position among all of the batch, and how far its positions lie apart. */
interface Line {
  readonly first: number;
  readonly step: number;
  readonly length: number;
  readonly isRow: boolean;
}

const STATISTICS_BYTES = 3 * FLOAT_BYTES; // a position

const program = programOf<CrissCross>(CRISS_CROSS, { product });

/** The attention on wasm. */
export const wasmCrissCross: Form<WasmBackend, CrissCrossInputs> = { canRun: program.canRun, run };

/** The gradients on wasm, which compute the scores again. */
export const wasmCrissCrossGradients: Form<WasmBackend, CrissCrossGradientInputs> = { canRun: program.canRun, run: runGradients };

function run(backend: WasmBackend, { q, k, v }: Inputs<CrissCrossInputs>): TensorInfo {
  const { gatherBytes, prepare, gather } = program.on(backend);
  const [d, e] = [q.shape[3], v.shape[3]];
  const bytes = statisticsBytes(q) + gatherBytes(longest(q), d, e);
  return withScratch(backend, bytes, 'crissCross', (statistics) => {
    const out = backend.makeOutput(v.shape, 'float32');
    const [from, keys, values, to] = [q, k, v, out].map((x) => addressOf(backend, x));
    const scratch = statistics + statisticsBytes(q);
    prepare(scratch);
    for (const { first, step, length, isRow } of linesOf(q)) {
      const [depthOffset, valueOffset] = [first * d * FLOAT_BYTES, first * e * FLOAT_BYTES];
      gather(
        from + depthOffset,
        keys + depthOffset,
        values + valueOffset,
        step,
        length,
        d,
        e,
        to + valueOffset,
        statistics + first * STATISTICS_BYTES,
        isRow,
        scratch,
      );
    }
    return out;
  });
}

function runGradients(backend: WasmBackend, { q, k, v, y, dy }: Inputs<CrissCrossGradientInputs>): TensorInfo {
  const { gatherBytes, differentiateBytes, prepare, gather, differentiate } = program.on(backend);
  const [d, e] = [q.shape[3], v.shape[3]];
  const bytes = statisticsBytes(q) + Math.max(gatherBytes(longest(q), d, 0), differentiateBytes(longest(q), d, e));
  return withScratch(backend, bytes, 'The gradient of crissCross', (statistics) => {
    const sizes = [q, k, v].map(({ shape }) => sizeOf(shape)) as [number, number, number];
    const out = backend.makeOutput([sizes[0] + sizes[1] + sizes[2]], 'float32');
    const dq = addressOf(backend, out);
    const dk = dq + sizes[0] * FLOAT_BYTES;
    const dv = dk + sizes[1] * FLOAT_BYTES;
    const [queries, keys, values, results, upstream] = [q, k, v, y, dy].map((x) => addressOf(backend, x));
    const scratch = statistics + statisticsBytes(q);
    prepare(scratch);
    for (const { first, step, length, isRow } of linesOf(q)) {
      const offset = first * d * FLOAT_BYTES;
      const own = statistics + first * STATISTICS_BYTES;
      gather(queries + offset, keys + offset, 0, step, length, d, 0, 0, own, isRow, scratch);
    }
    for (const { first, step, length, isRow } of linesOf(q)) {
      const [depthOffset, valueOffset] = [first * d * FLOAT_BYTES, first * e * FLOAT_BYTES];
      differentiate(
        queries + depthOffset,
        keys + depthOffset,
        values + valueOffset,
        results + valueOffset,
        upstream + valueOffset,
        step,
        length,
        d,
        e,
        dq + depthOffset,
        dk + depthOffset,
        dv + valueOffset,
        statistics + first * STATISTICS_BYTES,
        isRow,
        scratch,
      );
    }
    return out;
  });
}

/** Of each image all columns, and then all rows, which go on from what the columns gave. A call each, so that V8 soon runs what it optimised. */
function* linesOf({ shape: [batch, height, width] }: TensorInfo): Generator<Line> {
  const area = height * width;
  for (let image = 0; image < batch * area; image += area) {
    for (let x = 0; x < width; x++) yield { first: image + x, step: width, length: height, isRow: false };
    for (let y = 0; y < height; y++) yield { first: image + y * width, step: 1, length: width, isRow: true };
  }
}

function longest({ shape: [, height, width] }: TensorInfo): number {
  return Math.max(height, width);
}

function statisticsBytes({ shape: [batch, height, width] }: TensorInfo): number {
  return batch * height * width * STATISTICS_BYTES;
}
