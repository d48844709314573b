import * as tf from '@tensorflow/tfjs-core';
import { useBackend } from '@saccade/backends';
import { beforeAll, expect, test } from 'vitest';
import { expectWasmLikeCpu, values } from './compare.ts';

beforeAll(async () => {
  await useBackend('cpu');
  await useBackend('wasm');
});

test('unsortedSegmentSum equals the cpu backend’s for each rank', async () => {
  for (const shape of [[6], [6, 3], [6, 2, 5]]) {
    await expectWasmLikeCpu(() => [tf.unsortedSegmentSum(values(shape, 1), tf.tensor1d([2, 0, 2, 4, 0, 2], 'int32'), 5)], `shape ${shape.join()}`);
  }
});

test('rows of segments that do not exist are dropped', async () => {
  const sum = () => tf.unsortedSegmentSum(values([5, 3], 1), tf.tensor1d([-1, 1, 7, 1, -3], 'int32'), 3);
  await expectWasmLikeCpu(() => [sum()], 'negative and too large');
  await tf.setBackend('wasm');
  expect(tf.tidy(() => Array.from(tf.slice(tf.abs(sum()), [2, 0]).dataSync()))).toEqual([0, 0, 0]);
});

test('the gradient of gather equals the cpu backend’s on each axis', async () => {
  for (const axis of [0, 1, 2]) {
    const gather = (x: tf.Tensor) => tf.square(tf.gather(x, tf.tensor1d([3, 0, 3, 1], 'int32'), axis));
    await expectWasmLikeCpu(() => [tf.grad(gather)(values([4, 5, 6], 1))], `axis ${axis}`);
  }
});

test('the gradient of unsortedSegmentSum equals the cpu backend’s', async () => {
  const sum = (x: tf.Tensor) => tf.square(tf.unsortedSegmentSum(x, tf.tensor1d([1, 0, -1, 1], 'int32'), 2));
  await expectWasmLikeCpu(() => [tf.grad(sum)(values([4, 3], 1))], 'gradient');
});

test('segments that do not fit the rows are refused', async () => {
  await tf.setBackend('wasm');
  expect(() => tf.unsortedSegmentSum(values([4, 3], 1), tf.tensor1d([0, 1], 'int32'), 2)).toThrow(
    'UnsortedSegmentSum on wasm: received segmentIds of shape [2] for x of shape [4, 3], expected [4]. Give one segment for each element of x’s first axis.',
  );
});
