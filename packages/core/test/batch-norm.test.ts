import { batchNormInference } from '@saccade/core';
import { onEachBackend } from '@saccade/testkit';
import * as tf from '@tensorflow/tfjs-core';
import { test } from 'vitest';
import { expectSame, normal, toTensor } from './plain.ts';

onEachBackend(() => {
  // Rank 2 to 5, and on wasm both sides of the size from which it computes another way.
  test.each([[[5, 1]], [[3, 7, 20]], [[1, 9, 43, 33]], [[2, 2, 3, 5, 16]]])('batchNormInference of %j', async (shape) => {
    const channels = [shape.at(-1)!];
    const moments = () => ({ mean: toTensor(normal(channels, 2)) as tf.Tensor1D, variance: tf.square(toTensor(normal(channels, 3))) as tf.Tensor1D });
    const [ours, plain] = [
      (x: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor) => batchNormInference(x, moments(), gamma, beta, 0.5),
      (x: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor) => {
        const { mean, variance } = moments();
        return tf.add(tf.mul(tf.div(tf.sub(x, mean), tf.sqrt(tf.add(variance, 0.5))), gamma), beta);
      },
    ];
    await expectSame(ours, plain, [normal(shape, 4), normal(channels, 5), normal(channels, 6)], { value: 1e-5, gradient: 1e-4 });
  });
});
