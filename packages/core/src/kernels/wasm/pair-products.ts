import type { Tensor, TensorInfo } from '@tensorflow/tfjs-core';
import { ownKernel, type Inputs } from '../kernel.js';
import { addressOf, FLOAT_BYTES, isKnown, type WasmBackend } from './backend.js';

type PairProduct = (
  a: number,
  aShape: Uint8Array,
  aRank: number,
  b: number,
  bShape: Uint8Array,
  bRank: number,
  transposeA: number,
  transposeB: number,
  out: number,
) => void;

interface Pairs {
  /** `[B, M, K]` */
  readonly a: Tensor;
  /** `[B, K, N]` */
  readonly b: Tensor;
}

/**
 * The product of every pair of a batch, each by XNNPACK, in place: `[B, M, N]`. The backend's own kernel leaves XNNPACK for a scalar loop as soon as
 * there is more than one pair, and its slices copy the whole batch for every pair that they cut out.
 */
export const pairProducts = ownKernel<Pairs>('SaccadePairProducts', { wasm: { canRun: isKnown, run } });

function run(backend: WasmBackend, { a, b }: Inputs<Pairs>): TensorInfo {
  const multiply = productOf(backend);
  const [batch, m, k] = a.shape as [number, number, number];
  const n = b.shape[2];
  const out = backend.makeOutput([batch, m, n], 'float32');
  const starts = [addressOf(backend, a), addressOf(backend, b), addressOf(backend, out)] as const;
  const [aShape, bShape] = [bytesOf([1, m, k]), bytesOf([1, k, n])];
  for (let i = 0; i < batch; i++) {
    const views = [
      backend.makeOutput([m, k], 'float32', starts[0] + i * m * k * FLOAT_BYTES),
      backend.makeOutput([k, n], 'float32', starts[1] + i * k * n * FLOAT_BYTES),
      backend.makeOutput([m, n], 'float32', starts[2] + i * m * n * FLOAT_BYTES),
    ];
    const [aId, bId, outId] = views.map(({ dataId }) => backend.dataIdMap.get(dataId).id) as [number, number, number];
    multiply(aId, aShape, 3, bId, bShape, 3, 0, 0, outId);
    for (const view of views) forget(backend, view);
  }
  return out;
}

/** Ends a view. `disposeData` of the backend would free the memory that it looks at. */
function forget({ wasm, dataIdMap }: WasmBackend, { dataId }: TensorInfo): void {
  wasm.tfjs.disposeData(dataIdMap.get(dataId).id);
  dataIdMap.delete(dataId);
}

const products = new WeakMap<WasmBackend, PairProduct>();

function productOf(backend: WasmBackend): PairProduct {
  let product = products.get(backend);
  if (!product) {
    const types = ['number', 'array', 'number', 'number', 'array', 'number', 'number', 'number', 'number'];
    product = backend.wasm.cwrap('BatchMatMul', null, types) as PairProduct;
    products.set(backend, product);
  }
  return product;
}

function bytesOf(shape: number[]): Uint8Array {
  return new Uint8Array(new Int32Array(shape).buffer);
}
