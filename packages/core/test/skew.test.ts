import { skew, slice, unskew } from '@saccade/core';
import { onEachBackend } from '@saccade/testkit';
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { expectSame, normal, type Operation } from './plain.ts';

/** 1 where a distance leads from one position to another, `[from, to, distance]`. */
function distances(length: number): tf.Tensor3D {
  return tf.tensor3d(
    Array.from({ length }, (_, from) =>
      Array.from({ length }, (_, to) => Array.from({ length: 2 * length - 1 }, (_, distance) => Number(distance === to - from + length - 1))),
    ),
    [length, length, 2 * length - 1],
  );
}

const plainSkew: Operation = (x) => tf.sum(tf.mul(tf.expandDims(x, 2), tf.expandDims(distances(x.shape[1]!), 0)), 3);
const plainUnskew: Operation = (x) => tf.sum(tf.mul(tf.expandDims(x, 3), tf.expandDims(distances(x.shape[1]!), 0)), 2);

onEachBackend((backend) => {
  test.each([
    [3, 4],
    [2, 7],
    [2, 1],
  ])('from distances to positions and back: %d lines of %d', async (lines, length) => {
    await expectSame(skew as Operation, plainSkew, [normal([lines, length, 2 * length - 1], 1)]);
    await expectSame(unskew as Operation, plainUnskew, [normal([lines, length, length], 2)]);
  });

  test.each([
    [[7], [2], [4]],
    [
      [5, 6],
      [0, 2],
      [5, 3],
    ],
    [
      [5, 6],
      [1, 0],
      [3, 6],
    ],
    [
      [4, 3, 5, 2],
      [1, 0, 2, 0],
      [2, 3, 3, 2],
    ],
    [
      [4, 3, 5, 2],
      [1, 1, 0, 1],
      [2, 1, 5, 1],
    ],
    [
      [2, 3, 2],
      [0, 0, 0],
      [2, 3, 2],
    ],
    [
      [2, 3, 2],
      [0, 1, 0],
      [2, 0, 2],
    ],
  ])('slice of %j from %j on: %j', async (shape, begin, size) => {
    const plain: Operation = (x) => tf.slice(x, begin, size);
    await expectSame((x) => slice(x, begin, size), plain, [normal(shape, 3)]);
  });

  test.runIf(backend === 'wasm')('a slice takes no copy of what it is taken of', () => {
    const x = tf.zeros([1024, 1024]);
    const time = (cut: typeof slice) => {
      const start = performance.now();
      for (let i = 0; i < 50; i++) cut(x, [7, 0], [2, 1024]).dispose();
      return performance.now() - start;
    };
    time(slice);
    expect(time(slice)).toBeLessThan(time((x, begin, size) => tf.slice(x, begin, size)) / 4);
    x.dispose();
  });
});
