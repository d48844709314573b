import { WeightScope } from '@saccade/core';
import * as parts from '@saccade/core/parts';
import { onEachBackend } from '@saccade/testkit';
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { expectSame, normal, toTensor } from './plain.ts';

const X = normal([2, 5, 6, 12], 1);
const KERNEL = normal([3, 3, 12, 1], 2);
const [GAMMA, BETA, MEAN] = [3, 4, 5].map((seed) => normal([12], seed));
const VARIANCE = { shape: [12], values: normal([12], 6).values.map((value) => value * value + 0.1) };

onEachBackend(() => {
  test('a depthwise convolution and its batch norm equal the two after each other at inference', async () => {
    const ours = (x: tf.Tensor, kernel: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor) => {
      const values: Record<string, tf.Tensor> = {
        'conv/kernel': kernel,
        'norm/gamma': gamma,
        'norm/beta': beta,
        'norm/movingMean': toTensor(MEAN),
        'norm/movingVariance': toTensor(VARIANCE),
      };
      const scope = new WeightScope(({ path }) => ({ read: () => values[path], write: () => expect.fail(`${path} was written at inference`) }));
      return parts.depthwiseBatchNorm(scope, 12, { kernelSize: 3, stride: 2, epsilon: 0.01 })(x as tf.Tensor4D, false);
    };
    const plain = (x: tf.Tensor, kernel: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor) => {
      const y = tf.depthwiseConv2d(x as tf.Tensor4D, kernel as tf.Tensor4D, 2, 1);
      return tf.add(tf.mul(tf.div(tf.sub(y, toTensor(MEAN)), tf.sqrt(tf.add(toTensor(VARIANCE), 0.01))), gamma), beta);
    };
    await expectSame((...inputs) => tf.tidy(() => ours(...(inputs as Parameters<typeof ours>))), plain, [X, KERNEL, GAMMA, BETA]);
  });
});
