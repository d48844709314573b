import { convolvePlanes } from '@saccade/core';
import { onEachBackend } from '@saccade/testkit';
import * as tf from '@tensorflow/tfjs-core';
import { describe, test } from 'vitest';
import { expectSame, normal, type Operation } from './plain.ts';

const ours: Operation = (kernel, ...planes) => convolvePlanes(planes as tf.Tensor3D[], kernel as tf.Tensor4D);
const plain: Operation = (kernel, ...planes) =>
  tf.squeeze(tf.conv2d(tf.stack(planes, 3) as tf.Tensor4D, kernel as tf.Tensor4D, 1, (kernel.shape[0] - 1) / 2), [3]);

describe('convolvePlanes equals a convolution of the stacked planes', () => {
  onEachBackend((backend) => {
    // The last four are large enough for eight columns at a time on wasm, with kernels that reach into one, two and three steps.
    const shapes: [planes: number, shape: number[], side: number][] = [
      [2, [3, 5, 9], 7],
      [1, [1, 1, 8], 1],
      [3, [2, 6, 16], 5],
      [2, [1, 43, 24], 7],
      [2, [3, 2, 176], 7],
      [3, [2, 21, 8], 13],
      [1, [1, 21, 8], 19],
    ];
    test.each(backend === 'webgpu' ? shapes.slice(0, 3) : shapes)('%i of %j, kernel of side %i', async (planes, shape, side) => {
      const inputs = [normal([side, side, planes, 1], 7), ...Array.from({ length: planes }, (_, i) => normal(shape, i + 1))];
      await expectSame(ours, plain, inputs, { value: 1e-5, gradient: 2e-4 });
    });
  });
});
