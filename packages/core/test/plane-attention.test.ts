import { useBackend } from '@saccade/backends';
import { addPositions, attend, attentionRows, mergeHeads, relativeLogits, sinCosPositions, sinePositions, splitHeads } from '@saccade/core';
import { closeTo, onEachBackend } from '@saccade/testkit';
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { expectSame, normal, toTensor, type Operation } from './plain.ts';

type Size = readonly [height: number, width: number];

/** As tf.oneHot, which takes no depth of 1. */
function oneHot(indices: number[], depth: number): tf.Tensor {
  return tf.tensor2d(
    indices.map((index) => Array.from({ length: depth }, (_, i) => Number(i === index))),
    [indices.length, depth],
  );
}

/** Softmax attention whose bias is looked up, for each pair of positions, in the tables. */
function plainWeights(q: tf.Tensor, k: tf.Tensor, tables: tf.Tensor[], [height, width]: Size): tf.Tensor {
  const count = height * width;
  const at = (axis: 0 | 1, i: number) => (axis === 0 ? Math.floor(i / width) : i % width);
  const terms = tables.map((table, axis) => {
    const size = [height, width][axis];
    const distances = Array.from(
      { length: count ** 2 },
      (_, pair) => at(axis as 0, pair % count) - at(axis as 0, Math.floor(pair / count)) + size - 1,
    );
    const rows = tf.reshape(tf.matMul(oneHot(distances, 2 * size - 1), table), [1, count, count, -1]);
    return tf.sum(tf.mul(tf.expandDims(q, 2), rows), 3);
  });
  return tf.softmax(tf.add(tf.mul(tf.matMul(q, k, false, true), 0.7), tf.add(terms[0], terms[1])));
}

onEachBackend((backend) => {
  const tolerance = backend === 'webgpu' ? { value: 1e-4, gradient: 1e-3 } : { value: 1e-5, gradient: 1e-4 };

  test.each<[batch: number, size: Size]>([
    [2, [3, 4]],
    [1, [5, 2]],
    [1, [1, 6]],
    [3, [1, 1]],
    // More keys than a block of wasm's kernel, whose second block begins amid a row.
    ...(backend === 'wasm' ? [[1, [13, 21]] as [number, Size]] : []),
  ])('attention with relative positions equals that with a table of all pairs: %d images of %j', async (batch, size) => {
    const [height, width] = size;
    const ours: Operation = (...xs) => {
      const [q, k, v, rows, columns] = xs as [tf.Tensor3D, tf.Tensor3D, tf.Tensor3D, tf.Tensor2D, tf.Tensor2D];
      return attend(q, k, v, { scale: 0.7, bias: relativeLogits(q, size, { height: rows, width: columns }) });
    };
    const plain: Operation = (q, k, v, ...tables) => tf.matMul(plainWeights(q, k, tables, size), v);
    const shapes = [
      [batch, height * width, 3],
      [batch, height * width, 3],
      [batch, height * width, 5],
      [2 * height - 1, 3],
      [2 * width - 1, 3],
    ];
    const inputs = shapes.map((shape, i) => normal(shape, i + 1));
    await expectSame(ours, plain, inputs, tolerance);
    const [q, k, , rows, columns] = inputs.map(toTensor) as [tf.Tensor3D, tf.Tensor3D, tf.Tensor3D, tf.Tensor2D, tf.Tensor2D];
    const queries = [height * width - 1, 0];
    const chosen = attentionRows(q, k, queries, { scale: 0.7, bias: relativeLogits(q, size, { height: rows, width: columns }) });
    await closeTo(chosen, tf.gather(plainWeights(q, k, [rows, columns], size), queries, 1), tolerance.value);
  });

  test('addPositions equals two broadcast additions', async () => {
    const ours: Operation = (x, rows, columns) => addPositions(x as tf.Tensor4D, { rows: rows as tf.Tensor2D, columns: columns as tf.Tensor2D });
    const plain: Operation = (x, rows, columns) => tf.add(tf.add(x, tf.reshape(rows, [1, 3, 1, 5])), tf.reshape(columns, [1, 1, 4, 5]));
    await expectSame(ours, plain, [normal([2, 3, 4, 5], 1), normal([3, 5], 2), normal([4, 5], 3)], tolerance);
  });

  test('heads take successive channels, and merge to what they were', async () => {
    const x = toTensor(normal([2, 5, 6], 1)) as tf.Tensor3D;
    const heads = splitHeads(x, 3);
    await closeTo(tf.slice(heads, [4, 0, 0], [1, 5, 2]), tf.slice(x, [1, 0, 2], [1, 5, 2]), 0);
    await closeTo(mergeHeads(heads, 3), x, 0);
  });
});

test('attention with relative positions never holds the bias of all pairs', async () => {
  await useBackend('wasm');
  const [q, height, width] = [[1, 1024, 2] as const, [63, 2] as const, [63, 2] as const].map((shape) => tf.randomNormal([...shape])) as [
    tf.Tensor3D,
    tf.Tensor2D,
    tf.Tensor2D,
  ];
  const step = (q: tf.Tensor) =>
    attend(q as tf.Tensor3D, q as tf.Tensor3D, q as tf.Tensor3D, { bias: relativeLogits(q as tf.Tensor3D, [32, 32], { height, width }) });
  const { kernels } = await tf.profile(() => tf.tidy(() => void tf.grad(step)(q)));
  const largest = Math.max(...kernels.flatMap(({ outputShapes }) => outputShapes.map((shape) => tf.util.sizeFromShape(shape))));
  expect(largest).toBeLessThan(1024 * 1024);
});

test('sine positions count from 1, their halves encode row and column in pairs of sine and cosine', async () => {
  const { rows, columns } = sinePositions([3, 2], 8, { temperature: 100 });
  const pairs = (position: number) => [1, 10].flatMap((divisor) => [Math.sin(position / divisor), Math.cos(position / divisor)]);
  await closeTo(rows, tf.pad(tf.tensor2d([1, 2, 3].map(pairs)), SECOND_HALF_EMPTY), 1e-6);
  await closeTo(columns, tf.pad(tf.tensor2d([1, 2].map(pairs)), FIRST_HALF_EMPTY), 1e-6);
  const normalised = sinePositions([4, 2], 4, { normalise: true });
  await closeTo(normalised.rows, tf.tensor2d([0.25, 0.5, 0.75, 1].map((y) => [Math.sin(2 * Math.PI * y), Math.cos(2 * Math.PI * y), 0, 0])), 1e-5);
});

test('sine-cosine positions count from 0, their halves encode column and row as all sines and all cosines', async () => {
  const { rows, columns } = sinCosPositions([2, 3], 8);
  const code = (position: number) => [Math.sin, Math.cos].flatMap((wave) => [1, 100].map((divisor) => wave(position / divisor)));
  await closeTo(rows, tf.pad(tf.tensor2d([0, 1].map(code)), FIRST_HALF_EMPTY), 1e-6);
  await closeTo(columns, tf.pad(tf.tensor2d([0, 1, 2].map(code)), SECOND_HALF_EMPTY), 1e-6);
});

/** What pads the codes of half of 8 channels. */
const SECOND_HALF_EMPTY: [number, number][] = [
  [0, 0],
  [0, 4],
];
const FIRST_HALF_EMPTY: [number, number][] = [
  [0, 0],
  [4, 0],
];
