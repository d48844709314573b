import { scaleNearest } from '@saccade/core';
import { onEachBackend } from '@saccade/testkit';
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { expectSame, normal, type Operation } from './plain.ts';

const plain: Operation = (x, gate) => {
  const sources = (axis: number) => Array.from({ length: x.shape[axis] }, (_, i) => Math.floor((i * gate.shape[axis]) / x.shape[axis]));
  return tf.mul(x, tf.gather(tf.gather(gate, sources(1), 1), sources(2), 2));
};

onEachBackend((backend) => {
  const tolerance = backend === 'webgpu' ? { value: 1e-4, gradient: 1e-3 } : { value: 1e-5, gradient: 1e-4 };

  test.each([
    [
      [2, 6, 8, 3],
      [3, 2],
    ],
    [
      [1, 5, 9, 4],
      [5, 3],
    ],
    [
      [3, 4, 6, 2],
      [1, 1],
    ],
    [
      [2, 7, 6, 5],
      [4, 3],
    ],
    [
      [1, 14, 10, 3],
      [4, 10],
    ],
  ])('scales %j by a gate of %j', async (shape, size) => {
    const inputs = [normal(shape, 1), normal([shape[0], ...size, shape[3]], 2)];
    await expectSame((x, gate) => scaleNearest(x as tf.Tensor4D, gate as tf.Tensor4D), plain, inputs, tolerance);
  });

  test('leaves no tensor behind', () => {
    const [x, even, uneven] = [
      [1, 6, 6, 2],
      [1, 3, 2, 2],
      [1, 4, 3, 2],
    ].map((shape) => tf.ones<tf.Rank.R4>(shape as [number, number, number, number]));
    const before = tf.memory().numTensors;
    tf.dispose([scaleNearest(x, even), scaleNearest(x, uneven)]);
    expect(tf.memory().numTensors).toBe(before);
  });
});
