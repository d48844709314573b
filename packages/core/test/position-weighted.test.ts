import { positionWeightedPool } from '@saccade/core';
import { onEachBackend } from '@saccade/testkit';
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { expectSame, normal } from './plain.ts';

onEachBackend((backend) => {
  const tolerance = backend === 'webgpu' ? { value: 1e-4, gradient: 1e-3 } : { value: 1e-5, gradient: 1e-4 };

  test.each([[[1, 5, 3, 7]], [[3, 4, 6, 2]], [[2, 1, 1, 5]], [[2, 9, 4]], [[3, 2, 3, 2, 4]]])('sums %j by weights of positions', async (shape) => {
    const positions = shape.slice(1, -1).map((_, i) => i + 1);
    await expectSame(
      positionWeightedPool,
      (x, weights) => tf.sum(tf.mul(x, weights), positions),
      [normal(shape, 1), normal(shape.slice(1), 2)],
      tolerance,
    );
  });

  test('leaves no tensor behind, and refuses weights of another shape', () => {
    const [x, weights] = [tf.ones([2, 3, 5, 4]), tf.ones([3, 5, 4])];
    const before = tf.memory().numTensors;
    positionWeightedPool(x, weights).dispose();
    expect(tf.memory().numTensors).toBe(before);
    expect(() => positionWeightedPool(x, tf.reshape(weights, [5, 3, 4]))).toThrow(
      'positionWeightedPool: weights of shape [5, 3, 4] do not fit a map of shape [2, 3, 5, 4]. Give [3, 5, 4].',
    );
  });
});
