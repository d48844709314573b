import { useBackend } from '@saccade/backends';
import { covariancePool, gramMatrix } from '@saccade/core';
import { onEachBackend, withGuards } from '@saccade/testkit';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { expectSame, normal, toTensor } from './plain.ts';

function plainGram(x: tf.Tensor): tf.Tensor {
  const rows = tf.reshape(x, [x.shape[0], -1, x.shape.at(-1)!]);
  return tf.sum(tf.mul(tf.expandDims(rows, 3), tf.expandDims(rows, 2)), 1);
}

onEachBackend((backend) => {
  const shapes = [[1, 3, 5, 4], [3, 4, 3, 7], [2, 9, 1], [2, 2, 3, 2, 5], ...(backend === 'wasm' ? [[2, 15, 19, 21]] : [])];

  test.each(shapes.map((shape) => [shape]))('gramMatrix of %j, and its gradient', async (shape) => {
    await expectSame(gramMatrix, plainGram, [normal(shape, 1)]);
  });
});

describe('on wasm, nothing is read or written out of bounds by Gram matrix and covariance', () => {
  beforeAll(() => useBackend('wasm'));
  afterAll(() => useBackend('cpu'));

  test.each([[[1, 1, 1]], [[2, 3, 5]], [[2, 259, 11]]])('of %j', async (shape) => {
    await withGuards(async () => {
      const x = toTensor(normal(shape, 1));
      for (const pool of [gramMatrix, covariancePool]) {
        const { value, grad } = tf.valueAndGrad(pool)(x);
        for (const y of [value, grad]) expect((await y.data()).every(Number.isFinite)).toBe(true);
        tf.dispose([value, grad]);
      }
      x.dispose();
    });
  });
});
