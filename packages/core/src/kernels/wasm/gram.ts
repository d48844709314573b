import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { GramAttrs, GramGradientInputs, GramInputs } from '../gram.js';
import type { Form, Inputs } from '../kernel.js';
import { addressOf, FLOAT_BYTES, withScratch, type WasmBackend } from './backend.js';
import { GRAM } from './gram-binary.js';
import { product } from './product.js';
import { programOf } from './program.js';

/** gram.as */
interface Gram {
  readonly scratchBytes: (positions: number, channels: number) => number;
  readonly accumulate: (x: number, positions: number, channels: number, mean: number, first: boolean, out: number, scratch: number) => void;
  readonly mirror: (to: number, n: number, factor: number) => void;
  readonly packSymmetric: (dy: number, n: number, factor: number, scratch: number) => void;
  readonly multiplyRows: (x: number, rows: number, n: number, out: number, scratch: number) => void;
}

// Positions a call: two panels of them fit into the inner cache.
const GROUP = 256;

const program = programOf<Gram>(GRAM, { product });

/** The matrix on wasm. */
export const wasmGram: Form<WasmBackend, GramInputs, GramAttrs> = { canRun: program.canRun, run };

/** Its gradient on wasm. */
export const wasmGramGradient: Form<WasmBackend, GramGradientInputs, GramAttrs> = { canRun: program.canRun, run: runGradient };

function run(backend: WasmBackend, { x, mean }: Inputs<GramInputs>, { factor }: GramAttrs): TensorInfo {
  const { scratchBytes, accumulate, mirror } = program.on(backend);
  const [batch, positions, channels] = x.shape as [number, number, number];
  return withScratch(backend, scratchBytes(Math.min(positions, GROUP), channels), 'gramMatrix', (scratch) => {
    const out = backend.makeOutput([batch, channels, channels], 'float32');
    const [from, to] = [addressOf(backend, x), addressOf(backend, out)];
    const rowBytes = channels * FLOAT_BYTES;
    for (let i = 0; i < batch; i++) {
      const means = mean ? addressOf(backend, mean) + i * rowBytes : 0;
      const matrix = to + i * channels * rowBytes;
      const image = from + i * positions * rowBytes;
      for (const { first, length } of groupsOf(positions)) {
        accumulate(image + first * rowBytes, length, channels, means, first === 0, matrix, scratch);
      }
      mirror(matrix, channels, factor);
    }
    return out;
  });
}

function runGradient(backend: WasmBackend, { x, dy }: Inputs<GramGradientInputs>, { factor }: GramAttrs): TensorInfo {
  const { scratchBytes, packSymmetric, multiplyRows } = program.on(backend);
  const [batch, positions, channels] = x.shape as [number, number, number];
  return withScratch(backend, scratchBytes(channels, channels), 'The gradient of gramMatrix', (scratch) => {
    const out = backend.makeOutput(x.shape, 'float32');
    const [from, upstream, to] = [x, dy, out].map((tensor) => addressOf(backend, tensor));
    const rowBytes = channels * FLOAT_BYTES;
    for (let i = 0; i < batch; i++) {
      packSymmetric(upstream + i * channels * rowBytes, channels, factor, scratch);
      for (const { first, length } of groupsOf(positions)) {
        const offset = (i * positions + first) * rowBytes;
        multiplyRows(from + offset, length, channels, to + offset, scratch);
      }
    }
    return out;
  });
}

function* groupsOf(positions: number): Generator<{ first: number; length: number }> {
  for (let first = 0; first < positions; first += GROUP) yield { first, length: Math.min(GROUP, positions - first) };
}
