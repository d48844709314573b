import { avgPool, maxPool, type Tensor4D } from '@tensorflow/tfjs-core';
import { BlockError, show } from '../errors.js';
import type { PoolKind } from '../kernels/pool.js';

export type { PoolKind } from '../kernels/pool.js';

/** What `avgPool` and `maxPool` have in common. */
export type Pool = (x: Tensor4D, window: [number, number], strides: [number, number], pad: 'valid') => Tensor4D;

/** TF.js's poolings. */
export const POOLS: Record<PoolKind, Pool> = { avg: avgPool, max: maxPool };

/** XNNPACK, behind wasm, keeps a sum for each channel on a stack of 64 KB, which more than these overflow: memory is then corrupted in silence. */
export const MAX_CHANNELS = 15 * 1024;

/** @throws {@link BlockError} unless there is at least one kind, and each but once */
export function checkKinds(operation: string, kinds: readonly PoolKind[]): void {
  const known = kinds.every((kind, i) => Object.hasOwn(POOLS, kind) && kinds.indexOf(kind) === i);
  if (kinds.length > 0 && known) return;
  throw new BlockError(`${operation}: got the kinds ${show(kinds)}, expects 'avg', 'max' or both. Name at least one, and each once.`);
}
