import { memory } from '@tensorflow/tfjs-core';

/** Measures the most memory taken since a moment. */
export interface MemoryGauge {
  start(): void;
  /** The growth since `start` at its highest, in bytes; null where it cannot be told. */
  peakBytes(): number | null;
}

/** Reads what the WebGPU backend has allocated. It keeps released buffers for reuse, so that its total is its peak. */
export function gpuGauge(): MemoryGauge {
  const allocated = () => (memory() as { numBytesAllocatedInGPU?: number }).numBytesAllocatedInGPU ?? null;
  let before: number | null = null;
  return {
    start: () => {
      before = allocated();
    },
    peakBytes: () => {
      const now = allocated();
      return now === null || before === null ? null : now - before;
    },
  };
}
