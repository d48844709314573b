import { useBackend } from '@saccade/backends';
import { attend } from '@saccade/core';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, inject, test } from 'vitest';
import { expectSame, normal, type Operation } from './plain.ts';

const ours: Operation = (q, k, v, rows, columns) =>
  attend(q as tf.Tensor3D, k as tf.Tensor3D, v as tf.Tensor3D, {
    scale: 0.1,
    bias: rows ? { rows: rows as tf.Tensor3D, columns: columns as tf.Tensor3D } : undefined,
  });

const plain: Operation = (q, k, v, rows, columns) => {
  const scores = tf.mul(tf.matMul(q, k, false, true), 0.1);
  const bias = rows && tf.reshape(tf.add(tf.expandDims(rows, 3), tf.expandDims(columns, 2)), scores.shape);
  return tf.matMul(tf.softmax(bias ? tf.add(scores, bias) : scores), v);
};

// Of the shaders of attend and its gradient, what small shapes on each backend leave out.
describe.skipIf(!inject('webgpu'))('on WebGPU', () => {
  beforeAll(() => useBackend('webgpu'));
  afterAll(() => useBackend('cpu'));

  test.each([
    ['workgroups share the channels, and the keys', [1, 40, 150, 300, 512], []],
    ['a workgroup for each image walks over the keys', [64, 2, 70, 5, 10], []],
    ['walks over the keys of a plane', [1, 35, 78, 6, 8], [6, 13]],
  ])('attend and its gradients: %s', async (_, [batch, n, m, d, e], plane) => {
    const shapes = [[batch, n, d], [batch, m, d], [batch, m, e], ...plane.map((length) => [batch, n, length])];
    await expectSame(
      ours,
      plain,
      shapes.map((shape, i) => normal(shape, i + 1)),
      { value: 1e-4, gradient: 1e-3 },
    );
  });
});
