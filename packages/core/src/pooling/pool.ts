import type { Tensor4D } from '@tensorflow/tfjs-core';

/** What `avgPool` and `maxPool` have in common. */
export type Pool = (x: Tensor4D, window: [number, number], strides: [number, number], pad: 'valid') => Tensor4D;
