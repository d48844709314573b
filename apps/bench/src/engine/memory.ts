import { memory } from '@tensorflow/tfjs-core';

/** Measures the most memory taken since a moment. */
export interface MemoryGauge {
  start(): void;
  /** The growth since `start` at its highest, in bytes; null where it cannot be told. */
  peakBytes(): number | null;
}

/** Where memory cannot be told. */
export const NO_GAUGE: MemoryGauge = { start: () => undefined, peakBytes: () => null };

/** Reads what the WebGPU or WebGL backend has allocated. They keep released buffers and textures for reuse, so that their total is its peak. */
export function gpuGauge(): MemoryGauge {
  const allocated = () => {
    const { numBytesAllocatedInGPU, numBytesInGPUAllocated } = memory() as { numBytesAllocatedInGPU?: number; numBytesInGPUAllocated?: number };
    return numBytesAllocatedInGPU ?? numBytesInGPUAllocated ?? null;
  };
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
