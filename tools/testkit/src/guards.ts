import { backend } from '@tensorflow/tfjs-core';
import { expect } from 'vitest';

// On each side, in bytes: a multiple of what the allocator aligns to.
const GUARD = 256;
// A quiet NaN: what a kernel reads of it shows in its results.
const FILL = 0x7fc0_1234;

/** What there is to know of the wasm backend's memory. */
interface Heap {
  readonly HEAPU32: Uint32Array;
  _malloc(bytes: number): number;
  _free(at: number): void;
}

/**
 * Runs `work` on the wasm backend with a guard region before and behind all memory that is allocated meanwhile, and expects that nothing writes
 * there. Reads from there give NaN. What outlives `work` stays guarded.
 */
export async function withGuards(work: () => Promise<void>): Promise<void> {
  const { wasm: heap } = backend() as unknown as { wasm: Heap };
  // Emscripten's functions replace themselves when they are first called.
  heap._free(heap._malloc(4));
  const { _malloc: allocate, _free: free } = heap;
  const sizes = new Map<number, number>();
  const guards = (at: number) => [at - GUARD, at + sizes.get(at)!].map((start) => heap.HEAPU32.subarray(start / 4, (start + GUARD) / 4));
  let broken = 0;
  const check = (at: number): void => {
    for (const guard of guards(at)) if (!guard.every((value) => value === FILL)) broken++;
  };
  heap._malloc = (bytes) => {
    const size = Math.ceil(bytes / 4) * 4;
    const start = allocate.call(heap, size + 2 * GUARD);
    if (start === 0) return 0;
    const at = start + GUARD;
    sizes.set(at, size);
    for (const guard of guards(at)) guard.fill(FILL);
    return at;
  };
  heap._free = (at) => {
    if (!sizes.has(at)) return free.call(heap, at);
    check(at);
    sizes.delete(at);
    free.call(heap, at - GUARD);
  };
  try {
    await work();
    for (const at of sizes.keys()) check(at);
    expect(broken, 'guard regions that were written to').toBe(0);
    expect(sizes.size, 'guarded allocations left behind').toBe(0);
  } finally {
    Object.assign(heap, { _malloc: allocate, _free: free });
  }
}
