import { convolve, WeightScope } from '@saccade/core';
import * as parts from '@saccade/core/parts';
import { onEachBackend } from '@saccade/testkit';
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { expectSame, normal, toTensor } from './plain.ts';

// Two groups of six filters: the panels of eight that wasm works in are not full.
const X = normal([2, 5, 6, 4], 1);
const KERNEL = normal([3, 3, 2, 12], 2);
const GEOMETRY = { stride: 2, groups: 2 };
const [FACTOR, BETA, MEAN] = [3, 4, 5].map((seed) => normal([12], seed));
const VARIANCE = { shape: [12], values: normal([12], 6).values.map((value) => value * value + 0.1) };

const plainConvolution = (x: tf.Tensor, kernel: tf.Tensor): tf.Tensor => {
  const [groups, kernels] = [tf.split(x, 2, 3), tf.split(kernel, 2, 3)];
  return tf.concat(
    groups.map((group, i) => tf.conv2d(group as tf.Tensor4D, kernels[i] as tf.Tensor4D, 2, 1)),
    3,
  );
};

onEachBackend(() => {
  test('convolve multiplies what each filter gives, with a bias and without', async () => {
    const ours = (x: tf.Tensor, kernel: tf.Tensor, factor: tf.Tensor, bias?: tf.Tensor) =>
      convolve(x as tf.Tensor4D, kernel as tf.Tensor4D, {
        ...GEOMETRY,
        factor: factor as tf.Tensor1D,
        bias: bias as tf.Tensor1D | undefined,
      });
    await expectSame(ours, (x, kernel, factor, bias) => tf.add(tf.mul(plainConvolution(x, kernel), factor), bias), [X, KERNEL, FACTOR, BETA]);
    await expectSame(ours, (x, kernel, factor) => tf.mul(plainConvolution(x, kernel), factor), [X, KERNEL, FACTOR]);
  });

  test('a convolution and its batch norm equal the two after each other at inference', async () => {
    const ours = (x: tf.Tensor, kernel: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor, mean: tf.Tensor, variance: tf.Tensor) => {
      const values: Record<string, tf.Tensor> = {
        'conv/kernel': kernel,
        'norm/gamma': gamma,
        'norm/beta': beta,
        'norm/movingMean': mean,
        'norm/movingVariance': variance,
      };
      const scope = new WeightScope(({ path }) => ({ read: () => values[path], write: () => expect.fail(`${path} was written at inference`) }));
      return parts.convBatchNorm(scope, 4, 12, { kernelSize: 3, epsilon: 0.01, ...GEOMETRY })(x as tf.Tensor4D, false);
    };
    const [mean, variance] = [MEAN, VARIANCE].map((input) => () => toTensor(input));
    await expectSame(
      (x, kernel, gamma, beta) => tf.tidy(() => ours(x, kernel, gamma, beta, mean(), variance())),
      (x, kernel, gamma, beta) => {
        const normal = tf.div(tf.sub(plainConvolution(x, kernel), mean()), tf.sqrt(tf.add(variance(), 0.01)));
        return tf.add(tf.mul(normal, gamma), beta);
      },
      [X, KERNEL, FACTOR, BETA],
    );
  });
});
