import { batchNormInference, batchNormTraining, layerNorm, momentsOf, WeightScope } from '@saccade/core';
import * as parts from '@saccade/core/parts';
import { closeTo, onEachBackend, random } from '@saccade/testkit';
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { expectSame, normal, toTensor, type Operation } from './plain.ts';

const SHAPES = [
  [3, 5, 7, 3],
  [1, 3, 1, 33],
  [3, 7],
  [5, 1],
  [3, 7, 20],
  [2, 2, 3, 5, 16],
];

const leading = (x: tf.Tensor): number[] => x.shape.slice(0, -1).map((_, i) => i);

function plainTraining(epsilon: number): Operation {
  return (x, gamma, beta) => {
    const { mean, variance } = tf.moments(x, leading(x));
    return tf.add(tf.mul(tf.div(tf.sub(x, mean), tf.sqrt(tf.add(variance, epsilon))), gamma), beta);
  };
}

function plainLayerNorm(epsilon: number): Operation {
  return (x, gamma, beta) => {
    const { mean, variance } = tf.moments(x, x.rank - 1, true);
    return tf.add(tf.mul(tf.div(tf.sub(x, mean), tf.sqrt(tf.add(variance, epsilon))), gamma), beta);
  };
}

/** A batch norm part whose weights are variables, by name. */
function batchNormOf(channels: number, options?: parts.BatchNormOptions) {
  const variables: Record<string, tf.Variable> = {};
  const trainable: string[] = [];
  const scope = new WeightScope(({ path, shape, initializer, trainable: learned }) => {
    const variable = (variables[path] = tf.variable(initializer.apply(shape)));
    if (learned) trainable.push(path);
    return { read: () => variable, write: (value) => variable.assign(value) };
  });
  return { apply: parts.batchNorm(scope, channels, options), variables, trainable };
}

onEachBackend((backend) => {
  const tolerance = backend === 'webgpu' ? { value: 1e-4, gradient: 1e-3 } : { value: 1e-5, gradient: 1e-4 };
  const inputs = (shape: number[]) => [normal(shape, 1), normal([shape.at(-1)!], 2), normal([shape.at(-1)!], 3)];

  test.each(SHAPES.map((shape) => [shape]))('batch norm of %j in training', async (shape) => {
    const ours: Operation = (x, gamma, beta) => batchNormTraining(x, momentsOf(x), gamma, beta, 1e-3);
    await expectSame(ours, plainTraining(1e-3), inputs(shape), tolerance);
  });

  // The last is large enough for the other formulation on wasm.
  test.each([...SHAPES, [1, 17, 23, 33]].map((shape) => [shape]))('batch norm of %j at inference', async (shape) => {
    const channels = shape.at(-1)!;
    const moments = () => ({
      mean: toTensor(normal([channels], 4)) as tf.Tensor1D,
      variance: tf.square(toTensor(normal([channels], 5))) as tf.Tensor1D,
    });
    const plain: Operation = (x, gamma, beta) => {
      const { mean, variance } = moments();
      return tf.add(tf.mul(tf.div(tf.sub(x, mean), tf.sqrt(tf.add(variance, 1e-3))), gamma), beta);
    };
    await expectSame((x, gamma, beta) => batchNormInference(x, moments(), gamma, beta, 1e-3), plain, inputs(shape), tolerance);
  });

  test.each(SHAPES.map((shape) => [shape]))('layer norm of %j', async (shape) => {
    await expectSame((x, gamma, beta) => layerNorm(x, gamma, beta, 1e-3), plainLayerNorm(1e-3), inputs(shape), tolerance);
  });

  test('the moments are the mean and the biased variance, even far from 0, and pass no gradient on', async () => {
    const x = tf.tidy(() => tf.add(random([3, 5, 7, 4]), tf.tensor1d([0, 100, -1000, 3])));
    const { mean, variance } = momentsOf(x);
    const plain = tf.tidy(() => tf.moments(x, [0, 1, 2]));
    await closeTo(mean, plain.mean, 1e-6);
    await closeTo(variance, plain.variance, 1e-3);
    await closeTo(tf.grad((x) => momentsOf(x).variance)(x), tf.zerosLike(x), 0);
  });

  test.each([{}, { momentum: 0.3, epsilon: 1e-3 }])('the moving statistics follow PyTorch’s rule: %j', async (options) => {
    const { momentum = 0.1, epsilon = 1e-5 } = options as parts.BatchNormOptions;
    const { apply, variables, trainable } = batchNormOf(4, options);
    expect(trainable).toEqual(['gamma', 'beta']);
    let [mean, variance] = [
      [0, 0, 0, 0],
      [1, 1, 1, 1],
    ];
    for (const seed of [1, 2, 3]) {
      const x = random([2, 3, 5, 4], seed);
      const values = [...(await x.data())];
      const before = tf.memory().numTensors;
      tf.tidy(() => void apply(x, true));
      expect(tf.memory().numTensors).toBe(before);
      // Each channel has 30 values: the variance is over 29.
      const channel = (c: number) => values.filter((_, i) => i % 4 === c);
      const means = [0, 1, 2, 3].map((c) => channel(c).reduce((a, b) => a + b) / 30);
      const variances = [0, 1, 2, 3].map((c) => channel(c).reduce((sum, value) => sum + (value - means[c]) ** 2, 0) / 29);
      mean = mean.map((old, c) => (1 - momentum) * old + momentum * means[c]);
      variance = variance.map((old, c) => (1 - momentum) * old + momentum * variances[c]);
    }
    await closeTo(variables['movingMean'], tf.tensor1d(mean), 1e-5);
    await closeTo(variables['movingVariance'], tf.tensor1d(variance), 1e-5);

    // At inference they are used, and stay.
    const x = random([1, 3, 1, 4], 9);
    const expected = tf.tidy(() => tf.div(tf.sub(x, tf.tensor1d(mean)), tf.sqrt(tf.add(tf.tensor1d(variance), epsilon))));
    await closeTo(apply(x, false), expected, tolerance.value);
    await closeTo(variables['movingMean'], tf.tensor1d(mean), 1e-5);
  });

  test('batch norm of a single value a channel in training is that of inference, and moves no statistics', async () => {
    const { apply, variables } = batchNormOf(3);
    variables['movingMean'].assign(tf.tensor1d([1, 2, 3]));
    variables['movingVariance'].assign(tf.tensor1d([4, 0.25, 1]));
    const x = tf.tensor4d([5, 2, 0], [1, 1, 1, 3]);
    await closeTo(apply(x, true), tf.tensor4d([2, 0, -3], [1, 1, 1, 3]), 1e-4);
    await closeTo(variables['movingMean'], tf.tensor1d([1, 2, 3]), 0);
    await closeTo(variables['movingVariance'], tf.tensor1d([4, 0.25, 1]), 0);
  });
});
