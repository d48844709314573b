import * as tf from '@tensorflow/tfjs-core';
import { useBackend } from '@saccade/backends';
import { beforeAll, describe, expect, test } from 'vitest';
import { expectWasmLikeCpu, values } from './compare.ts';

beforeAll(async () => {
  await useBackend('cpu');
  await useBackend('wasm');
});

const SIZES = [
  { m: 3, k: 4, n: 5 },
  { m: 70, k: 33, n: 65 },
  { m: 1, k: 300, n: 200 },
];

describe.each(SIZES)('[$m, $k] · [$k, $n]', ({ m, k, n }) => {
  test.each([[], [1], [3], [2, 2]].map((batch) => ({ batch })))(
    'equals the cpu backend’s, gradients too, in batches of $batch',
    async ({ batch }) => {
      for (const transposeA of [false, true]) {
        for (const transposeB of [false, true]) {
          const product = (a: tf.Tensor, b: tf.Tensor): tf.Tensor => tf.matMul(a, b, transposeA, transposeB);
          await expectWasmLikeCpu(() => {
            const a = values([...batch, ...(transposeA ? [k, m] : [m, k])], 1);
            const b = values([...batch, ...(transposeB ? [n, k] : [k, n])], 2);
            return [product(a, b), ...tf.grads(product)([a, b])];
          }, `transposed ${transposeA}, ${transposeB}`);
        }
      }
    },
  );
});

test('one matrix for a whole batch gives what the cpu backend gives', async () => {
  await expectWasmLikeCpu(() => [tf.matMul(values([3, 40, 30], 1), values([1, 50, 30], 2), false, true)], 'broadcast');
});

test('the second matrix may have been multiplied in another shape before', async () => {
  await expectWasmLikeCpu(() => {
    const b = values([64, 96], 2);
    const first = tf.matMul(values([50, 64], 1), b);
    return [first, tf.matMul(values([96, 50], 3), tf.reshape(b, [96, 64]), true)];
  }, 'both shapes');
});

test('matrices that do not fit are refused as ever', async () => {
  await tf.setBackend('wasm');
  expect(() => tf.matMul(tf.ones([64, 64]), tf.ones([64, 65]), false, true)).toThrow(/inner shapes/);
});
