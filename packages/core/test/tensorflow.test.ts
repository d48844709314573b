import { kernelFromTensorFlow } from '@saccade/core/torch';
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';

test.each([
  [
    [2, 3, 4, 5],
    [3, 2, 0, 1],
  ],
  [
    [3, 2, 4],
    [2, 1, 0],
  ],
  [
    [4, 5],
    [1, 0],
  ],
])("a kernel %j of TensorFlow's is transposed by %j", async (shape, order) => {
  const x = tf.reshape(
    tf.range(
      0,
      shape.reduce((a, b) => a * b),
    ),
    shape,
  );
  const expected = tf.transpose(x, order);
  const kernel = kernelFromTensorFlow({ shape, data: (await x.data()) as Float32Array });
  expect(kernel).toEqual({ shape: expected.shape, data: await expected.data() });
});
