import { attend } from '@saccade/core';
import { useBackend } from '@saccade/backends';
import { withGuards } from '@saccade/testkit';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { normal, toTensor } from './plain.ts';

// What each kernel does on odd sizes, next to memory that is not its own.
describe('on wasm, nothing is read or written out of bounds by', () => {
  beforeAll(() => useBackend('wasm'));
  afterAll(() => useBackend('cpu'));

  test.each([
    [1, 1, 1, 1],
    [5, 3, 7, 9],
    [33, 257, 5, 13],
  ])('attend of %i queries and %i keys with %i and %i channels', async (n, m, d, e) => {
    await expectGuarded(
      (q, k, v) => attend(q as tf.Tensor3D, k as tf.Tensor3D, v as tf.Tensor3D),
      [
        [2, n, d],
        [2, m, d],
        [2, m, e],
      ],
    );
  });
});

async function expectGuarded(operation: (...inputs: tf.Tensor[]) => tf.Tensor, shapes: number[][]): Promise<void> {
  await withGuards(async () => {
    const inputs = shapes.map((shape, i) => toTensor(normal(shape, i)));
    const y = operation(...inputs);
    expect((await y.data()).every(Number.isFinite)).toBe(true);
    tf.dispose([y, ...inputs]);
  });
}
