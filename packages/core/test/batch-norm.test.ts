import { WeightScope, type Weight } from '@saccade/core';
import * as parts from '@saccade/core/parts';
import { closeTo, onEachBackend, random } from '@saccade/testkit';
import * as tf from '@tensorflow/tfjs-core';
import { test } from 'vitest';

/** A batch norm of 5 channels, and its weights by name. */
function made(): { norm: parts.BatchNorm; weights: Map<string, tf.Variable> } {
  const weights = new Map<string, tf.Variable>();
  const scope = new WeightScope(({ path, shape, initializer }): Weight => {
    const variable = tf.variable(initializer.apply(shape, 'float32'));
    weights.set(path, variable);
    return { read: () => variable, write: (value) => variable.assign(value) };
  });
  const norm = parts.batchNorm(scope, 5);
  weights.get('gamma')!.assign(random([5], 1));
  weights.get('beta')!.assign(random([5], 2));
  return { norm, weights };
}

onEachBackend(() => {
  test('a batch norm in training is the factor and the offset that its moments make, with gradients through them', async () => {
    const [called, folded] = [made(), made()];
    const byMoments = (x: tf.Tensor) => {
      const mean = tf.mean<tf.Tensor1D>(x, [0, 1]);
      const variance = tf.mean<tf.Tensor1D>(tf.square(tf.sub(x, mean)), [0, 1]);
      const { factor, offset } = folded.norm.folded({ mean, variance, count: 12 });
      return tf.add(tf.mul(x, factor), offset);
    };
    const byCall = (x: tf.Tensor) => called.norm(x, true);
    const [x, dy] = [random([3, 4, 5], 3), random([3, 4, 5], 4)];
    await closeTo(byMoments(x), byCall(x), 1e-5);
    await closeTo(tf.grad(byMoments)(x, dy), tf.grad(byCall)(x, dy), 1e-4);
    for (const [name, weight] of called.weights) await closeTo(folded.weights.get(name)!, weight, 1e-5);
  });
});
