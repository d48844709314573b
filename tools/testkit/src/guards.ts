import { backend } from '@tensorflow/tfjs-core';
import { expect } from 'vitest';

// On each side, in bytes: a multiple of what the allocator aligns to.
const GUARD = 256;
// A quiet NaN: what a kernel reads of it shows in its results.
const FILL = 0x7fc0_1234;

// Emscripten's names.
const [ALLOCATE, FREE] = ['_malloc', '_free'] as const;

/** What there is to know of the wasm backend's memory. */
interface Heap {
  readonly HEAPU32: Uint32Array;
  [ALLOCATE]: (bytes: number) => number;
  [FREE]: (at: number) => void;
}

/**
 * Runs `work` on the wasm backend with a guard region before and behind all memory that is allocated meanwhile, and expects that nothing writes
 * there. Reads from there give NaN. What outlives `work` stays guarded.
 */
export async function withGuards(work: () => Promise<void>): Promise<void> {
  const { wasm: heap } = backend() as unknown as { wasm: Heap };
  // They replace themselves when they are first called.
  heap[FREE](heap[ALLOCATE](4));
  const { [ALLOCATE]: allocate, [FREE]: free } = heap;
  const sizes = new Map<number, number>();
  const guards = (at: number) => [at - GUARD, at + sizes.get(at)!].map((start) => heap.HEAPU32.subarray(start / 4, (start + GUARD) / 4));
  let broken = 0;
  const check = (at: number): void => {
    for (const guard of guards(at)) if (!guard.every((value) => value === FILL)) broken++;
  };
  heap[ALLOCATE] = (bytes) => {
    const size = Math.ceil(bytes / 4) * 4;
    const start = allocate(size + 2 * GUARD);
    if (start === 0) return 0;
    const at = start + GUARD;
    sizes.set(at, size);
    for (const guard of guards(at)) guard.fill(FILL);
    return at;
  };
  heap[FREE] = (at) => {
    if (!sizes.has(at)) return free(at);
    check(at);
    sizes.delete(at);
    free(at - GUARD);
  };
  try {
    await work();
    for (const at of sizes.keys()) check(at);
    expect(broken, 'guard regions that were written to').toBe(0);
    expect(sizes.size, 'guarded allocations left behind').toBe(0);
  } finally {
    Object.assign(heap, { [ALLOCATE]: allocate, [FREE]: free });
  }
}
