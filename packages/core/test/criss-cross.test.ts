import { crissCross, crissCrossRows } from '@saccade/core';
import { useBackend } from '@saccade/backends';
import { closeTo, onEachBackend, random, withGuards } from '@saccade/testkit';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

// Attention among all positions, of which only those in the same column or row are left.
function plainWeights(q: tf.Tensor4D, k: tf.Tensor4D): tf.Tensor {
  const [batch, height, width, depth] = q.shape;
  const positions = height * width;
  const flat = (x: tf.Tensor) => tf.reshape(x, [batch, positions, depth]);
  const onPath = (u: number, i: number) => u % width === i % width || Math.floor(u / width) === Math.floor(i / width);
  const off = Array.from({ length: positions }, (_, u) => Array.from({ length: positions }, (_, i) => (onPath(u, i) ? 0 : -1e9)));
  return tf.softmax(tf.add(tf.matMul(flat(q), flat(k), false, true), tf.tensor2d(off)));
}

function plainCrissCross(q: tf.Tensor4D, k: tf.Tensor4D, v: tf.Tensor4D): tf.Tensor {
  const [batch, height, width, channels] = v.shape;
  return tf.reshape(tf.matMul(plainWeights(q, k), tf.reshape(v, [batch, height * width, channels])), v.shape);
}

function inputs([batch, height, width]: readonly number[], keyChannels: number, channels: number): [tf.Tensor4D, tf.Tensor4D, tf.Tensor4D] {
  return [keyChannels, keyChannels, channels].map((size, i) => random([batch, height, width, size], i + 1)) as [
    tf.Tensor4D,
    tf.Tensor4D,
    tf.Tensor4D,
  ];
}

onEachBackend((backend) => {
  // The first four have what the WebGPU kernels ask for, and one of them more than a block; a software WebGPU would take long for more. The last three
  // are longer than a block of the wasm kernels.
  const cases = [
    [3, 7, 4, 4, 8],
    [2, 1, 6, 4, 8],
    [1, 6, 1, 4, 8],
    [1, 2, 70, 4, 8],
    [1, 5, 7, 3, 5],
    [1, 1, 1, 3, 5],
    [1, 17, 23, 8, 24],
    [3, 19, 16, 8, 24],
    [2, 9, 34, 6, 13],
  ] as const;
  describe.each(cases.slice(0, backend === 'webgpu' ? 4 : undefined))('criss-cross attention on %i × %i × %i', (...sizes) => {
    const shape = sizes.slice(0, 3);
    const [keyChannels, channels] = sizes.slice(3);

    test('equals attention among all positions, masked', async () => {
      const [q, k, v] = inputs(shape, keyChannels, channels);
      await closeTo(crissCross(q, k, v), plainCrissCross(q, k, v));
    });

    test('has the same gradients', async () => {
      const xs = inputs(shape, keyChannels, channels);
      const dy = random(xs[2].shape, 7);
      const ours = tf.grads(((q: tf.Tensor4D, k: tf.Tensor4D, v: tf.Tensor4D) => crissCross(q, k, v)) as never)(xs, dy);
      const plain = tf.grads(plainCrissCross as never)(xs, dy);
      for (const [i, dx] of ours.entries()) await closeTo(dx, plain[i], 1e-5);
    });

    test('gives the weights of chosen queries', async () => {
      const [batch, height, width] = shape;
      const [q, k] = inputs(shape, keyChannels, channels);
      const queries = [...new Set([0, Math.floor((height * width) / 2), height * width - 1])];
      const all = (await plainWeights(q, k).array()) as number[][][];
      const expected = Array.from({ length: batch }, (_, b) =>
        queries.map((query) => [
          ...Array.from({ length: height }, (_, y) => (y === Math.floor(query / width) ? 0 : all[b][query][y * width + (query % width)])),
          ...Array.from({ length: width }, (_, x) => all[b][query][Math.floor(query / width) * width + x]),
        ]),
      );
      const rows = crissCrossRows(q, k, queries);
      expect(rows.shape).toEqual([batch, queries.length, height + width]);
      await closeTo(rows, tf.tensor3d(expected));
    });
  });

  test('criss-cross attention of large products is the masked attention', async () => {
    const [q, k, v] = inputs([1, 6, 7], 4, 8);
    const far: tf.Tensor4D = tf.mul(q, 60);
    await closeTo(crissCross(far, k, v), plainCrissCross(far, k, v), 1e-4);
  });

  test('leaves no tensor behind, in training neither', () => {
    const xs = inputs([2, 6, 9], 4, 8);
    const dy = random(xs[2].shape, 7);
    const use = () => {
      tf.dispose([crissCross(...xs), crissCrossRows(xs[0], xs[1], [3])]);
      tf.dispose(tf.grads(((q: tf.Tensor4D, k: tf.Tensor4D, v: tf.Tensor4D) => crissCross(q, k, v)) as never)(xs, dy));
    };
    use();
    const before = tf.memory();
    use();
    expect(tf.memory()).toMatchObject({ numTensors: before.numTensors, numDataBuffers: before.numDataBuffers });
  });
});

describe('on wasm, nothing is read or written out of bounds by criss-cross attention', () => {
  beforeAll(() => useBackend('wasm'));
  afterAll(() => useBackend('cpu'));

  test.each([
    [1, 1, 1, 1],
    [5, 3, 3, 9],
    [2, 21, 6, 19],
  ])('on %i × %i, with %i and %i channels', async (height, width, keyChannels, channels) => {
    await withGuards(async () => {
      const xs = inputs([2, height, width], keyChannels, channels);
      const dy = random(xs[2].shape, 7);
      const { value, grads } = tf.valueAndGrads(crissCross as never)(xs, dy);
      for (const y of [value, ...grads]) expect((await y.data()).every(Number.isFinite)).toBe(true);
      tf.dispose([...xs, dy, value, ...grads]);
    });
  });
});
