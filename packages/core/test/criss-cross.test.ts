import { crissCross, crissCrossRows } from '@saccade/core';
import { closeTo, onEachBackend, random } from '@saccade/testkit';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, test } from 'vitest';

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
  // The last two are large enough for XNNPACK's product on wasm; a software WebGPU would take long for them.
  const cases = [
    [1, 5, 7],
    [3, 7, 4],
    [2, 1, 6],
    [1, 6, 1],
    [1, 1, 1],
    [1, 17, 23],
    [3, 19, 16],
  ] as const;
  describe.each(cases.slice(0, backend === 'webgpu' ? 5 : undefined))('criss-cross attention on %i × %i × %i', (...shape) => {
    const [keyChannels, channels] = shape[1] > 16 ? [8, 24] : [3, 5];

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
