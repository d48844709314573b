import { scaleByStrips } from '@saccade/core';
import { onEachBackend } from '@saccade/testkit';
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { expectSame, normal, type Operation } from './plain.ts';

const ours: Operation = (x, strips) => scaleByStrips(x as tf.Tensor4D, strips as tf.Tensor3D, 'sigmoid');

const plain: Operation = (x, strips) => {
  const [height, width] = x.shape.slice(1);
  const [rows, columns] = tf.split(tf.sigmoid(strips), [height, width], 1);
  return tf.mul(tf.mul(x, tf.expandDims(rows, 2)), tf.expandDims(columns, 1));
};

onEachBackend(() => {
  test.each([[[2, 3, 5, 8]], [[1, 4, 4, 7]]])('scaleByStrips of %j, and its gradients', async (shape) => {
    const [images, height, width, channels] = shape;
    await expectSame(ours, plain, [normal(shape, 1), normal([images, height + width, channels], 2)]);
  });
});

test('strips of another map are refused', () => {
  expect(() => scaleByStrips(tf.zeros([1, 2, 3, 4]), tf.zeros([1, 6, 4]))).toThrow('[1, 6, 4] do not fit a map of shape [1, 2, 3, 4]');
});
