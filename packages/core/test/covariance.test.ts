import { covariancePool } from '@saccade/core';
import { closeTo, onEachBackend } from '@saccade/testkit';
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { expectSame, normal, toTensor } from './plain.ts';

/** The covariance as its definition reads: each position's deviations from the mean, times each other. */
function plainCovariance(x: tf.Tensor): tf.Tensor {
  const [batch, channels] = [x.shape[0], x.shape.at(-1)!];
  const rows = tf.reshape(x, [batch, -1, channels]);
  const deviations = tf.sub(rows, tf.mean(rows, 1, true));
  return tf.mean(tf.mul(tf.expandDims(deviations, 3), tf.expandDims(deviations, 2)), 1);
}

onEachBackend((backend) => {
  const shapes = [
    [1, 3, 5, 4],
    [3, 4, 3, 7],
    [2, 1, 1, 3],
    [2, 9, 1],
    [2, 2, 3, 2, 5],
    [2, 5, 5, 16],
    ...(backend === 'wasm' ? [[2, 15, 19, 21]] : []),
  ];

  test.each(shapes.map((shape) => [shape]))('covariancePool of %j, and its gradient', async (shape) => {
    await expectSame(covariancePool, plainCovariance, [normal(shape, 1)]);
  });

  test('covariancePool is exact beside a large mean', async () => {
    const deviations = toTensor(normal([2, 6, 6, 5], 2));
    const rounded = tf.div(tf.round(tf.mul(deviations, 64)), 64); // so that adding the mean loses nothing
    await closeTo(covariancePool(tf.add(rounded, 1000)), covariancePool(rounded), 1e-4);
    expect(covariancePool(rounded).shape).toEqual([2, 5, 5]);
  });
});
