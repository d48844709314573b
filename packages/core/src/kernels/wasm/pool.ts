import type { TensorInfo } from '@tensorflow/tfjs-core';
import { sizeOf } from '../../shapes.js';
import type { Form, Inputs } from '../kernel.js';
import type { PoolAttributes, PoolInputs, PoolView, ProductPoolInputs, StripPoolAttributes, WeightedPoolInputs } from '../pool.js';
import { addressOf, FLOAT_BYTES, withScratch, type WasmBackend } from './backend.js';
import { POOL } from './pool-binary.js';
import { programOf } from './program.js';

/** pool.as */
interface Pool {
  readonly scratchBytes: () => number;
  readonly pool: (
    x: number,
    images: number,
    rows: number,
    columns: number,
    kinds: number,
    factor: number,
    sums: number,
    maxima: number,
    scratch: number,
  ) => void;
  readonly poolStrips: (
    x: number,
    height: number,
    width: number,
    channels: number,
    kinds: number,
    sums: number,
    maxima: number,
    scratch: number,
  ) => void;
  readonly poolWeighted: (x: number, images: number, rows: number, columns: number, weights: number, sums: number) => void;
  readonly poolProducts: (x: number, images: number, rows: number, columns: number, y: number, stride: number, sums: number) => void;
  readonly moments: (x: number, images: number, rows: number, columns: number, means: number, variances: number, scratch: number) => void;
}

/** Bits that say which results are asked for. */
const BITS = { avg: 1, sum: 1, max: 2 } as const;

/** Columns of rows that are worth vectors. */
const NARROW = 16;

const program = programOf<Pool>(POOL);
const { canRun } = program;

/** The kernels on wasm. */
export const wasmPool: Form<WasmBackend, PoolInputs, PoolAttributes> = { canRun, run: pool };
export const wasmMoments: Form<WasmBackend, PoolInputs, PoolView> = { canRun, run: moments };
export const wasmStripPools: Form<WasmBackend, PoolInputs, StripPoolAttributes> = { canRun, run: stripPools };
export const wasmWeightedPool: Form<WasmBackend, WeightedPoolInputs, PoolView> = { canRun, run: weightedPool };
export const wasmProductPool: Form<WasmBackend, ProductPoolInputs, PoolView> = {
  canRun,
  // Narrower ones would be taken value by value.
  fits: (_, { columns }) => columns >= NARROW,
  run: productPool,
};

/** Bits for the kinds asked for. */
function bitsOf(kinds: readonly (keyof typeof BITS)[]): number {
  return kinds.reduce((bits, kind) => bits | BITS[kind], 0);
}

function pool(backend: WasmBackend, { x }: Inputs<PoolInputs>, { images, rows, columns, shape, kinds }: PoolAttributes): TensorInfo {
  const { scratchBytes, pool } = program.on(backend);
  return withScratch(backend, scratchBytes(), 'pool', (scratch) => {
    const out = backend.makeOutput(shape, 'float32');
    const result = (bit: number) => addressOf(backend, out) + kinds.findIndex((kind) => BITS[kind] === bit) * images * columns * FLOAT_BYTES;
    const factor = kinds.includes('sum') ? 1 : 1 / rows;
    pool(addressOf(backend, x), images, rows, columns, bitsOf(kinds), factor, result(BITS.avg), result(BITS.max), scratch);
    return out;
  });
}

function moments(backend: WasmBackend, { x }: Inputs<PoolInputs>, { images, rows, columns, shape }: PoolView): TensorInfo {
  const { scratchBytes, moments } = program.on(backend);
  return withScratch(backend, scratchBytes(), 'moments', (scratch) => {
    const out = backend.makeOutput(shape, 'float32');
    const means = addressOf(backend, out);
    moments(addressOf(backend, x), images, rows, columns, means, means + images * columns * FLOAT_BYTES, scratch);
    return out;
  });
}

function stripPools(backend: WasmBackend, { x }: Inputs<PoolInputs>, { kinds }: StripPoolAttributes): TensorInfo {
  const { scratchBytes, poolStrips } = program.on(backend);
  const [images, height, width, channels] = x.shape as [number, number, number, number];
  return withScratch(backend, scratchBytes(), 'stripPools', (scratch) => {
    const out = backend.makeOutput([kinds.length, images, height + width, channels], 'float32');
    const [mapBytes, stripBytes] = [height * width * channels * FLOAT_BYTES, (height + width) * channels * FLOAT_BYTES];
    for (let i = 0; i < images; i++) {
      const result = (bit: number) => addressOf(backend, out) + (kinds.findIndex((kind) => BITS[kind] === bit) * images + i) * stripBytes;
      const map = addressOf(backend, x) + i * mapBytes;
      poolStrips(map, height, width, channels, bitsOf(kinds), result(BITS.avg), result(BITS.max), scratch);
    }
    return out;
  });
}

function weightedPool(backend: WasmBackend, { x, weights }: Inputs<WeightedPoolInputs>, { images, rows, columns, shape }: PoolView): TensorInfo {
  const { poolWeighted } = program.on(backend);
  const out = backend.makeOutput(shape, 'float32');
  poolWeighted(addressOf(backend, x), images, rows, columns, addressOf(backend, weights), addressOf(backend, out));
  return out;
}

function productPool(backend: WasmBackend, { x, y }: Inputs<ProductPoolInputs>, { images, rows, columns, shape }: PoolView): TensorInfo {
  const { poolProducts } = program.on(backend);
  const out = backend.makeOutput(shape, 'float32');
  const stride = sizeOf(y.shape) === rows * columns ? 0 : rows * columns * FLOAT_BYTES;
  poolProducts(addressOf(backend, x), images, rows, columns, addressOf(backend, y), stride, addressOf(backend, out));
  return out;
}
