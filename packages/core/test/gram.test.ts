import { gramMatrix } from '@saccade/core';
import { onEachBackend } from '@saccade/testkit';
import * as tf from '@tensorflow/tfjs-core';
import { test } from 'vitest';
import { expectSame, normal } from './plain.ts';

function plainGram(x: tf.Tensor): tf.Tensor {
  const rows = tf.reshape(x, [x.shape[0], -1, x.shape.at(-1)!]);
  return tf.sum(tf.mul(tf.expandDims(rows, 3), tf.expandDims(rows, 2)), 1);
}

onEachBackend(() => {
  test.each([[[1, 3, 5, 4]], [[3, 4, 3, 7]], [[2, 9, 1]], [[2, 2, 3, 2, 5]]])('gramMatrix of %j, and its gradient', async (shape) => {
    await expectSame(gramMatrix, plainGram, [normal(shape, 1)]);
  });
});
