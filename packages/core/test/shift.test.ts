import { shift } from '@saccade/core';
import { useBackend } from '@saccade/backends';
import { onEachBackend } from '@saccade/testkit';
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { expectGuarded, expectSame, normal, type Operation } from './plain.ts';

const SHAPES = [
  [2, 3, 5, 7],
  [2, 5, 9, 20],
  [3, 4, 1],
  [2, 1, 2, 3, 16],
].map((shape) => [shape]);

const ours: Operation = (x, offset) => shift(x, offset as tf.Tensor2D);
const plain: Operation = (x, offset) =>
  tf.add(
    x,
    tf.reshape(
      offset,
      x.shape.map((size, axis) => (axis > 0 && axis < x.rank - 1 ? 1 : size)),
    ),
  );
const inputsOf = (shape: number[]) => [normal(shape, 1), normal([shape[0], shape.at(-1)!], 2)];

onEachBackend((backend) => {
  test.each(backend === 'webgpu' ? SHAPES.slice(0, 2) : SHAPES)('shifts a map of shape %j', async (shape) => {
    await expectSame(ours, plain, inputsOf(shape));
  });
});

test.each(SHAPES)('on wasm, nothing is read or written out of bounds by a shift of %j', async (shape) => {
  await useBackend('wasm');
  await expectGuarded(ours, inputsOf(shape));
  await useBackend('cpu');
});

test('shift refuses what does not fit', () => {
  expect(() => shift(tf.zeros([2, 3, 4, 5]), tf.zeros([1, 5]))).toThrow(
    'shift: an offset of shape [1, 5] does not fit a map of shape [2, 3, 4, 5]. Give [N, C].',
  );
});
