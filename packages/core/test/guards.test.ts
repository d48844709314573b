import { attend } from '@saccade/core';
import { useBackend } from '@saccade/backends';
import type * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, test } from 'vitest';
import { expectGuarded, normal } from './plain.ts';

// On odd sizes, next to memory that is not its own.
describe('on wasm, nothing is read or written out of bounds by', () => {
  beforeAll(() => useBackend('wasm'));
  afterAll(() => useBackend('cpu'));

  test.each([
    [1, 1, 1, 1],
    [5, 3, 7, 9],
    [33, 257, 5, 13],
  ])('attend of %i queries and %i keys with %i and %i channels, nor its gradients', async (n, m, d, e) => {
    await expectGuarded(
      (q, k, v) => attend(q as tf.Tensor3D, k as tf.Tensor3D, v as tf.Tensor3D),
      [
        [2, n, d],
        [2, m, d],
        [2, m, e],
      ].map((shape, i) => normal(shape, i)),
    );
  });
});
