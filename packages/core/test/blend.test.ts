import { blend } from '@saccade/core';
import { useBackend } from '@saccade/backends';
import { onEachBackend } from '@saccade/testkit';
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { expectGuarded, expectSame, normal, type Operation } from './plain.ts';

// A map's shape, and the number of branches.
const CASES: [number[], number][] = [
  [[2, 3, 5, 20], 2],
  [[2, 3, 4, 7], 3],
  [[1, 4, 3], 1],
  [[1, 9, 13, 130], 2],
];

const ours =
  (activation?: 'softmax'): Operation =>
  (weights, ...branches) =>
    blend(branches, weights as tf.Tensor3D, activation);

function plain(activation?: 'softmax'): Operation {
  return (weights, ...branches) => {
    // tf's softmax takes the last axis alone.
    const all = activation ? tf.transpose(tf.softmax(tf.transpose(weights, [0, 2, 1])), [0, 2, 1]) : weights;
    const share = (branch: tf.Tensor, i: number) => {
      const aligned = branch.shape.map((size, axis) => (axis > 0 && axis < branch.rank - 1 ? 1 : size));
      return tf.reshape(tf.slice(all, [0, i, 0], [-1, 1, -1]), aligned);
    };
    return tf.addN(branches.map((branch, i) => tf.mul(branch, share(branch, i))));
  };
}

function inputsOf([map, branches]: (typeof CASES)[number]) {
  const weights = normal([map[0], branches, map.at(-1)!], 1);
  return [weights, ...Array.from({ length: branches }, (_, i) => normal(map, 2 + i))];
}

onEachBackend((backend) => {
  const tolerance = backend === 'webgpu' ? { value: 1e-4, gradient: 1e-3 } : { value: 1e-5, gradient: 1e-4 };

  test.each(backend === 'webgpu' ? CASES.slice(1, 2) : CASES)('blends maps of %j, %i branches', async (...shapes) => {
    await expectSame(ours('softmax'), plain('softmax'), inputsOf(shapes), tolerance);
    await expectSame(ours(), plain(), inputsOf(shapes), tolerance);
  });
});

test.each(CASES)('on wasm, nothing is read or written out of bounds by a blend of maps of %j, %i branches', async (...shapes) => {
  await useBackend('wasm');
  await expectGuarded(ours('softmax'), inputsOf(shapes));
  await useBackend('cpu');
});

test('the softmax of logits far apart', async () => {
  await useBackend('wasm');
  const logits = { shape: [1, 2, 5], values: Float32Array.from([300, -300, 1e4, 0, -88, -300, 300, -1e4, 0, 12]) };
  await expectSame(ours('softmax'), plain('softmax'), [logits, normal([1, 2, 3, 5], 1), normal([1, 2, 3, 5], 2)]);
  await useBackend('cpu');
});

test('blend refuses what does not fit', () => {
  const [map, other] = [tf.zeros([2, 3, 4, 5]), tf.zeros([2, 3, 3, 5])];
  expect(() => blend([map, other], tf.zeros([2, 2, 5]))).toThrow(
    'blend: a branch of shape [2, 3, 3, 5] beside one of [2, 3, 4, 5]. Give branches of one shape.',
  );
  expect(() => blend([map, map], tf.zeros([2, 5, 2]))).toThrow(
    'blend: weights of shape [2, 5, 2] do not fit 2 branches of shape [2, 3, 4, 5]. Give [N, branches, C].',
  );
  expect(() => blend([], tf.zeros([2, 0, 5]))).toThrow('blend: there is no branch. Give one or more.');
});
