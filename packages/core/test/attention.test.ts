import { attend, attentionRows, byTiles } from '@saccade/core';
import { closeTo, onEachBackend } from '@saccade/testkit';
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { expectSame, normal, toTensor, type Operation } from './plain.ts';

type Qkv = [q: tf.Tensor3D, k: tf.Tensor3D, v: tf.Tensor3D, bias: tf.Tensor3D | undefined];

function weights(q: tf.Tensor, k: tf.Tensor, bias: tf.Tensor | undefined, scale: number): tf.Tensor {
  const scores = tf.mul(tf.matMul(q, k, false, true), scale);
  return tf.softmax(bias ? tf.add(scores, bias) : scores);
}

// At 1001 keys a tile of a CPU has 261 rows, at 2731 it has 95: one tile, tiles of whole images, tiles of some rows; and the last one smaller.
const CASES = [
  ['one tile, no bias', [2, 7, 5], 'no'],
  ['one tile, a bias each', [2, 7, 5], 'full'],
  ['tiles of images, no bias', [3, 90, 1001], 'no'],
  ['tiles of images, a bias a query and key', [3, 90, 1001], 'query'],
  ['tiles of rows, a bias each', [2, 110, 2731], 'full'],
  ['tiles of rows, a bias a query and key', [2, 110, 2731], 'query'],
  ['tiles of rows, a bias an image and key', [2, 110, 2731], 'image'],
  ['tiles of rows, a bias a key', [2, 110, 2731], 'key'],
] as const;

onEachBackend((backend) => {
  const tolerance = backend === 'webgpu' ? { value: 1e-4, gradient: 1e-3 } : { value: 1e-5, gradient: 1e-4 };

  // WebGPU's tiles are too large to need several here, and it may be software.
  test.each(backend === 'webgpu' ? CASES.slice(0, 4) : CASES)('attend and its gradients: %s', async (_, [batch, queries, keys], kind) => {
    const biases = { no: [], full: [[batch, queries, keys]], query: [[1, queries, keys]], image: [[batch, 1, keys]], key: [[1, 1, keys]] }[kind];
    const shapes = [[batch, queries, 3], [batch, keys, 3], [batch, keys, 4], ...biases];
    const ours: Operation = (...xs) => {
      const [q, k, v, bias] = xs as Qkv;
      return attend(q, k, v, bias ? { scale: 0.7, bias } : { scale: 0.7 });
    };
    const plain: Operation = (q, k, v, bias) => tf.matMul(weights(q, k, bias, 0.7), v);
    await expectSame(
      ours,
      plain,
      shapes.map((shape, i) => normal(shape, i + 1)),
      tolerance,
    );
  });

  test.each([
    [3, 90, 1001],
    [2, 110, 2731],
  ])('byTiles derives the gradients of any work: %d images, %d rows, %d columns', async (batch, count, columns) => {
    const ours: Operation = (a, b, w) =>
      byTiles(
        [a],
        [b, w],
        columns,
        ([b, w]) =>
          ([a]) =>
            tf.matMul(tf.relu(tf.add(a, b)), tf.mul(w, 2)),
      );
    const plain: Operation = (a, b, w) => tf.matMul(tf.relu(tf.add(a, b)), tf.mul(w, 2));
    await expectSame(ours, plain, [normal([batch, count, 1], 1), normal([1, 1, columns], 2), normal([batch, columns, 2], 3)], tolerance);
  });

  test('attentionRows gives the rows of the attention', async () => {
    const [q, k, bias] = [normal([2, 7, 3], 1), normal([2, 5, 3], 2), normal([1, 7, 5], 3)].map(toTensor) as [tf.Tensor3D, tf.Tensor3D, tf.Tensor3D];
    const expected = tf.gather(weights(q, k, bias, 0.5), [6, 0, 2], 1);
    await closeTo(attentionRows(q, k, [6, 0, 2], { scale: 0.5, bias }), expected, tolerance.value);
    const shared = tf.slice(bias, [0, 0, 0], [1, 1, 5]);
    await closeTo(attentionRows(q, k, [3], { bias: shared }), tf.gather(weights(q, k, shared, 1), [3], 1), tolerance.value);
  });

  test.runIf(backend === 'wasm')('attend holds no more than some tiles of the scores, in the gradient too', async () => {
    const [q, k, v] = [normal([1, 3000, 4], 1), normal([1, 4000, 4], 2), normal([1, 4000, 4], 3)].map(toTensor) as [
      tf.Tensor3D,
      tf.Tensor3D,
      tf.Tensor3D,
    ];
    const before = tf.memory().numBytes;
    const { peakBytes } = await tf.profile(() =>
      tf.tidy(() => void tf.grads((q, k, v) => attend(q as tf.Tensor3D, k as tf.Tensor3D, v as tf.Tensor3D))([q, k, v])),
    );
    expect(peakBytes - before).toBeLessThan(10 * 2 ** 20); // 48 MB for all of the scores
  });
});
