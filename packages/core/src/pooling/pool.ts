import type { Tensor4D } from '@tensorflow/tfjs-core';

/** What `avgPool` and `maxPool` have in common. */
export type Pool = (x: Tensor4D, window: [number, number], strides: [number, number], pad: 'valid') => Tensor4D;

/** XNNPACK, behind wasm, keeps a sum for each channel on a stack of 64 KB, which more than these overflow: memory is then corrupted in silence. */
export const MAX_CHANNELS = 15 * 1024;
