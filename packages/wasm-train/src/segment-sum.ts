import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import { sizeOf, zeros } from './heap.js';

/**
 * `UnsortedSegmentSum`: the rows of x summed by segment; the gradient of `gather`. A row of a segment that does not exist, such as −1, is
 * dropped.
 */
export function unsortedSegmentSum(backend: BackendWasm, x: TensorInfo, segmentIds: TensorInfo, numSegments: number): TensorInfo {
  const [length = 1, ...rest] = x.shape;
  if (segmentIds.shape.length !== 1 || segmentIds.shape[0] !== length || x.shape.length === 0) {
    throw new Error(
      `UnsortedSegmentSum on wasm: received segmentIds of shape [${segmentIds.shape.join(', ')}] for x of shape [${x.shape.join(', ')}], ` +
        `expected [${length}]. Give one segment for each element of x’s first axis.`,
    );
  }
  const result = zeros(backend, [numSegments, ...rest], x.dtype);
  const values = backend.typedArrayFromHeap(x);
  const ids = backend.typedArrayFromHeap(segmentIds);
  const sums = backend.typedArrayFromHeap(result);
  const row = sizeOf(rest);
  for (let i = 0; i < length; i++) {
    const id = ids[i];
    if (id < 0 || id >= numSegments) continue;
    for (let j = 0, from = i * row, to = id * row; j < row; j++) sums[to + j] += values[from + j];
  }
  return result;
}
