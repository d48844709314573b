import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { AttendLinesAttrs, AttendLinesInputs } from '../attend-lines.js';
import type { Form, Inputs } from '../kernel.js';
import { ATTEND_LINES } from './attend-lines-binary.js';
import { addressOf, FLOAT_BYTES, withScratch, type WasmBackend } from './backend.js';
import { programOf } from './program.js';

/** attend-lines.as */
interface AttendLines {
  readonly prepare: (constants: number) => void;
  readonly spread: (x: number, step: number, count: number, channels: number, factor: number, to: number, pitch: number) => void;
  readonly attendLine: (
    q: number,
    depthStep: number,
    v: number,
    valueStep: number,
    valueFactors: number,
    n: number,
    d: number,
    e: number,
    factor: number,
    panel: number,
    pitch: number,
    values: number,
    weights: number,
    constants: number,
    out: number,
  ) => void;
}

// Keys, or channels, that the program takes at once, and bytes of its constants, those of common/exponential.as.
const TILE = 8;
const CONSTANTS = 11 * FLOAT_BYTES;

const program = programOf<AttendLines>(ATTEND_LINES);

/** The kernel on wasm. */
export const wasmAttendLines: Form<WasmBackend, AttendLinesInputs, AttendLinesAttrs> = {
  canRun: program.canRun,
  fits: ({ value: { shape } }) => shape[2] >= TILE && shape[2] % 4 === 0,
  run,
};

function run(backend: WasmBackend, inputs: Inputs<AttendLinesInputs>, { axis }: AttendLinesAttrs): TensorInfo {
  const { prepare, spread, attendLine } = program.on(backend);
  const { q, v, query, value } = inputs;
  const n = q.shape[axis];
  const [d, distances, heads, e] = [query.shape[1], ...value.shape] as [number, number, number, number];
  const row = Math.ceil(n / TILE) * TILE;
  // A row of the panel: keys, and both tables, read up to a whole tile past their ends.
  const tableBytes = (row + n - 1) * FLOAT_BYTES;
  const pitch = row * FLOAT_BYTES + 2 * tableBytes;
  const [panelBytes, valueBytes, weightBytes] = [d * pitch, (n + distances) * e * FLOAT_BYTES, row * FLOAT_BYTES];
  return withScratch(backend, CONSTANTS + panelBytes + valueBytes + weightBytes, 'attendLines', (constants) => {
    const out = backend.makeOutput(v.shape, 'float32');
    const at = { out: addressOf(backend, out), ...addressesOf(backend, inputs) };
    const panel = constants + CONSTANTS;
    const values = panel + panelBytes;
    const weights = values + valueBytes;
    const tables = panel + row * FLOAT_BYTES;
    const apart = axis === 1 ? q.shape[2] : 1;
    const [depthStep, valueStep] = [d, e].map((channels) => apart * heads * channels * FLOAT_BYTES) as [number, number];
    prepare(constants);
    for (let head = 0; head < heads; head++) {
      const [factor, ofQuery, ofKey] = [0, 1, 2].map((kind) => factorAt(backend, at.factors, kind * heads + head)) as [number, number, number];
      spread(at.query, d * FLOAT_BYTES, distances, d, ofQuery, tables, pitch);
      // The distance of a query from a key is that of the key from it, the other way.
      spread(at.key + (distances - 1) * d * FLOAT_BYTES, -d * FLOAT_BYTES, distances, d, ofKey, tables + tableBytes, pitch);
      takeValues(backend, at.value + head * e * FLOAT_BYTES, distances, heads * e, e, values + n * e * FLOAT_BYTES);
      for (const first of firstsOf(q.shape, axis)) {
        const [depth, channel] = [d, e].map((channels) => (first * heads + head) * channels * FLOAT_BYTES) as [number, number];
        spread(at.k + depth, depthStep, n, d, 1, panel, pitch);
        attendLine(
          at.q + depth,
          depthStep,
          at.v + channel,
          valueStep,
          at.valueFactors + head * e * FLOAT_BYTES,
          n,
          d,
          e,
          factor,
          panel,
          pitch,
          values,
          weights,
          constants,
          at.out + channel,
        );
      }
    }
    return out;
  });
}

function addressesOf(backend: WasmBackend, inputs: Inputs<AttendLinesInputs>) {
  const at = (x: TensorInfo) => addressOf(backend, x);
  const { q, k, v, query, key, value, factors, valueFactors } = inputs;
  return { q: at(q), k: at(k), v: at(v), query: at(query), key: at(key), value: at(value), factors: at(factors), valueFactors: at(valueFactors) };
}

function factorAt(backend: WasmBackend, factors: number, i: number): number {
  return new Float32Array(backend.wasm.HEAPU8.buffer, factors, i + 1)[i];
}

/** A head's values at distances, whose rows lie `step` values apart, in one piece. */
function takeValues({ wasm }: WasmBackend, from: number, rows: number, step: number, e: number, to: number): void {
  for (let r = 0; r < rows; r++) {
    const row = from + r * step * FLOAT_BYTES;
    wasm.HEAPU8.copyWithin(to + r * e * FLOAT_BYTES, row, row + e * FLOAT_BYTES);
  }
}

/** The first position, among all of the batch, of each line. */
function* firstsOf([images, height, width]: number[], axis: 1 | 2): Generator<number> {
  for (let image = 0; image < images; image++) {
    if (axis === 1) for (let x = 0; x < width; x++) yield image * height * width + x;
    else for (let y = 0; y < height; y++) yield (image * height + y) * width;
  }
}
