import type { KernelFunc, NamedAttrMap, TensorInfo } from '@tensorflow/tfjs-core';
import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import { free, heapOf, reshaped, sizeOf, startOf } from './heap.js';

// What things cost, in nanoseconds. The backend's own product of transposed or batched matrices is a scalar loop.
const LOOP_PER_MAC = 0.8;
const CALL = 25_000;
const FAST_PER_MAC = 1 / 16;
const PACK_PER_ELEMENT = 4;
const TRANSPOSE_PER_ELEMENT = 2;

const TILE = 16;

/**
 * `BatchMatMul`: where that is faster, transposes matrices first and multiplies the pairs of a batch one by one, so that XNNPACK does the work,
 * which the backend asks for a single untransposed pair only. The gradients of matMul are products with a transposed matrix.
 *
 * @param original the backend's own kernel
 */
export function batchMatMul(
  backend: BackendWasm,
  a: TensorInfo,
  b: TensorInfo,
  { transposeA, transposeB }: { transposeA: boolean; transposeB: boolean },
  original: KernelFunc,
): TensorInfo {
  const own = (a: TensorInfo, b: TensorInfo, attrs: NamedAttrMap) => original({ inputs: { a, b }, backend, attrs }) as TensorInfo;
  const batchA = a.shape.slice(0, -2);
  const batchB = b.shape.slice(0, -2);
  const pairs = sizeOf(batchA);
  const [m, k] = matrixShape(a, transposeA);
  const [inner, n] = matrixShape(b, transposeB);
  const plain = pairs === 1 && sizeOf(batchB) === 1 && !transposeA && !transposeB;
  const usual = a.dtype === 'float32' && b.dtype === 'float32' && k === inner && batchA.join() === batchB.join();
  if (plain || !usual || !isWorthIt(m, k, n, transposeA, transposeB)) return own(a, b, { transposeA, transposeB });

  const attrs = { transposeA: false, transposeB: false };
  const out = backend.makeOutput([...batchA, m, n], 'float32');
  for (let pair = 0; pair < pairs; pair++) {
    const left = pairs === 1 && !transposeA ? undefined : matrixOf(backend, a, pair, m, k, transposeA);
    // Always a tensor of its own: XNNPACK keeps the packed operand by tensor, whatever its shape.
    const right = matrixOf(backend, b, pair, k, n, transposeB);
    const product = own(left ?? reshaped(a, [m, k]), right, attrs);
    heapOf(backend, out).set(backend.typedArrayFromHeap(product), startOf(backend, out) + pair * m * n);
    free(backend, right, product, ...(left ? [left] : []));
  }
  return out;
}

function isWorthIt(m: number, k: number, n: number, transposeA: boolean, transposeB: boolean): boolean {
  const moved = (transposeA ? m * k : 0) + (transposeB ? k * n : 0);
  return m * k * n * (LOOP_PER_MAC - FAST_PER_MAC) > CALL + k * n * PACK_PER_ELEMENT + moved * TRANSPOSE_PER_ELEMENT;
}

function matrixShape({ shape }: TensorInfo, transposed: boolean): [number, number] {
  const [rows, columns] = shape.slice(-2) as [number, number];
  return transposed ? [columns, rows] : [rows, columns];
}

/** A copy of one matrix of a batch, `[rows, columns]` after it was transposed. */
function matrixOf(backend: BackendWasm, batch: TensorInfo, index: number, rows: number, columns: number, transposed: boolean): TensorInfo {
  const matrix = backend.makeOutput([rows, columns], 'float32');
  const heap = heapOf(backend, matrix);
  const from = startOf(backend, batch) + index * rows * columns;
  const to = startOf(backend, matrix);
  if (transposed) transpose(heap, from, to, rows, columns);
  else heap.copyWithin(to, from, from + rows * columns);
  return matrix;
}

/** Writes `[rows, columns]` at `to` from `[columns, rows]` at `from`, tile by tile. */
function transpose(heap: Float32Array, from: number, to: number, rows: number, columns: number): void {
  for (let top = 0; top < rows; top += TILE) {
    const bottom = Math.min(rows, top + TILE);
    for (let left = 0; left < columns; left += TILE) {
      const right = Math.min(columns, left + TILE);
      for (let row = top; row < bottom; row++) {
        for (let column = left; column < right; column++) heap[to + row * columns + column] = heap[from + column * rows + row]!;
      }
    }
  }
}
